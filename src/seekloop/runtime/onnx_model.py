"""An ONNX graph of ours in onnxruntime: the logits of whole sequences, at once or in two parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seekloop.system import lazy

__all__ = ["INPUTS", "Array", "OnnxModel"]

Array = npt.NDArray[np.float32]
INPUTS = ("input_ids", "attention_mask", "position_ids")
_errors_only = 3


class OnnxModel:
    """One model, one sequence at a time, on the CPU.

    Args:
        path: of `model.onnx`.
        threads: CPU threads.

    Raises:
        MissingPackage: onnxruntime is not installed.
    """

    def __init__(self, path: Path, *, threads: int) -> None:
        runtime = lazy.need("onnxruntime", extra="onnx")
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, _errors_only
        self._session: Any = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        given = {one.name: one.shape for one in self._session.get_inputs()}
        self._past = {name: shape for name, shape in given.items() if name not in INPUTS}

    def logits(self, ids: Sequence[int], *, split: int | None = None) -> Array:
        """What the model says after each id, [len(ids), vocabulary].

        Args:
            ids: the sequence.
            split: where it is cut in two calls, the second going on from the first; None: one call.
        """
        past: dict[str, Array] = {
            name: np.zeros((1, shape[1], 0, shape[3]), np.float32) for name, shape in self._past.items()
        }
        said, before = [], 0
        for part in [ids] if split is None or not past else [ids[:split], ids[split:]]:
            total = before + len(part)
            values = (np.array([part]), np.ones((1, total)), np.arange(before, total)[None])
            fed = {name: value.astype(np.int64) for name, value in zip(INPUTS, values, strict=True)}
            told, *kept = self._session.run(None, {**fed, **past})
            past, before = dict(zip(past, kept, strict=True)), total
            said.append(told[0])
        return np.concatenate(said)
