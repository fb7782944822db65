"""Adapters of every kind, opened by what their `adapter_config.json` says they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from seekloop.runtime.train.methods import bottleneck, lora, peft_kinds, prefix, prompt
from seekloop.system.errors import ModelError

__all__ = ["kind_of", "open_adapter"]

_openers: dict[str, Callable[[nn.Module, Path], Any]] = {
    "LORA": lora.open_adapter,
    "PREFIX_TUNING": prefix.open_adapter,
    "SEEKLOOP_PREFIX": prefix.open_adapter,
    "PROMPT_TUNING": prompt.open_adapter,
    "P_TUNING": prompt.open_adapter,
    bottleneck.KIND: bottleneck.open_adapter,
}


def kind_of(folder: Path) -> str:
    """`peft_type` of the adapter in `folder`, for example `LORA`.

    Raises:
        ModelError: there is no adapter.
    """
    path = folder / "adapter_config.json"
    if not path.is_file():
        raise ModelError("train.no_adapter", folder=folder)
    return str(json.loads(path.read_text("utf-8")).get("peft_type"))


def open_adapter(model: nn.Module, folder: Path) -> None:
    """Put the adapter in `folder` on `model`, which is its base.

    Raises:
        ModelError: there is none, it is of a kind that is not known here, or it is another base's.
    """
    kind = kind_of(folder)
    opener = _openers.get(kind) or (peft_kinds.open_adapter if peft_kinds.opens(kind) else None)
    if opener is None:
        raise ModelError("train.adapter_kind", kind=kind, known=", ".join(_openers), where=folder)
    opener(model, folder)
