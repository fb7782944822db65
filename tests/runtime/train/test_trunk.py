"""Kept trunk states: the same losses and weights as without them, in memory or in a file, killed or not."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import nn

from seekloop.artifact.context import RunContext
from seekloop.runtime.train.batching import collate
from seekloop.runtime.train.loss import summed_loss
from seekloop.runtime.train.methods.layers import LastLayers
from seekloop.runtime.train.methods.method import trainable
from seekloop.runtime.train.state import Work
from seekloop.runtime.train.trunk import Kept, TrunkDecoder
from seekloop.system import settings
from seekloop.system.progress import Silent
from tests.runtime.train.making import Bench, losses, rows

FAMILIES = ("smollm2", "qwen2", "deepseek-v2", "deepseek-v3")


class Forgetful(LastLayers):
    """Trains the same, and keeps nothing: the decoder is put back."""

    def apply(self, model: nn.Module, *, seed: int) -> None:
        super().apply(model, seed=seed)
        model.register_module("model", model.get_decoder().frozen)


@dataclass
class Said(Silent):
    """What a run said."""

    text: str = ""

    def say(self, text: str) -> None:
        self.text += text


def _values(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name.replace(".frozen", ""): value for name, value in trainable(model).items()}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("last", "head"), [(1, False), (0, True)])
def test_kept_states_change_no_loss_and_no_weight(
    ctx: RunContext, tmp_path: Path, family: str, last: int, head: bool
) -> None:
    bench = Bench(ctx, family)
    plain, cached = bench.model(), bench.model()
    run = {"validation": rows(3, first=50)}
    without = bench.train(plain, Forgetful(last=last, head=head), folder=tmp_path / "plain", **run)
    kept = bench.train(cached, LastLayers(last=last, head=head), folder=tmp_path / "kept", **run)
    assert losses(kept) == pytest.approx(losses(without), abs=1e-5)
    expected = _values(plain)
    assert _values(cached).keys() == expected.keys()
    for name, value in _values(cached).items():
        torch.testing.assert_close(value, expected[name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("last", [1, 2])
@pytest.mark.parametrize("sharing", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_kept_states_change_no_gradient(ctx: RunContext, family: str, sharing: bool, last: int) -> None:
    bench = Bench(ctx, family)
    model = bench.model()
    LastLayers(last=last).apply(model, seed=0)
    batch = collate([bench.codec.views(row)[0] for row in rows(9)], pad=bench.codec.pad_id, sharing=sharing)
    assert (batch.prefix > 0) == sharing
    trunk = model.get_decoder()
    parameters = list(trainable(model).values())
    before = summed_loss(model, batch)
    expected = torch.autograd.grad(before, parameters, allow_unused=True)
    with torch.no_grad():
        prefix, rest = trunk.trunk(batch)
    states = [torch.cat((prefix, row[: n - batch.prefix])) for row, n in zip(rest, batch.lengths, strict=True)]
    rows_of = [ids[:n] for ids, n in zip(batch.ids, batch.lengths, strict=True)]
    with trunk.keeping(Kept.of_rows(rows_of, states)):
        after = summed_loss(model, batch)
    assert after.item() == pytest.approx(before.item(), rel=1e-6)
    for one, other in zip(torch.autograd.grad(after, parameters, allow_unused=True), expected, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", ["smollm2", "qwen2"])
def test_rows_behind_one_another_have_the_states_of_padded_ones(ctx: RunContext, family: str) -> None:
    bench = Bench(ctx, family)
    model = bench.model()
    LastLayers(last=2).apply(model, seed=0)
    batch = collate([bench.codec.views(row)[0] for row in rows(9)], pad=bench.codec.pad_id, sharing=True)
    trunk = model.get_decoder()
    with torch.no_grad():
        prefix, rest = trunk.trunk(batch)
        states = [torch.cat((prefix, row[: n - batch.prefix])) for row, n in zip(rest, batch.lengths, strict=True)]
        expected = trunk(input_ids=batch.ids, use_cache=False).last_hidden_state[:, batch.prefix :]
        with trunk.keeping(Kept.of_rows([ids[:n] for ids, n in zip(batch.ids, batch.lengths, strict=True)], states)):
            assert trunk.room(100) == 100
            found = trunk.states(batch, None)
    for one, other, length in zip(found, expected, batch.lengths, strict=True):
        own = length - batch.prefix
        torch.testing.assert_close(one[:own], other[:own], rtol=1e-4, atol=1e-4)
        assert not one[own:].any()


def test_a_file_does_as_memory_does_and_is_found_again(bench: Bench, tmp_path: Path) -> None:
    memory, file = LastLayers(last=1), LastLayers(last=1, memory_mb=0)
    expected = losses(bench.train(bench.model(), memory, folder=tmp_path / "memory"))
    work = tmp_path / "file"
    assert losses(bench.train(bench.model(), file, folder=work)) == expected
    assert not (tmp_path / "memory" / "trunk.bin").exists()
    written = (work / "trunk.bin").stat().st_mtime_ns
    assert losses(bench.train(bench.model(), file, folder=work)) == expected
    assert (work / "trunk.bin").stat().st_mtime_ns == written
    with (work / "trunk.bin").open("r+b") as damaged:
        damaged.write(b"\0" * 99)
    assert losses(bench.train(bench.model(), file, folder=work)) == expected
    assert (work / "trunk.bin").stat().st_mtime_ns != written


def test_half_the_room_costs_an_error_that_is_said(ctx: RunContext, tmp_path: Path) -> None:
    said = Said()
    bench = Bench(replace(ctx, progress=said))
    exact = bench.train(bench.model(), LastLayers(last=1), folder=tmp_path / "exact")
    assert said.text == ""
    half = bench.train(bench.model(), LastLayers(last=1, storage="bf16"), folder=tmp_path / "half")
    assert "bf16: relative error" in said.text
    assert losses(half) != losses(exact)
    assert losses(half) == pytest.approx(losses(exact), abs=0.02)


def test_a_decoder_of_other_parts_is_trained_without_and_says_so(ctx: RunContext, tmp_path: Path) -> None:
    said = Said()
    bench = Bench(replace(ctx, progress=said))
    expected = bench.train(bench.model(), LastLayers(last=1), folder=tmp_path / "cut")
    model = bench.model()
    model.get_decoder().register_module("more", nn.Identity())
    assert losses(bench.train(model, LastLayers(last=1), folder=tmp_path / "whole")) == pytest.approx(
        losses(expected), abs=1e-5
    )
    assert "nothing is kept of its trunk" in said.text


def test_a_resumed_run_ends_with_the_same_bits(bench: Bench, tmp_path: Path) -> None:
    whole, resumed = bench.model(), bench.model()
    bench.train(whole, LastLayers(last=1), folder=tmp_path / "whole")
    bench.train(bench.model(), LastLayers(last=1), folder=tmp_path / "work", save_every_steps=4)
    saved = Work(tmp_path / "work").newest()
    assert saved is not None
    assert saved.state.step == 4
    bench.train(resumed, LastLayers(last=1), folder=tmp_path / "work")
    assert isinstance(resumed.get_decoder(), TrunkDecoder)
    assert all(torch.equal(value, trainable(resumed)[name]) for name, value in trainable(whole).items())


def test_kill_9_while_states_are_written_or_used_then_again_gives_the_same_id(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.runtime.train.killing_trunk", str(tmp_path)]
    environment = settings.child_environment(SEEKLOOP_THREADS="1", OMP_NUM_THREADS="1")
    root = Path(__file__).parents[3]
    output = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=300)
    assert output.returncode == 0, output.stderr
    first, *killed = [json.loads(line) for line in output.stdout.splitlines()]
    assert {trial["death"] for trial in killed} == {signal.SIGKILL}
    assert killed[0]["left"] == ["choices.json", "trunk.bin"]
    assert all({"trunk.bin", "trunk.json"} <= set(trial["left"]) for trial in killed[1:])
    assert {trial["then"] for trial in killed} == {first["first"]}
