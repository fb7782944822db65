"""A full or adapter checkpoint as OpenVINO's files, proven against torch before its weights get fewer bits."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from seekloop.compress.merge import write_merged
from seekloop.compress.method import Made, Work
from seekloop.compress.openvino.export import check_architecture, converted
from seekloop.compress.openvino.quantise import calibration, group_of, quantised
from seekloop.compress.openvino.spec import OpenVinoMethod
from seekloop.compress.weights import open_weights
from seekloop.model.arithmetic import parameters
from seekloop.runtime import models, openvino_modules
from seekloop.runtime.openvino_ir import IrModel
from seekloop.runtime.weights import open_model
from seekloop.system import digests, settings
from seekloop.system.errors import ArtifactError, ModelError

__all__ = ["make", "plain_model"]

_merged = "merged"
_probe = 48
_split = 20
_tolerance = {"f32": 1e-4, "f16": 2e-2}
"""Largest difference of two logits, relative to the largest."""
_net = "seekloop"
_unwritten = "iostream error"
_beside = ("config.json", "generation_config.json")
"""What other programs look for beside the model."""


def make(method: OpenVinoMethod, work: Work) -> Made:
    """The openvino form.

    Raises:
        ModelError: the architecture is not proven, memory does not suffice, or the conversion changed the model.
        DataError: there are no calibration rows for what looks at them.
        MissingPackage: openvino or nncf is not installed.
    """
    parent, ctx = work.parent, work.ctx
    with open_weights(parent, store=ctx.store) as weights:
        config, count, source = weights.config, parameters(weights.config), weights.folder
    check_architecture(config, form="openvino")
    group = group_of(method, config) if method.precision == "int4" else 0
    rows = _rows(method, work)
    with ctx.progress.task(f"openvino {method.precision}", total=4) as task:
        with plain_model(work) as model:
            found = converted(model)
            task.advance()
            _check(found, model, parent_id=parent.id, allowed=_tolerance["f32"])
            task.advance()
            if method.precision in ("int8", "int4"):
                found = quantised(found, method, group=group, rows=rows)
            task.advance()
            _save(found, work.folder, half=method.precision != "f32")
            if method.precision in _tolerance:
                saved = work.folder / "openvino_model.xml"
                _check(saved, model, parent_id=parent.id, allowed=_tolerance[method.precision])
        for name in _beside:
            if (source / name).is_file():
                shutil.copyfile(source / name, work.folder / name)
        task.advance()
    return Made(form="openvino", precision=method.precision, parameters=count, read_dataset=bool(rows))


@contextlib.contextmanager
def plain_model(work: Work) -> Iterator[nn.Module]:
    """What is compressed, as a model of transformers without layers of ours; an adapter is folded in.

    Raises:
        ModelError: it is compressed, or its adapter cannot be folded in.
    """
    parent, store = work.parent, work.ctx.store
    if parent.form != "adapter":
        yield open_model(store.folder(parent.id))
        return
    folder = work.folder / _merged
    folder.mkdir()
    write_merged(parent, folder, store=store, progress=work.ctx.progress)
    try:
        yield open_model(folder)
    finally:
        shutil.rmtree(folder)


def _rows(method: OpenVinoMethod, work: Work) -> list[dict[str, Any]]:
    if not method.data_aware:
        return []
    codec = models.codec_of(work.parent, store=work.ctx.store)
    return calibration(method, work.dataset, codec=codec, store=work.ctx.store)


@torch.inference_mode()
def _check(found: Any, model: nn.Module, *, parent_id: str, allowed: float) -> None:
    """Compare logits on ids that are always the same, read at once and in two parts.

    Raises:
        ModelError: they are further apart than rounding takes them.
    """
    ids = (torch.arange(_probe) * 7919 % model.config.vocab_size).tolist()
    wanted = model(input_ids=torch.tensor([ids])).logits[0].numpy()
    run = IrModel(found, threads=settings.threads(), rounding="none")
    way = ids[_split:]
    (parted,) = run.ways(ids[:_split], [way])
    got = np.concatenate([run.logits(ids), parted])
    difference = float(np.abs(got - np.concatenate([wanted, wanted[_split - 1 : -1]])).max() / np.abs(wanted).max())
    if not difference <= allowed:
        raise ModelError("compress.conversion_differs", id=digests.short(parent_id), difference=f"{difference:.1e}")


def _save(model: Any, folder: Path, *, half: bool) -> None:
    """Write the model under names that count from its beginning, so that equal models are equal bytes."""
    model.set_friendly_name(_net)
    for place, operation in enumerate(model.get_ordered_ops()):
        if operation.get_type_name() != "Parameter":
            operation.set_friendly_name(f"{operation.get_type_name()}_{place}")
    path = folder / "openvino_model.xml"
    try:
        openvino_modules.openvino().save_model(model, path, compress_to_fp16=half)
    except RuntimeError as error:
        # C++ streams do not tell why a write failed; into a folder that was just made it is for want of room.
        if _unwritten in str(error):
            raise ArtifactError("system.disk_full", path=path) from error
        raise
