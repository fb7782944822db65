"""The limits of `limits.yaml`, with what a spec says in their place."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

import yaml

from seekloop.artifact.kinds import Form
from seekloop.compress.parity.spec import ParitySpec

__all__ = ["Limits", "limits_of"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How far a form may be from its parent; None: not limited."""

    name: str
    """Class of precisions."""
    max_lost: float | None = None
    max_kl: float | None = None
    """Nats."""
    max_difference: float | None = None
    why: str = ""


def limits_of(*, form: Form, precision: str, changed: bool, spec: ParitySpec, classifier: bool = False) -> Limits:
    """The limits for a form; those that the spec names take the place of the usual ones.

    Args:
        form: of the checkpoint.
        precision: of its weights, in any case.
        changed: whether weights were removed or trained further.
        spec: of the gate.
        classifier: whether it gives probabilities of classes.
    """
    usual = _usual(form, precision.lower(), special="changed" if changed else "classes" if classifier else None)
    if spec.max_kl is None and spec.max_lost is None:
        return usual
    return replace(usual, max_lost=spec.max_lost, max_kl=spec.max_kl, why="set by the spec")


def _usual(form: Form, precision: str, *, special: str | None) -> Limits:
    fits = (
        name
        for name, entry in _table().items()
        if precision in entry["precisions"] and form in entry.get("forms", (form,))
    )
    name = special or next(fits, "other")
    entry = {key: value for key, value in _table()[name].items() if key not in ("precisions", "forms")}
    return Limits(name=name, **entry)


@functools.cache
def _table() -> dict[str, dict[str, Any]]:
    text = resources.files("seekloop.compress.parity").joinpath("limits.yaml").read_text("utf-8")
    table: dict[str, dict[str, Any]] = yaml.safe_load(text)
    return table
