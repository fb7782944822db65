"""Figures that cost further passes through a model; all off unless the spec asks."""

from __future__ import annotations

from pydantic import Field

from seekloop.system.spec import Spec

__all__ = ["PassesSpec", "SimilaritySpec"]


class SimilaritySpec(Spec):
    """Nearness in meaning of two texts: the cosine of their mean-pooled last hidden states."""

    path: str | None = None
    """Folder of a transformers encoder with its tokenizer; None: the base model that the checkpoint was made from."""
    max_tokens: int = Field(default=512, ge=8)
    """Tokens of a text that an encoder reads; longer ones are cut, which is said."""

    def _reads(self) -> tuple[str, ...]:
        return () if self.path is None else (self.path,)


class PassesSpec(Spec):
    """What is asked of a model beside its answers. Torch does it, so the checkpoint needs weights that torch runs."""

    likelihood: bool = False
    """Perplexity and bits per byte of the right answers, end of answer included."""
    stride: int | None = Field(default=None, ge=1)
    """Tokens between the windows in which a row longer than `context` is read; None: half of `context`."""
    calibration: bool = False
    """How probable the model's own label was to it, and how far that is from how often such labels are right."""
    similarity: SimilaritySpec | None = None
    """Nearness in meaning of free text; None: off."""
    groups: SimilaritySpec | None = None
    """Group wrong answers by what their questions mean, as these states tell; None: by the words in them."""
