"""A device profile fills the method, refuses what does not suit it, and says what this machine lacks."""

from __future__ import annotations

import pytest

from seekloop.compress.preflight import apply, check_memory
from seekloop.compress.profiles.machine import Capabilities, here, missing
from seekloop.compress.profiles.profile import profile, profiles
from seekloop.compress.spec import CompressInputs, CompressSpec
from seekloop.compress.stage import run
from seekloop.system.errors import ModelError, UsageError

PLAIN = Capabilities(arch="x86_64", flags=frozenset({"avx2", "fma", "f16c"}), free=2**34, devices=("CPU", "GPU.0"))


class Heard:
    """Progress that keeps what it is told."""

    def __init__(self, silent):
        self.lines: list[str] = []
        self.task = silent.task

    def say(self, text):
        self.lines.append(text)


def test_a_profile_fills_what_the_method_leaves_open():
    method = CompressSpec.parse({"profile": "low-memory"}).method
    assert (method.precision, method.embedding) == ("q4_0", "q4_0")
    kept = CompressSpec.parse({"profile": "low-memory", "method": {"precision": "q8_0"}}).method
    assert (kept.precision, kept.embedding) == ("q8_0", None)
    assert CompressSpec.parse({"profile": "cpu-avx2", "method": {"type": "merge"}}).method.type == "merge"


def test_without_a_profile_nothing_changes():
    assert CompressSpec.parse({}).method.precision == "q8_0"


def test_an_unknown_profile_is_named_with_the_likely_one():
    with pytest.raises(UsageError) as caught:
        CompressSpec.parse({"profile": "low-memry"})
    assert (caught.value.code, caught.value.facts["known"]) == ("compress.unknown_profile", "low-memory")


def test_what_a_profile_chose_is_said_aloud(ctx, tiny):
    heard = Heard(ctx.progress)
    spec = CompressSpec.parse({"profile": "arm-neon"})
    object.__setattr__(ctx, "progress", heard)
    made = run(spec, CompressInputs(checkpoint=tiny), ctx=ctx)
    assert made.precision == "q4_0"
    assert heard.lines[0].startswith("profile arm-neon: {")
    assert any("it lacks" in line for line in heard.lines) == bool(missing(profile("arm-neon"), here()))


def test_a_profile_refuses_what_does_not_suit_it(ctx, tiny):
    spec = CompressSpec.parse({"profile": "low-memory", "method": {"precision": "f16"}})
    with pytest.raises(UsageError) as caught:
        run(spec, CompressInputs(checkpoint=tiny), ctx=ctx)
    assert caught.value.code == "compress.profile_refuses"
    assert ctx.store.list("checkpoint") == [tiny.id]


def test_weights_beyond_a_profile_s_memory_are_told_before_the_work(ctx, tiny):
    large = tiny.model_copy(update={"parameters": 7 * 10**9})
    spec = CompressSpec.parse({"profile": "low-memory"})
    with pytest.raises(ModelError) as caught:
        apply(spec, large, store=ctx.store, progress=ctx.progress)
    assert caught.value.code == "compress.beyond_budget"


def test_too_little_memory_is_told_before_the_work(ctx, tiny):
    with pytest.raises(ModelError) as caught:
        check_memory(CompressSpec(), tiny, store=ctx.store, free=2**20)
    assert caught.value.code == "compress.too_little_memory"


def test_a_machine_is_told_by_what_it_says_of_itself():
    assert missing(profile("cpu-avx2"), PLAIN) == []
    assert missing(profile("cpu-avx512"), PLAIN) == ["avx512f", "avx512bw", "avx512_vnni"]
    assert missing(profile("arm-neon"), PLAIN) == ["aarch64/arm64 (here: x86_64)"]
    assert missing(profile("gpu-openvino"), PLAIN) == []
    assert missing(profile("npu"), PLAIN) == ["OpenVINO NPU (here: CPU, GPU.0)"]
    assert here().arch


@pytest.mark.parametrize("name", profiles())
def test_no_profile_refuses_what_it_chooses(name):
    one = profile(name)
    assert one.refusal(one.filled(None), "en") is None
    assert all({"when", "en", "zh"} == set(each) for each in one.refuses)
