"""An OpenVINO model with a state, run in this process: the logits of whole sequences, and of ways to go on.

The generating engine tells only what it chose; scoring, and proofs that a conversion is right, need all logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from seekloop.runtime import openvino_modules

__all__ = ["INPUTS", "Array", "IrModel", "Rounding", "properties"]

Array = npt.NDArray[np.float32]
Rounding = Literal["none", "half", "eight"]
"""What the engine may round beside the weights: nothing; keys and values to fp16; and inputs of products to 8 bits."""

INPUTS = ("input_ids", "attention_mask", "position_ids", "beam_idx")
_group = 32
"""Inputs of a product that share one scale where they are rounded to 8 bits."""


def properties(*, threads: int, rounding: Rounding) -> dict[str, Any]:
    """What the CPU plugin is told: nothing is left to what it finds fast on some machine, so answers stay the same.

    Args:
        threads: CPU threads.
        rounding: see `Rounding`. By itself the plugin takes 8 bits for keys and values, and bf16 where it is fast.
    """
    return {
        "INFERENCE_PRECISION_HINT": "f32",
        "KV_CACHE_PRECISION": "f32" if rounding == "none" else "f16",
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": _group if rounding == "eight" else 0,
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,  # several engines may share these cores
    }


class IrModel:
    """One model, one sequence at a time.

    Args:
        model: path of the `.xml`, or an `openvino.Model`.
        threads: CPU threads.
        rounding: see `Rounding`.

    Raises:
        MissingPackage: openvino is not installed.
        RuntimeError: OpenVINO cannot read the model.
    """

    def __init__(self, model: Any, *, threads: int, rounding: Rounding) -> None:
        core = openvino_modules.openvino().Core()
        read = core.read_model(model) if isinstance(model, Path) else model
        options = properties(threads=threads, rounding=rounding)
        self._states = _add_states(read)
        self._request = core.compile_model(read, "CPU", options).create_infer_request()

    def logits(self, ids: Sequence[int]) -> Array:
        """What the model says after each id, [len(ids), vocabulary]."""
        self._request.reset_state()
        return self._pass(np.array([ids], np.int64), before=0)[0]

    def states(self, ids: Sequence[int]) -> Array:
        """What the head is given for each id: the last layer's states behind their norm, [len(ids), width]."""
        self._request.reset_state()
        self._pass(np.array([ids], np.int64), before=0)
        found: Array = self._request.get_output_tensor(self._states).data[0].copy()
        return found

    def ways(self, context: Sequence[int], ways: Sequence[Sequence[int]]) -> list[Array]:
        """What the model says where each id of each way stands, [len(way), vocabulary]; the context is read once."""
        self._request.reset_state()
        after = self._pass(np.array([context], np.int64), before=0)[0, -1:]
        longest = max(map(len, ways)) - 1
        if not longest:
            return [after] * len(ways)
        rows = np.zeros((len(ways), longest), np.int64)  # what stands behind a way's end is read, and not looked at
        for row, way in zip(rows, ways, strict=True):
            row[: len(way) - 1] = way[:-1]
        said = self._pass(rows, before=len(context))
        return [np.concatenate([after, one[: len(way) - 1]]) for one, way in zip(said, ways, strict=True)]

    def _pass(self, ids: npt.NDArray[np.int64], *, before: int) -> Array:
        """One pass; where rows are new, each begins with what the only row before them has read."""
        rows, length = ids.shape
        values = (
            ids,
            np.ones((rows, before + length), np.int64),
            np.tile(np.arange(before, before + length, dtype=np.int64), (rows, 1)),
            np.zeros(rows, np.int32),
        )
        found: Array = self._request.infer(dict(zip(INPUTS, values, strict=True)))["logits"].copy()
        return found


def _add_states(model: Any) -> int:
    """Make what goes into the product that gives the logits an output of its own; its number."""
    node = model.output("logits").get_node().input_value(0).get_node()
    while node.get_type_name() != "MatMul":
        node = node.input_value(0).get_node()
    model.add_outputs([node.input_value(0)])
    return len(model.outputs) - 1
