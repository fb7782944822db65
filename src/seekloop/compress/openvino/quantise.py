"""The weights of an OpenVINO model in fewer bits, by NNCF."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from seekloop.artifact.kinds import Dataset
from seekloop.artifact.store import Store
from seekloop.compress.calibration import calibration_ids
from seekloop.compress.openvino.spec import OpenVinoMethod
from seekloop.model.codec import Codec
from seekloop.model.shapes import shape_of
from seekloop.runtime import openvino_modules
from seekloop.runtime.openvino_ir import INPUTS
from seekloop.system.errors import ModelError

__all__ = ["calibration", "group_of", "quantised"]

_groups = (128, 64, 32)
_longest = 256
"""Tokens of a calibration row that are looked at."""
_names = {"int8": "INT8", "int4": "INT4"}


def group_of(method: OpenVinoMethod, config: Mapping[str, Any]) -> int:
    """Weights of a row that share a scale.

    Raises:
        ModelError: what the method asks for, or every usual group, does not divide the rows of some matrix.
    """
    widths = {linear.inputs: linear.name for linear in shape_of(config).linears}
    wanted = (method.group_size,) if method.group_size else _groups
    for group in wanted:
        if all(width % group == 0 for width in widths):
            return group
    width, name = next((width, name) for width, name in widths.items() if width % wanted[-1])
    raise ModelError("compress.block_width", name=name, width=width, precision="int4", block=wanted[-1])


def calibration(method: OpenVinoMethod, dataset: Dataset | None, *, codec: Codec, store: Store) -> list[dict[str, Any]]:
    """What the model reads while it is quantised: the first calibration rows, each [1, tokens].

    Raises:
        DataError: there is no dataset, or it has no calibration rows.
    """
    wants = ", ".join(method.data_aware)
    rows = calibration_ids(dataset, codec=codec, store=store, method=wants, at_most=method.rows)
    return [_inputs(np.array([ids[:_longest]], np.int64)) for ids in rows]


def quantised(model: Any, method: OpenVinoMethod, *, group: int, rows: list[dict[str, Any]]) -> Any:
    """The `openvino.Model` with its weights in 8 or 4 bits.

    Args:
        model: in full.
        method: of precision `int8` or `int4`.
        group: see `group_of`; of no meaning for `int8`.
        rows: see `calibration`; empty where nothing looks at data.

    Raises:
        MissingPackage: nncf is not installed.
    """
    nncf = openvino_modules.nncf()
    symmetric = method.precision == "int8" if method.symmetric is None else method.symmetric
    mode = nncf.CompressWeightsMode[f"{_names[method.precision]}_{'SYM' if symmetric else 'ASYM'}"]
    dials: dict[str, Any] = {}
    if method.precision == "int4":
        dials = {"ratio": method.ratio, "group_size": group, **dict.fromkeys(method.data_aware, True)}
    if rows:
        dials |= {"dataset": nncf.Dataset(rows), "subset_size": len(rows)}
    with openvino_modules.silent():
        return nncf.compress_weights(model, mode=mode, **dials)


def _inputs(ids: np.ndarray[Any, np.dtype[np.int64]]) -> dict[str, Any]:
    values = (ids, np.ones_like(ids), np.arange(ids.shape[1], dtype=np.int64)[None], np.zeros(1, np.int32))
    return dict(zip(INPUTS, values, strict=True))
