"""An adapter folded into its base: the full form, proven on a fixed probe to give the adapter's logits, or its scores
of classes."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from safetensors.numpy import save_file

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.compress.method import Made, Work
from seekloop.compress.weights import open_weights
from seekloop.runtime import models
from seekloop.runtime.grids import read_target, write_target
from seekloop.runtime.train.classifiers import class_scores, copy_head, open_head, prompt_view, read_classes
from seekloop.runtime.weights import open_model
from seekloop.system import digests
from seekloop.system.errors import ModelError
from seekloop.system.progress import Progress

__all__ = ["check_logits", "make", "write_merged"]

_tolerance = 1e-4
"""Largest difference of two logits, relative to the largest logit. Equal weights of SmolLM2-135M give 1e-5 to 2e-5 by
the order of sums alone, as one library or the other does the products."""
_probe = (4, 32)


def make(work: Work) -> Made:
    """The merged form.

    Raises:
        ModelError: there is nothing to merge, or as `write_merged`.
    """
    parent, ctx = work.parent, work.ctx
    if parent.form != "adapter":
        raise ModelError("compress.nothing_to_merge", id=digests.short(parent.id), form=parent.form)
    parameters = write_merged(parent, work.folder, store=ctx.store, progress=ctx.progress)
    target = read_target(ctx.store.folder(parent.id))
    if target is not None:  # what is on a grid stays there: a form made of the merged weights is stored as exactly
        write_target(work.folder, target)
    return Made(form="full", precision="f32", parameters=parameters)


def write_merged(checkpoint: Checkpoint, folder: Path, *, store: Store, progress: Progress) -> int:
    """Write config and merged weights into `folder`, compare logits, and return the number of weights.

    A classifier gets its head, and no other any more: it is its scores that are compared.

    Raises:
        ModelError: the checkpoint is compressed, its adapter does not fit, or the logits differ.
    """
    with (
        open_weights(checkpoint, store=store) as weights,
        progress.task("merge", total=len(weights.names) + 1) as task,
    ):
        merged = {}
        for name in weights.names:
            merged[name] = weights.read(name)
            task.advance()
        save_file(merged, folder / "model.safetensors", metadata={"format": "pt"})
        for name in ("config.json", "generation_config.json"):
            if (weights.folder / name).is_file():
                shutil.copyfile(weights.folder / name, folder / name)
        count, origin = sum(tensor.size for tensor in merged.values()), store.folder(checkpoint.id)
        if read_classes(origin) is not None:
            count = copy_head(origin, folder, pad=models.codec_of(checkpoint, store=store).pad_id)
        task.note("comparing logits")
        check_logits(checkpoint, folder, store=store)
        task.advance()
    return count


@torch.inference_mode()
def check_logits(checkpoint: Checkpoint, folder: Path, *, store: Store) -> None:
    """Compare the logits of `checkpoint` with those of the model in `folder`, on ids that are always the same; a
    classifier's scores.

    Raises:
        ModelError: they differ by more than fp32 rounds.
    """
    before, after = models.load(checkpoint, store=store), open_model(folder)
    open_head(after, folder)
    rows, length = _probe
    ids = (torch.arange(rows * length) * 7919 % before.config.vocab_size).view(rows, length)
    if read_classes(folder) is None:
        wanted, got = before(input_ids=ids).logits, after(input_ids=ids).logits
    else:
        views = [prompt_view("", tuple(row)) for row in ids.tolist()]
        wanted, got = class_scores(before, views, pad=0), class_scores(after, views, pad=0)
    difference = float((wanted - got).abs().max() / wanted.abs().max())
    if not difference <= _tolerance:
        raise ModelError("compress.logits_differ", id=digests.short(checkpoint.id), difference=f"{difference:.1e}")
