"""What the parent tells the llama.cpp worker; imports no engine."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Self

__all__ = ["WorkerConfig"]


@dataclass(frozen=True, kw_only=True)
class WorkerConfig:
    """Goes to the worker as one line of JSON."""

    model: str
    """Path of a GGUF file."""
    stop_ids: tuple[int, ...]
    streams: int
    context: int
    """Tokens of prompt and answer together, for each stream."""
    threads: int
    cache_prompt: bool
    """Whether what is still known of an earlier prompt is used."""
    key: str
    """What requests must carry."""
    parent: int
    """Process that must be alive."""
    socket: str = ""
    """Path of a socket to listen on; empty: a free port of 127.0.0.1."""
    embeds: bool = False
    """Whether it gives embeddings, and nothing else."""
    draft_tokens: int = 0
    """Tokens that are guessed at a time; 0: none are."""
    draft_ngram: int = 0
    """Ids that are looked for in the text so far, where no model guesses."""
    draft_model: str = ""
    """Path of a GGUF file that guesses; empty: the text so far does."""

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Self:
        """The opposite of `to_json`."""
        return cls(**json.loads(line))
