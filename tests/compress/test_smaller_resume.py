from __future__ import annotations

import signal

import pytest

from tests.killing import seen


@pytest.fixture(scope="module")
def trials(tmp_path_factory):
    return {one["method"]: one for one in seen("tests.compress.killing_smaller", tmp_path_factory.mktemp("killing"))}


@pytest.mark.parametrize("method", ["prune", "distil"])
def test_a_run_that_is_killed_ends_with_the_same_id(trials, method):
    killed = trials[method]["killed"]
    assert [number for number, _ in killed] == [signal.SIGKILL, signal.SIGKILL, 0]
    assert killed[-1] == trials[method]["calm"][-1]
