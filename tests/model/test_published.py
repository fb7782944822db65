"""Sizes by name, and devices by name."""

from __future__ import annotations

import pytest

from seekloop.model import families, published
from seekloop.model.arithmetic import parameters
from seekloop.model.devices import machine, names
from seekloop.system.errors import ModelError, UsageError

BILLIONS = {
    "deepseek-7b": 6.91,
    "deepseek-67b": 67.4,
    "deepseek-coder-6.7b": 6.74,
    "deepseek-v2": 235.7,
    "deepseek-v2-lite": 15.7,
    "deepseek-v3": 671.0,
    "r1-distill-llama-70b": 70.55,
    "r1-distill-llama-8b": 8.03,
    "r1-distill-qwen-1.5b": 1.78,
    "r1-distill-qwen-14b": 14.77,
    "r1-distill-qwen-32b": 32.76,
    "r1-distill-qwen-7b": 7.62,
    "smollm2-135m": 0.1345,
}


def test_every_model_has_the_published_number_of_weights_and_a_card():
    found = {name: parameters(published.config_of(name)) / 1e9 for name in published.names()}
    assert found == pytest.approx(BILLIONS, rel=2e-3)
    assert all(families.card(published.config_of(name)["family"]) for name in published.names())


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("hf:deepseek-ai/DeepSeek-V3", "deepseek-v3"),
        ("hf:deepseek-ai/DeepSeek-R1", "deepseek-v3"),
        ("modelscope:deepseek-ai/deepseek-llm-7b-chat", "deepseek-7b"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "r1-distill-qwen-7b"),
        ("deepseek-ai/deepseek-llm-67b-base", "deepseek-67b"),
    ],
)
def test_a_repository_is_found_by_its_name(written, name):
    assert published.config_of(written) == published.config_of(name)


def test_an_unknown_model_names_the_likely_one():
    with pytest.raises(ModelError, match="did you mean deepseek-v3") as error:
        published.config_of("deepseek-v4")
    assert error.value.code == "model.size_unknown"


@pytest.mark.parametrize(
    ("written", "name", "count"),
    [
        ("A100 80GB x2", "A100 80GB", 2),
        ("a100-80gb", "A100 80GB", 1),
        ("h100x8", "H100 80GB", 8),
        ("RTX 4090", "RTX 4090", 1),
        ("rtx 3090 x 4", "RTX 3090", 4),
        ("MI300X", "MI300X 192GB", 1),
    ],
)
def test_devices_are_found_as_people_write_them(written, name, count):
    assert (machine(written).name, machine(written).count) == (name, count)


@pytest.mark.parametrize("name", names())
def test_every_device_says_what_of_it_is_assumed(name):
    assert machine(name).source.count("assumed") == 2


@pytest.mark.parametrize("written", ["A100", "Z80", "x4", ""])
def test_a_device_that_is_not_one_is_refused(written):
    with pytest.raises(UsageError) as error:
        machine(written)
    assert error.value.code == "loop.unknown_device"
