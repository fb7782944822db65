"""The openvino form: logits, bytes, sizes, adapters, calibration, and what is refused with nothing left behind."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
import torch

from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import Message, Row, Source, write_rows
from seekloop.compress.openvino.spec import OpenVinoMethod
from seekloop.compress.spec import CompressInputs, CompressSpec
from seekloop.compress.stage import run
from seekloop.runtime import models
from seekloop.runtime.openvino_ir import IrModel
from seekloop.runtime.tiny import tiny_base
from seekloop.system.errors import DataError, ModelError
from seekloop.system.spec import Spec

pytestmark = pytest.mark.skipif(importlib.util.find_spec("nncf") is None, reason="openvino or nncf is not installed")
IDS = [(40 + 7 * place) % 256 for place in range(40)]
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
OFFLINE = """
import sys
tried = []
sys.addaudithook(lambda name, args: tried.append(name) if name in ("socket.connect", "socket.getaddrinfo") else None)
import numpy as np
from seekloop.runtime import openvino_modules
openvino, nncf, genai = openvino_modules.openvino(), openvino_modules.nncf(), openvino_modules.genai()
ops = openvino.opset13
given = ops.parameter([1, 64], np.float32)
model = openvino.Model([ops.matmul(given, ops.constant(np.ones((64, 64), np.float32)), False, True)], [given])
with openvino_modules.silent():
    nncf.compress_weights(model)
openvino.compile_model(model, "CPU")
assert not [name for name in sys.modules if name.startswith("openvino_telemetry.")]
assert type(nncf.telemetry.telemetry).__name__ != "NNCFTelemetry"
print(tried)
"""


class NoSpec(Spec):
    """A dataset that nobody prepared."""


def logits(ctx, checkpoint):
    path = ctx.store.path(checkpoint.id, "openvino_model.xml")
    return IrModel(path, threads=1, rounding="none").logits(IDS)


def by_torch(ctx, checkpoint):
    with torch.inference_mode():
        return models.load(checkpoint, store=ctx.store)(input_ids=torch.tensor([IDS])).logits[0].numpy()


def apart(one, other):
    return np.abs(one - other).max() / np.abs(other).max()


@pytest.fixture
def dataset(ctx):
    """Eight calibration rows."""

    def make(count: int) -> Dataset:
        said = ("how do I block my card", "Block it in the app.")
        rows = [
            Row(
                id=f"row:{place:016x}",
                messages=tuple(
                    Message(role=role, content=text) for role, text in zip(("user", "assistant"), said, strict=True)
                ),
                source=Source(file="bank.jsonl", line=place + 1),
            )
            for place in range(8)
        ]
        with ctx.job("data", NoSpec()) as job:
            for name, kept in (("train", rows), ("calibration", rows[:count])):
                write_rows(job.path(f"{name}.jsonl"), kept)
            return job.commit(Dataset(made_by=job.origin, rows=8, splits={"train": 8}, dropped={}, calibration=count))

    return make


@pytest.mark.parametrize(("family", "config"), [("qwen2.5", {}), ("llama3", {"rope_parameters": LLAMA3})])
def test_an_exact_conversion_has_the_logits_of_torch(ctx, compress, sharp, family, config):
    base = sharp(family, **config)
    assert apart(logits(ctx, compress(base, OpenVinoMethod(precision="f32"))), by_torch(ctx, base)) < 1e-4


def test_an_adapter_is_converted_as_what_it_merges_to(ctx, tiny, adapter, compress):
    made = compress(adapter, OpenVinoMethod(precision="f32"))
    assert apart(logits(ctx, made), by_torch(ctx, adapter)) < 1e-4
    assert apart(by_torch(ctx, tiny), by_torch(ctx, adapter)) > 1e-2
    assert made.parents == {"checkpoint": adapter.id, "base": tiny.id}
    assert set(made.files) >= {"config.json", "openvino_model.bin", "openvino_model.xml", "codec.json"}


def test_fewer_bits_are_smaller_and_near_and_the_same_bytes_again(ctx, tiny, compress):
    sizes = {}
    for precision in ("f16", "int8", "int4"):
        made = compress(tiny, OpenVinoMethod(precision=precision))
        sizes[precision] = made.files["openvino_model.bin"].size
        assert (made.form, made.precision, made.parameters) == ("openvino", precision, tiny.parameters)
        assert apart(logits(ctx, made), by_torch(ctx, tiny)) < 0.25
    assert sizes["f16"] > 1.6 * sizes["int8"] > 1.6 * 1.1 * sizes["int4"]
    assert compress(tiny, OpenVinoMethod(precision="int4")).id == made.id


def test_calibration_rows_take_part_and_are_a_parent(ctx, tiny, dataset, compress):
    method, rows = OpenVinoMethod(precision="int4", data_aware=("scale_estimation",), rows=4), dataset(8)
    made = run(CompressSpec(method=method), CompressInputs(checkpoint=tiny, dataset=rows), ctx=ctx)
    assert made.parents == {"checkpoint": tiny.id, "dataset": rows.id}
    plain = compress(tiny, OpenVinoMethod(precision="int4"))
    assert made.files["openvino_model.bin"].digest != plain.files["openvino_model.bin"].digest


def test_without_calibration_rows_what_looks_at_them_is_refused_and_nothing_is_left(ctx, tiny, dataset):
    before = sorted(ctx.store.root.glob("checkpoint/*"))
    method = OpenVinoMethod(precision="int4", data_aware=("awq",))
    for rows, code in ((None, "compress.no_dataset"), (dataset(0), "compress.no_calibration")):
        with pytest.raises(DataError) as caught:
            run(CompressSpec(method=method), CompressInputs(checkpoint=tiny, dataset=rows), ctx=ctx)
        assert caught.value.code == code
    assert sorted(ctx.store.root.glob("checkpoint/*")) == before
    assert list((ctx.store.root / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("change", "method", "code"),
    [
        ({"family": "deepseek-v2"}, {}, "compress.not_converted"),
        ({}, {"precision": "int4", "group_size": 48}, "compress.block_width"),
    ],
)
def test_what_is_not_proven_or_does_not_divide_is_refused(ctx, compress, change, method, code):
    with pytest.raises(ModelError) as caught:
        compress(tiny_base(ctx, **change), OpenVinoMethod(**method))
    assert caught.value.code == code


def test_dials_that_have_no_meaning_together_are_refused():
    for method in (
        {"precision": "int8", "ratio": 0.5},
        {"precision": "int4", "data_aware": ["gptq", "scale_estimation"]},
    ):
        with pytest.raises(Exception, match=r"int4|choose"):
            CompressSpec.parse({"method": {"type": "openvino", **method}})


def test_no_package_of_openvino_reports_to_anybody(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
    assert list(tmp_path.rglob("*intel*")) == []
