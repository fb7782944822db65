"""A checkpoint that was trained for whole numbers (`quantise_for`), stored as it was trained, to the bit.

Its weights lie on the grid already: the largest of each group is the last code, and scales are numbers of fp16. So
nothing is searched and no rows are looked at; codes and scales are read off.
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor

from seekloop.compress.packed.spec import Int8WeightsMethod, W4A16Method, W8A8Method
from seekloop.runtime.grids import Target
from seekloop.runtime.rounding import Grid, Steps
from seekloop.system.errors import ModelError
from seekloop.system.progress import Progress

__all__ = ["FORMS", "as_trained", "plain_as_trained", "trained_steps"]

FORMS = {"w4a16": "int4", "w8a16": "int8", "w8a8": "int8"}
"""Method -> the precision of `quantise_for` whose weights it stores."""
_smallest = 2.0**-24
"""A group of zeros has no scale; fp16 holds this one."""
_Packed = TypeVar("_Packed", W4A16Method, Int8WeightsMethod, W8A8Method)


def as_trained(method: _Packed, target: Target | None, *, progress: Progress) -> _Packed | None:
    """The method with the dials that store what was trained; None: the checkpoint was not trained for this form.

    Raises:
        ModelError: a dial was set to something else.
    """
    if target is None or target.precision != FORMS[method.type]:
        return None
    group = target.group if target.precision == "int4" else "channel"
    told: dict[str, Any] = {"dtype": "fp16", "group": group, "rounding": "nearest", "smooth": None, "symmetric": True}
    wanted = {name: value for name, value in told.items() if name in type(method).model_fields}
    given = method.model_dump()
    for name in sorted(method.model_fields_set & wanted.keys()):
        if given[name] != wanted[name]:
            raise ModelError(
                "compress.trained_grid",
                form=method.type,
                precision=target.precision,
                dial=f"method.{name}={given[name]}",
                wanted=f"method.{name}={wanted[name]}",
            )
    width = f"groups of {group}" if group != "channel" else "rows"
    inputs = "; inputs are rounded too, which it was not trained for" if method.type == "w8a8" else ""
    progress.say(f"{method.type}: weights as they were trained, to the bit: {target.precision} in {width}{inputs}")
    return method.model_copy(update=wanted)


def trained_steps(weight: Tensor, grid: Grid) -> Steps:
    """The steps of a weight [rows, columns] that lies on `grid` as `runtime/grids.py` has it."""
    groups = weight.unflatten(1, (-1, grid.width(weight.shape[1])))
    return Steps(scales=(groups.abs().amax(2) / grid.highest).clamp_min(_smallest), zeros=None)


def plain_as_trained(tensor: Tensor) -> Tensor:
    """What no layer in whole numbers holds: fp16 where that holds it exactly, else fp32."""
    half = tensor.to(torch.float16)
    return half.contiguous() if torch.equal(half.float(), tensor) else tensor.float().contiguous()
