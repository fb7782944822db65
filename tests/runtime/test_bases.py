"""Bases: converted once, found again without their source, with an id that belongs to no project."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from seekloop.artifact.context import RunContext
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.rows import Message
from seekloop.artifact.store import Store
from seekloop.compress.gguf.export import write_gguf
from seekloop.compress.spec import GgufMethod
from seekloop.runtime import models
from seekloop.runtime.bases import open_base
from seekloop.runtime.tiny import tiny_base
from seekloop.system.errors import ModelError


@pytest.fixture
def folder(ctx: RunContext, tmp_path: Path) -> Path:
    """A model folder as others publish it."""
    base = tiny_base(ctx)
    place = tmp_path / "published" / "smollm2-tiny"
    shutil.copytree(ctx.store.folder(base.id), place)
    for name in ("MANIFEST.json", "RECEIPT.json", "codec.json"):
        (place / name).unlink()
    return place


@pytest.fixture
def shared(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


def _project(folder: Path, shared: Store, seed: int) -> RunContext:
    return RunContext(store=Store(folder / "store", shared=[shared]), ledger=Ledger.in_folder(folder), seed=seed)


def test_a_folder_becomes_a_checkpoint_in_the_shared_store(tmp_path: Path, folder: Path, shared: Store) -> None:
    ctx = _project(tmp_path / "a", shared, 1)
    base = open_base(f"path:{folder}", ctx=ctx)
    assert shared.list("checkpoint") == [base.id]
    assert (base.form, base.precision, base.family, base.source) == ("full", "f32", "smollm2", "path:smollm2-tiny")
    assert base.parameters == models.load(base, store=ctx.store).num_parameters()
    assert ctx.ledger.created(base.id) is not None


def test_the_second_time_the_source_is_not_read(tmp_path: Path, folder: Path, shared: Store) -> None:
    first = open_base(f"path:{folder}", ctx=_project(tmp_path / "a", shared, 1))
    (folder / "tokenizer.json").chmod(0)
    weights = folder / "model.safetensors"
    stamp = weights.stat()
    weights.write_bytes(b"x" * stamp.st_size)
    os.utime(weights, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    other = _project(tmp_path / "b", shared, 2)
    assert open_base(f"path:{folder}", ctx=other).id == first.id
    assert other.ledger.created(first.id) is not None


def test_a_base_that_was_removed_is_made_again_with_the_same_id(tmp_path: Path, folder: Path, shared: Store) -> None:
    ctx = _project(tmp_path / "a", shared, 1)
    first = open_base(f"path:{folder}", ctx=ctx)
    shutil.rmtree(shared.folder(first.id))
    again = open_base(f"path:{folder}", ctx=replace(ctx, seed=5))
    assert again.id == first.id
    shared.verify(again.id)


def test_the_model_of_a_base_is_that_of_its_source(tmp_path: Path, folder: Path, shared: Store) -> None:
    ctx = _project(tmp_path / "a", shared, 1)
    ids = torch.arange(20).unsqueeze(0)
    source = models.load(tiny_base(ctx), store=ctx.store)
    base = models.load(open_base(f"path:{folder}", ctx=ctx), store=ctx.store)
    assert torch.equal(base(input_ids=ids).logits, source(input_ids=ids).logits)


def test_a_gguf_file_becomes_a_checkpoint_without_a_word_on_the_terminal(
    tmp_path: Path, ctx: RunContext, shared: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    tiny = tiny_base(ctx)
    path = tmp_path / "SmolLM2-tiny.gguf"
    write_gguf(tiny, path, method=GgufMethod(precision="f16"), importance={}, ctx=ctx)
    capfd.readouterr()
    project = _project(tmp_path / "a", shared, 1)
    base = open_base(f"gguf:{path}#smollm2", ctx=project)
    assert capfd.readouterr() == ("", "")
    assert base.source == "gguf:SmolLM2-tiny.gguf"
    ids = torch.arange(20).unsqueeze(0)
    expected = models.load(tiny, store=ctx.store)(input_ids=ids).logits
    found = models.load(base, store=project.store)(input_ids=ids).logits
    torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-2)
    codecs = (models.codec_of(tiny, store=ctx.store), models.codec_of(base, store=project.store))
    text = [Message(role="user", content="My card is lost 卡")]
    assert codecs[0].prompt_ids(text) == codecs[1].prompt_ids(text)


def test_tiny_is_a_base_too(ctx: RunContext) -> None:
    assert open_base("tiny", ctx=ctx).id == tiny_base(ctx).id
    assert open_base("tiny:qwen2", ctx=ctx).family == "qwen2"


def test_an_unknown_base_is_refused_with_the_likely_one(ctx: RunContext) -> None:
    with pytest.raises(ModelError, match="smollm2-135m"):
        open_base("smolm2-135m", ctx=ctx)
