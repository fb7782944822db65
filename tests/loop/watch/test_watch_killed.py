"""`kill -9` between any two steps of a cycle: production is old or new, and the next process ends as nobody had died.

A few points here; `bench/learn_faults.py` has all.
"""

from __future__ import annotations

import signal

from tests.killing import seen

DIRECT = ["lease", "cycle_0001: n_errors", "~train", "cycle_0001: measured", "gate: promote", "cycle_0001: released"]
LATE = "cycle_0001: promoted"
CANARY = ["rollout_", "cycle_0001: rolling"]
ALIKE = ("alias", "artifacts", "triggered", "states", "verdicts", "rollouts")


def check(trials):
    """Each trial, beside the one that nobody interrupted."""
    whole, *killed = trials
    old, new = whole["alias"]
    assert (whole["death"], whole["second"]["code"]) == (0, 4) or whole["rollouts"] == 1
    for one in killed:
        assert one["death"] == signal.SIGKILL, f"never came to {one['point']}"
        assert one["between"] in ([old], [old, new])
        assert {name: one[name] for name in ALIKE} == {name: whole[name] for name in ALIKE}, one["point"]
    return whole, killed


def test_a_cycle_that_dies_anywhere_ends_as_one_that_did_not(tmp_path):
    _, killed = check(seen("tests.loop.watch.killing_cycle", tmp_path, *DIRECT, LATE))
    assert [one["second"]["code"] for one in killed] == [0] * len(DIRECT) + [4]
    assert [len(one["between"]) for one in killed] == [1] * len(DIRECT) + [2]


def test_a_cycle_that_dies_beside_its_rollout_finds_it_again(tmp_path):
    whole, killed = check(seen("tests.loop.watch.killing_cycle", tmp_path, "--canary", *CANARY))
    assert whole["rollouts"] == 1
    assert [one["second"]["code"] for one in killed] == [0, 0]
