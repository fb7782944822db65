"""Before the work: what the profile chose is said, what does not suit it refused, and too little memory told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.compress.packed.trained import FORMS
from seekloop.compress.profiles.machine import here, missing
from seekloop.compress.profiles.profile import Profile, profile
from seekloop.compress.spec import CompressSpec
from seekloop.model.memory import LIBRARIES
from seekloop.runtime.grids import read_target
from seekloop.runtime.models import base_of
from seekloop.system import digests, settings
from seekloop.system.errors import ModelError, UsageError
from seekloop.system.memory import free_bytes
from seekloop.system.plain import show
from seekloop.system.progress import Progress

__all__ = ["apply", "check_memory", "say_rounded_again"]

_weight_bytes: Mapping[str, int] = {"merge": 12, "openvino": 12, "onnx": 12}
"""Bytes a weight that a method holds at once: merging has the merged weights, and two models to compare; a conversion
has torch's, the converter's and what becomes of them."""
_parent_bytes = 4
"""A weight of the parent, which the parity gate opens in fp32: the least that any method needs."""
_bits: Mapping[str, float] = {"f32": 32, "f16": 16, "bf16": 16, "q8_0": 8.5, "int8": 8.5, "q4_1": 5, "q4_0": 4.5}


def apply(spec: CompressSpec, parent: Checkpoint, *, store: Store, progress: Progress) -> None:
    """Say what the spec's profile chose, and hold the method against it; nothing where the spec names none.

    Raises:
        UsageError: the profile refuses the method.
        ModelError: the form does not fit the profile's memory.
    """
    if spec.profile is None:
        return
    chosen, language = profile(spec.profile), settings.language()
    method = spec.method.model_dump(mode="json", exclude_none=True)
    refused = chosen.refusal(method, language)
    if refused is not None:
        raise UsageError("compress.profile_refuses", profile=chosen.name, method=show(method), why=refused)
    _check_budget(chosen, method, weights=base_of(parent, store).parameters)
    progress.say(f"profile {chosen.name}: {show(method)}; {chosen.why[language]}")
    lacking = missing(chosen, here())
    if lacking:
        progress.say(
            f"this machine is no {chosen.name}: it lacks {', '.join(lacking)}; the form is made and compared here, its "
            "speed there is not known"
        )


def check_memory(spec: CompressSpec, parent: Checkpoint, *, store: Store, free: int | None = None) -> None:
    """Make sure that the work fits into memory before it begins, the parity gate with its fp32 parent included.

    Args:
        spec: its method may need more than the gate.
        parent: what is compressed.
        store: where it is.
        free: bytes that can be had; None: as many as the system says.

    Raises:
        ModelError: it does not.
    """
    free = free_bytes() if free is None else free
    each = _weight_bytes.get(spec.method.type, _parent_bytes)
    need = base_of(parent, store).parameters * each + LIBRARIES
    if free is not None and need > free:
        raise ModelError("compress.too_little_memory", need=f"{need / 2**30:.1f}", free=f"{free / 2**30:.1f}")


def say_rounded_again(spec: CompressSpec, parent: Checkpoint, *, store: Store, progress: Progress) -> None:
    """Say aloud that a form rounds, with other scales, what was trained for a storage format."""
    target, method = read_target(store.folder(parent.id)), spec.method.model_dump(mode="json", exclude_none=True)
    if target is None or method["type"] in ("merge", "onnx", "prune", "distil") or method.get("precision") == "f32":
        return
    stored = method["precision"] if method["type"] == "gguf" else FORMS.get(method["type"])
    if target.precision != stored:
        progress.say(
            f"{digests.short(parent.id)} was trained for {target.precision}: {show(method)} rounds it once more"
        )


def _check_budget(chosen: Profile, method: Mapping[str, Any], *, weights: int) -> None:
    bits = _bits.get(str(method.get("precision")))
    if chosen.budget_mib is None or bits is None:
        return
    size = weights * bits / 8 / 2**20
    if size > chosen.budget_mib:
        raise ModelError(
            "compress.beyond_budget", profile=chosen.name, need=f"{size:.0f}", budget=f"{chosen.budget_mib:g}"
        )
