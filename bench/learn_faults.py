"""The loop's cycles under `kill -9`: at every point between two steps, how many end as one that nobody killed.

Needs no data: the tiny model, and the shipped sample.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.harness import REPOSITORY, Record
from seekloop.system import settings

__all__ = ["measures"]

DIRECT = (
    "lease",
    "cycle_0001: n_errors",
    "cycle_0001: begun",
    "learn",
    "cycle_0001: learned",
    "data 2",
    "~train",
    "tune 2",
    "cycle_0001: built",
    "evaluate base lesson",
    "cycle_0001: measured",
    "gate: promote",
    "cycle_0001: judged",
    "release 2",
    "cycle_0001: released",
    "cycle_0001: promoted",
)
"""What a cycle says just after it has recorded it; `~` kills it inside a bar."""
CANARY = ("cycle_0001: released", "rollout_", "cycle_0001: rolling")
ALIKE = ("alias", "artifacts", "triggered", "states", "verdicts", "rollouts")


def measures(_data: Path) -> list[Callable[[], Sequence[Record]]]:
    """Each measurement of this topic."""
    return [faults]


def faults() -> list[Record]:
    """One cycle a point, killed there and gone on with by another process."""
    trials = [*_killed(DIRECT), *_killed(CANARY, "--canary")]
    for one in trials:
        print(f"  {one['point']}: {'as undisturbed' if one['right'] else 'DIFFERENT'}", file=sys.stderr)
    wrong, mixed = (sum(not one[name] for one in trials) for name in ("right", "whole"))
    told: dict[str, Any] = {"better": "lower", "n": len(trials), "model": "tiny smollm2, 2 layers, random", "seed": 7}
    return [
        Record(name="cycle_faults_different", value=float(wrong), unit="cycles", **told),
        Record(name="cycle_faults_mixed", value=float(mixed), unit="cycles", **told),
    ]


def _killed(points: Sequence[str], *words: str) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "tests.loop.watch.killing_cycle", folder, *words, *points],
            cwd=REPOSITORY,
            env=settings.child_environment(SEEKLOOP_THREADS="1", OMP_NUM_THREADS="1"),
            capture_output=True,
            text=True,
            check=True,
        )
    whole, *killed = [json.loads(line) for line in done.stdout.splitlines()]
    old, new = whole["alias"]
    return [
        {
            "point": one["point"],
            "whole": one["death"] == signal.SIGKILL and one["between"] in ([old], [old, new]),
            "right": {name: one[name] for name in ALIKE} == {name: whole[name] for name in ALIKE},
        }
        for one in killed
    ]
