"""What the compress stage is told: which form to make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.system.spec import Spec

__all__ = ["CompressInputs", "CompressSpec", "GgufMethod", "MergeMethod", "MethodSpec", "Precision"]

Precision = Literal["f32", "f16", "q8_0", "q4_1", "q4_0"]


class MergeMethod(Spec):
    """Fold an adapter into its base: the full form, fp32, with the same logits."""

    type: Literal["merge"] = "merge"


class GgufMethod(Spec):
    """One GGUF file for llama.cpp and whatever reads its format; an adapter is folded in."""

    type: Literal["gguf"] = "gguf"
    precision: Precision = "q8_0"
    """Of the matrices: `q8_0` is 8.5 bits a weight, `q4_1` 5, `q4_0` 4.5. Vectors stay fp32."""
    embedding: Precision | None = None
    """Of the token embedding and the output head; None: `q8_0` for the four-bit forms, otherwise as `precision`."""


MethodSpec = Annotated[MergeMethod | GgufMethod, Field(discriminator="type")]


class CompressSpec(Spec):
    """One compressed form."""

    method: MethodSpec = GgufMethod()
    """How, and how far."""


@dataclass(frozen=True, kw_only=True)
class CompressInputs:
    """What is compressed."""

    checkpoint: Checkpoint
    """In the full or adapter form."""
    dataset: Dataset | None = None
    """Calibration rows, for methods that look at data; the methods so far do not."""
