"""Starts OpenVINO over a checkpoint: what it may round, how much it can hold, and whether that fits the memory."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.model.gguf_header import read_header
from seekloop.runtime.generate.dials import Dials
from seekloop.runtime.generate.openvino import OpenVino
from seekloop.runtime.generate.openvino_config import BLOCK
from seekloop.runtime.openvino_ir import Rounding
from seekloop.system import settings
from seekloop.system.errors import EngineError
from seekloop.system.memory import free_bytes

__all__ = ["Sizes", "cache_bytes", "rounding_of", "sizes_of", "start_openvino"]

_libraries = 350 * 2**20
"""Resident bytes of an engine process without its model; measured, openvino-genai 2026.4."""
_unpacked = 5.0
"""A GGUF file is unpacked into an OpenVINO model in the process: at most so many times its size, while it loads."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What the arithmetic needs to know about a model."""

    layers: int
    heads: int
    """Of keys."""
    width: int
    """Of a head."""
    context: int
    """Positions that the model was made for."""


def start_openvino(checkpoint: Checkpoint, *, store: Store, dials: Dials) -> OpenVino:
    """An engine process for a checkpoint of the openvino or gguf form.

    Args:
        checkpoint: what it holds.
        store: where that is.
        dials: how it is run; threads: as many as this process may use, where none are given.

    Raises:
        EngineError: model and streams do not fit the memory, it does not start, or a model should guess for it.
        ArtifactError: the checkpoint is not in the store.
        MissingPackage: openvino-genai is not installed.
    """
    folder = store.folder(checkpoint.id)
    model = folder if checkpoint.form == "openvino" else folder / "model.gguf"
    sizes = sizes_of(model)
    streams, context, rounding = dials.streams, min(dials.context, sizes.context), rounding_of(checkpoint.precision)
    weights = checkpoint.size * (1.0 if checkpoint.form == "openvino" else _unpacked)
    need = _libraries + weights + cache_bytes(sizes, streams=streams, context=context, rounding=rounding)
    _check_memory(need, streams=streams, context=context)
    dials = dataclasses.replace(dials, threads=dials.threads or settings.threads(), context=context)
    return OpenVino.start(model, rounding=rounding, dials=dials)


def rounding_of(precision: str) -> Rounding:
    """What the engine rounds beside weights of a precision: inputs of products only where weights are rounded too."""
    rounding: Rounding = "eight"
    match precision:
        case "f32":
            rounding = "none"
        case "f16":
            rounding = "half"
    return rounding


def cache_bytes(sizes: Sizes, *, streams: int, context: int, rounding: Rounding) -> int:
    """Bytes of all keys and values: `2 * layers * heads * width` numbers a token, in whole blocks of 32 tokens."""
    tokens = streams * (-(-context // BLOCK) + 1) * BLOCK
    return 2 * sizes.layers * sizes.heads * sizes.width * tokens * (4 if rounding == "none" else 2)


def sizes_of(model: Path) -> Sizes:
    """Of a folder with `config.json`, or of a GGUF file.

    Raises:
        ModelError: it is no GGUF file.
    """
    if model.is_dir():
        config: Mapping[str, Any] = json.loads((model / "config.json").read_text("utf-8"))
        heads = config["num_attention_heads"]
        return Sizes(
            layers=config["num_hidden_layers"],
            heads=config.get("num_key_value_heads", heads),
            width=config.get("head_dim") or config["hidden_size"] // heads,
            context=config["max_position_embeddings"],
        )
    header = read_header(model)
    kind = header["general.architecture"]
    heads = header[f"{kind}.attention.head_count"]
    return Sizes(
        layers=header[f"{kind}.block_count"],
        heads=header.get(f"{kind}.attention.head_count_kv", heads),
        width=header.get(f"{kind}.attention.key_length") or header[f"{kind}.embedding_length"] // heads,
        context=header[f"{kind}.context_length"],
    )


def _check_memory(need: float, *, streams: int, context: int) -> None:
    free = free_bytes()
    if free is not None and need > free:
        gib = 2**30
        raise EngineError(
            "runtime.cache_does_not_fit",
            streams=streams,
            context=context,
            need=f"{need / gib:.1f}",
            free=f"{free / gib:.1f}",
        )
