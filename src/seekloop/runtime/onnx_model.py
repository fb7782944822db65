"""An ONNX graph of ours in onnxruntime: the logits of whole sequences, of ways to go on, and of rows side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seekloop.system import lazy

__all__ = ["INPUTS", "Array", "Ids", "OnnxModel", "Past"]

Array = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]
Past = dict[str, Array]
"""Keys and values by name, [rows, heads, read, width] each."""
INPUTS = ("input_ids", "attention_mask", "position_ids")
_errors_only = 3


class OnnxModel:
    """One model on the CPU.

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

    @property
    def past(self) -> Past:
        """Of one row that has read nothing."""
        return {name: np.zeros((1, shape[1], 0, shape[3]), np.float32) for name, shape in self._past.items()}

    def forward(self, ids: Ids, past: Past, *, mask: Ids, positions: Ids) -> tuple[Array, Past]:
        """One pass over new ids behind what rows have read.

        Args:
            ids: [rows, new].
            past: keys and values by name, [rows, heads, read, width] each.
            mask: [rows, read + new], 0 where nobody may look.
            positions: [rows, new].

        Returns:
            Logits, [rows, new, vocabulary]; keys and values, [rows, heads, read + new, width] each.
        """
        fed = {name: value.astype(np.int64) for name, value in zip(INPUTS, (ids, mask, positions), strict=True)}
        logits, *kept = self._session.run(None, {**fed, **past})
        return logits, dict(zip(past, kept, strict=True))

    def logits(self, ids: Sequence[int], *, split: int | None = None) -> Array:
        """What the model says after each id, [len(ids), vocabulary].

        Args:
            ids: the sequence.
            split: where it is cut in two calls, the second going on from the first; None: one call.
        """
        past, said, before = self.past, [], 0
        for part in [ids] if split is None or not past else [ids[:split], ids[split:]]:
            total = before + len(part)
            mask, positions = np.ones((1, total), np.int64), np.arange(before, total)[None]
            told, past = self.forward(np.array([part]), past, mask=mask, positions=positions)
            before = total
            said.append(told[0])
        return np.concatenate(said)

    def ways(self, context: Sequence[int], ways: Sequence[Sequence[int]]) -> list[Array]:
        """What the model says where each id of each way stands, [len(way), vocabulary]; the context is read once."""
        read, longest = len(context), max(map(len, ways)) - 1
        mask, positions = np.ones((1, read), np.int64), np.arange(read)[None]
        said, past = self.forward(np.array([context]), self.past, mask=mask, positions=positions)
        after = said[0, -1:]
        if not longest:
            return [after] * len(ways)
        rows = np.zeros((len(ways), longest), np.int64)  # what stands behind a way's end is read, and not looked at
        for row, way in zip(rows, ways, strict=True):
            row[: len(way) - 1] = way[:-1]
        past = {name: np.repeat(value, len(ways), axis=0) for name, value in past.items()}
        mask = np.ones((len(ways), read + longest), np.int64)
        positions = np.tile(np.arange(read, read + longest), (len(ways), 1))
        said, _ = self.forward(rows, past, mask=mask, positions=positions)
        return [np.concatenate([after, one[: len(way) - 1]]) for one, way in zip(said, ways, strict=True)]
