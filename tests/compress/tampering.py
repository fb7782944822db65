"""Breaks a folder in the layout of transformers as a faulty export might."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

__all__ = ["tampered"]


def tampered(folder: Path, part: str) -> None:
    """Move the rows of every tensor whose name ends so."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    for name in tensors:
        if name.endswith(part):
            tensors[name] = torch.roll(tensors[name], 7, dims=0)
    save_file(tensors, path, metadata={"format": "pt"})
