"""The engine's dials: which one, how many answers side by side, and what may guess for it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from seekloop.runtime.generate.engines import EngineChoice
from seekloop.system.spec import Spec

__all__ = ["DraftOptions", "EngineOptions"]


class DraftOptions(Spec):
    """Speculative decoding: what guesses the next tokens, which the model then reads at once."""

    by: Literal["prompt", "model"] = "prompt"
    """The text so far, where its last ids came before; or a smaller checkpoint (llama.cpp only)."""
    model: str | None = None
    """Id of that checkpoint, or its beginning: a GGUF file with the tokenizer of what is served."""
    tokens: int = Field(default=4, ge=1, le=16)
    """At most so many are guessed at a time."""
    ngram: int = Field(default=3, ge=1, le=16)
    """Ids that are looked for in the text so far."""

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if (self.by == "model") != (self.model is not None):
            raise ValueError("a model is named where it guesses, and nowhere else")
        return self


class EngineOptions(Spec):
    """How the engine of a release is run."""

    engine: EngineChoice = "auto"
    """Which backend generates."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads of an engine; None: the engine's choice."""
    streams: int = Field(default=8, ge=1, le=256)
    """Answers generated at the same time."""
    context: int = Field(default=2048, ge=16)
    """Tokens of prompt and answer together."""
    prefix_cache: bool = False
    """Start from what the engine still knows of a prompt with the same beginning (llama.cpp, OpenVINO). Without it no
    answer depends in its last bit on what was asked before, and none tells by how fast it comes what others asked."""
    draft: DraftOptions | None = None
    """What guesses the next tokens; None: nothing. Greedy answers stay the same."""
