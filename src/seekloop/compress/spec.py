"""What the compress stage is told: which form to make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.compress.gguf.spec import GgufMethod, Precision
from seekloop.compress.onnx.spec import OnnxMethod
from seekloop.compress.openvino.spec import OpenVinoMethod
from seekloop.compress.packed.spec import BitsAndBytesMethod, CastMethod, Int8WeightsMethod, W4A16Method, W8A8Method
from seekloop.compress.parity.spec import ParitySpec
from seekloop.compress.profiles.profile import profile
from seekloop.compress.smaller.spec import DistilMethod, PruneMethod
from seekloop.system.spec import Spec

__all__ = ["CompressInputs", "CompressSpec", "GgufMethod", "MergeMethod", "MethodSpec", "Precision"]


class MergeMethod(Spec):
    """Fold an adapter into its base: the full form, fp32, with the same logits, or a classifier's scores."""

    type: Literal["merge"] = "merge"


MethodSpec = Annotated[
    MergeMethod
    | GgufMethod
    | OpenVinoMethod
    | CastMethod
    | W4A16Method
    | Int8WeightsMethod
    | W8A8Method
    | BitsAndBytesMethod
    | PruneMethod
    | DistilMethod
    | OnnxMethod,
    Field(discriminator="type"),
]


class CompressSpec(Spec):
    """One compressed form."""

    method: MethodSpec = GgufMethod()
    """How, and how far."""
    parity: ParitySpec = ParitySpec()
    """How the form is compared with its parent before it counts."""
    profile: str | None = None
    """Device that the form is for, such as `low-memory`: fills what `method` leaves open (`seekloop profiles`)."""

    @model_validator(mode="before")
    @classmethod
    def _fill_by_profile(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or not isinstance(value.get("profile"), str):
            return value
        method = value.get("method")
        if method is not None and not isinstance(method, Mapping):
            return value
        return {**value, "method": profile(value["profile"]).filled(method)}


@dataclass(frozen=True, kw_only=True)
class CompressInputs:
    """What is compressed."""

    checkpoint: Checkpoint
    """In the full or adapter form."""
    dataset: Dataset | None = None
    """Calibration rows, for methods that look at data; the methods so far do not."""
