"""A conversion to another engine's form that is killed leaves nothing, and the next one ends with the same id."""

from __future__ import annotations

import signal

import pytest

from tests.killing import seen

METHODS = ["openvino", "w4a16", "w8a8", "bitsandbytes"]


@pytest.fixture(scope="module")
def trials(tmp_path_factory):
    return {one["method"]: one for one in seen("tests.compress.killing_forms", tmp_path_factory.mktemp("killing"))}


@pytest.mark.parametrize("method", METHODS)
def test_a_killed_conversion_leaves_no_form_and_the_next_gives_the_same(trials, method):
    calm, killed = trials[method]["calm"], trials[method]["killed"]
    assert {one["death"] for one in killed} == {signal.SIGKILL}
    assert {one["id"] for one in killed} == {calm["id"]}
    assert all(len(one["half"]) == 1 and one["over"] == [] for one in killed)


@pytest.mark.parametrize("method", ["openvino", "w4a16"])
def test_a_full_disk_is_one_sentence_and_leaves_no_form(trials, method):
    (full,) = trials[method]["full"]
    assert (full["death"], full["first"]["code"]) == (0, "system.disk_full")
    assert len(full["half"]) == 1 and full["id"] == trials[method]["calm"]["id"]
