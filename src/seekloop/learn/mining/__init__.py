"""What a window of production shows: wrong and uncertain answers, drift, new intents; and what people should look at.

Everything here is a pure function over rows; `mine` does all of it. `drift`, `errors` and `kpi_drop` answer one
question each, for triggers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seekloop.system.lazy import attributes

if TYPE_CHECKING:
    from seekloop.learn.mining.drifting import Drift, drift
    from seekloop.learn.mining.faults import Errors, errors
    from seekloop.learn.mining.kpi import Drop, kpi_drop
    from seekloop.learn.mining.mined import Mined, mine
    from seekloop.learn.mining.seen import Seen, of_answers, of_rows
    from seekloop.learn.mining.spec import MiningSpec
    from seekloop.learn.mining.windows import known_rows, window

__all__ = [
    "Drift",
    "Drop",
    "Errors",
    "Mined",
    "MiningSpec",
    "Seen",
    "drift",
    "errors",
    "known_rows",
    "kpi_drop",
    "mine",
    "of_answers",
    "of_rows",
    "window",
]

__getattr__ = attributes(
    __name__,
    drifting=("Drift", "drift"),
    faults=("Errors", "errors"),
    kpi=("Drop", "kpi_drop"),
    mined=("Mined", "mine"),
    seen=("Seen", "of_answers", "of_rows"),
    spec=("MiningSpec",),
    windows=("known_rows", "window"),
)
