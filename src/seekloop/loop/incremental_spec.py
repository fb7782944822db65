"""How a later round differs from the first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from seekloop.data.spec import DataSpec
from seekloop.system.spec import Spec
from seekloop.tune.aliases import rename
from seekloop.tune.spec import TuneSpec

__all__ = ["IncrementalSpec", "Strategy"]

Strategy = Literal["continue", "retrain"]
"""`continue`: the released checkpoint, trained on with the lesson and replay. `retrain`: the base, trained as in the
first round with all rows that were ever trained, and the lesson's."""

_replay_share = 0.3
_gentle_full = {"learning_rate": 5e-6, "epochs": 1}
_gentle_adapter = {"learning_rate": 4e-4, "epochs": 2}


class IncrementalSpec(Spec):
    """What production taught, mixed with replay, trained gently. What is not said here has a later round's defaults."""

    data: DataSpec = DataSpec()
    """Cleaning, splitting and replay of what came back. Unless said: `replay: {share: 0.3}` and
    `dedupe: {trained: drop}`."""
    tune: TuneSpec = TuneSpec()
    """Of `continue`. Unless said, every weight is trained at 5e-6 for one epoch and LoRA at 4e-4 for two: an adapter
    that is moved by 5e-6 once learns nothing of a lesson."""
    strategies: tuple[Strategy, ...] = Field(default=("continue", "retrain"), min_length=1)
    """What is tried each round; the first stays unless another is shown to be better."""
    retrain_minutes: float = Field(default=10.0, ge=0)
    """Training from the base that would take longer is left out of the round, which is said and recorded."""

    @model_validator(mode="before")
    @classmethod
    def _of_a_later_round(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        filled = dict(value)
        data, tune = filled.get("data", {}), filled.get("tune", {})
        if isinstance(data, Mapping):
            dedupe = data.get("dedupe", {})
            with_drop = {"trained": "drop", **dedupe} if isinstance(dedupe, Mapping) else dedupe
            filled["data"] = {"replay": {"share": _replay_share}, **data, "dedupe": with_drop}
        if isinstance(tune, Mapping):
            filled["tune"] = _gentle(rename(tune, own=TuneSpec.model_fields))
        return filled

    @field_validator("strategies")
    @classmethod
    def _each_once(cls, value: tuple[Strategy, ...]) -> tuple[Strategy, ...]:
        if len(set(value)) < len(value):
            raise ValueError("a strategy stands there twice")
        return value


def _gentle(tune: Mapping[str, Any]) -> dict[str, Any]:
    """A tune spec with a later round's rate and epochs, where it says neither; other methods keep their own."""
    method = tune.get("method", {})
    kind = method.get("type", "lora") if isinstance(method, Mapping) else None
    defaults: Mapping[str, Any] = {"full": _gentle_full, "lora": _gentle_adapter}.get(str(kind), {})
    return {**defaults, **tune}
