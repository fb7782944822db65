"""What is told about composing train rows: how sources, languages or labels are mixed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from seekloop.system.spec import Spec

__all__ = ["MixSpec"]


class MixSpec(Spec):
    """Shares of train rows by temperature: small buckets are repeated, large ones thinned. Only train is touched."""

    by: Literal["language", "source", "file", "label"] = "language"
    """What is evened out: the script that the user writes in, the source by its `name` (by its file where it has none),
    the file, or the label."""
    temperature: float = Field(default=1.0, ge=1, le=1_000)
    """1: shares as they are; the higher, the more even. 3.3 is the exponent 0.3 of XLM-R."""
    rows: int | None = Field(default=None, ge=1)
    """Train rows afterwards; None: as many as there are."""
    max_copies: int = Field(default=4, ge=1)
    """How often a row stands in train at most; where that is not enough, others make up for it."""
