"""The storage format that a run trains for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import model_validator

from seekloop.system.errors import UsageError
from seekloop.system.lazy import resolve
from seekloop.system.spec import Spec
from seekloop.tune.method_spec import FullMethod, LoraMethod, MethodSpec
from seekloop.tune.run_specs import ComputeSpec
from seekloop.tune.soft_spec import LastLayersMethod

__all__ = ["QuantiseSpec"]


class QuantiseSpec(Spec):
    """Quantisation-aware tuning. `quantise_for: q4_0` stands for `{precision: q4_0}`."""

    precision: Literal["q8_0", "q4_1", "q4_0", "int8", "int4"] = "q4_0"
    """Of the matrices: blocks of GGUF, or whole numbers with a scale a row (`int8`) or group (`int4`)."""
    embedding: Literal["f32", "f16", "q8_0", "q4_1", "q4_0"] | None = None
    """Of the token embedding and the output head; None: `q8_0` for GGUF, as `compress` does, else `f16`, as packed
    forms hold them."""
    group: Literal[128, 64, 32] = 128
    """Weights of a row that share a scale, for `int4`: what `w4a16` stores."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"precision": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _is_stored(self) -> Self:
        if self.precision.startswith("int") and self.tables.startswith("q"):
            raise ValueError(f"no form holds {self.precision} matrices beside a {self.tables} embedding: f16 or f32")
        return self

    @property
    def tables(self) -> str:
        """The format of embedding and head, whether it was given or not."""
        return self.embedding or ("f16" if self.precision.startswith("int") else "q8_0")

    @property
    def target(self) -> Any:
        """As the trainer takes it (`runtime/grids.py: Target`)."""
        # Resolved here because torch comes with it.
        return resolve("seekloop.runtime.grids:Target")(
            precision=self.precision, embedding=self.tables, group=self.group
        )

    def check(self, method: MethodSpec, compute: ComputeSpec) -> None:
        """Whether a run can be trained for a format.

        Raises:
            UsageError: its method, or the way it computes, does not round weights.
        """
        for what, wrong in _reasons(method, compute).items():
            if wrong:
                raise UsageError("tune.not_quantised_for", what=what)


def _reasons(method: MethodSpec, compute: ComputeSpec) -> Mapping[str, bool]:
    found = {
        f"method.type={method.type}": not isinstance(method, LoraMethod | FullMethod | LastLayersMethod),
        f"compute.precision={compute.precision}": compute.precision != "fp32",
        f"compute.sharding={compute.sharding}": compute.sharding != "none",
        "compute.deepspeed": compute.deepspeed is not None,
    }
    if isinstance(method, LoraMethod):
        found |= {
            "method.dora": method.dora,
            "method.dropout": method.dropout > 0,
            "method.init=pissa": method.init == "pissa",
            f"method.base={method.base}": method.base != "f32",
        }
    return found
