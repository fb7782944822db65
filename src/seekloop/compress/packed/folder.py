"""A transformers folder in half precision: tensors, config and generation settings."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from seekloop.compress.packed.spec import Half
from seekloop.compress.weights import Weights
from seekloop.system.errors import ModelError

__all__ = ["as_half", "half_types", "write_folder"]

half_types: Mapping[Half, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}
_names = {torch.bfloat16: "bfloat16", torch.float16: "float16"}
_exact = ".e_score_correction_bias"
"""What engines keep in fp32: it decides which experts are chosen."""


def as_half(tensor: Tensor, name: str, *, stored: torch.dtype) -> Tensor:
    """`tensor` in a half type, but for what engines keep in full.

    Raises:
        ModelError: a value is too large for it.
    """
    if name.endswith(_exact):
        return tensor.float()
    half = tensor.to(stored)
    if not half.isfinite().all():
        raise ModelError("compress.overflow", name=name, dtype=_names[stored])
    return half.contiguous()


def write_folder(
    weights: Weights,
    tensors: dict[str, Tensor],
    *,
    folder: Path,
    stored: torch.dtype,
    quantised: Mapping[str, Any] | None = None,
) -> None:
    """Write `model.safetensors`, `config.json` and `generation_config.json` into `folder`.

    Args:
        weights: give the config.
        tensors: by their names in the file.
        folder: takes the files.
        stored: what the config says that the model is in.
        quantised: `quantization_config`; None: nothing is quantised.
    """
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = {key: value for key, value in weights.config.items() if key != "torch_dtype"} | {"dtype": _names[stored]}
    if quantised is not None:
        config["quantization_config"] = dict(quantised)
    text = json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    (folder / "config.json").write_text(text, "utf-8")
    settings = weights.folder / "generation_config.json"
    if settings.is_file():
        shutil.copyfile(settings, folder / settings.name)
