"""Six months of a bank's desk, read from the ledger: new intents, drifting words, lies in the feedback, one bad month.

`make bench-learn` lives them, and writes `benchmarks/learn_story_receipt.json` and the figures of the guide.
`python -m bench.learn_story FOLDER` lives them in a folder that can be gone on with; `--tiny` takes a random model of
two layers and a minute, `--show` only counts what the ledger there holds, `--publish` writes receipt and guide.
"""

from __future__ import annotations

import argparse
import functools
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.harness import Record
from bench.learn_months import live, project
from bench.learn_scenario import Scenario
from bench.learn_story_page import publish
from bench.learn_told import Month, Story, read
from seekloop.app.console import print_table, reporter

__all__ = ["measures", "records", "show", "story"]

MODEL, DATA = "SmolLM2-135M-Instruct, LoRA, q8_0", "bank-support sample and the story's customers (ours)"
TINY = (
    "base=tiny",
    "tune={method: {type: lora, rank: 4}, epochs: 1, max_steps: 4, rows_per_step: 4}",
    "evaluate={limit: 8, max_tokens: 6, resamples: 100}",
    "serve={max_tokens: 6}",
    "incremental.data.replay={rows: 12}",
    "incremental.tune={method: {type: lora, rank: 4}, epochs: 1, max_steps: 2, rows_per_step: 4}",
    "gate={rules: [{require: non_inferior, figure: accuracy, margin: 1.0}], min_rows: 1}",
)


def measures(_data: Path) -> list[Callable[[], Sequence[Record]]]:
    """The story, lived once in a folder that is removed afterwards."""

    def lived() -> Sequence[Record]:
        with tempfile.TemporaryDirectory(prefix="seekloop-story-") as folder:
            found = story(Path(folder))
        publish(found)
        show(found)
        return records(found)

    return [lived]


def story(folder: Path, *, scenario: Scenario | None = None, changes: Sequence[str] = ()) -> Story:
    """Live what has not happened yet in `folder`, and read it.

    Args:
        folder: of the project; a new one, or the story's.
        scenario: who writes; None: the published one.
        changes: `KEY=VALUE` over the story's project.
    """
    made = project(folder, changes=changes)
    with made.context(progress=reporter()) as ctx:
        live(made, scenario or Scenario(), ctx=ctx)
        ctx.ledger.verify()
        return read(ctx)


def records(found: Story) -> list[Record]:
    """The story's headline figures."""
    worst = min(found.months, key=lambda month: month.live.value)
    lowest = min(found.months, key=lambda month: month.frozen.value)
    most = max(month.forgetting for month in found.months)
    longest = max(month.minutes for month in found.months)
    record = functools.partial(Record, model=MODEL, data=DATA, seed=Scenario().seed)
    return [
        record(
            name="story_resolution_min",
            value=worst.live.value,
            unit="share",
            better="higher",
            n=worst.live.n,
            ci=worst.live.ci,
        ),
        record(
            name="story_frozen_resolution_min",
            value=lowest.frozen.value,
            unit="share",
            better="higher",
            n=lowest.frozen.n,
            ci=lowest.frozen.ci,
        ),
        record(name="forgetting_max_points", value=most, unit="points", better="lower", n=found.rows),
        record(name="cycle_minutes_max", value=longest, unit="min", better="lower", n=len(found.months)),
    ]


def show(found: Story) -> None:
    """Print it as a table, with a line for each decision."""
    rows = f"{found.rows} frozen test rows"
    print(f"month 0: accuracy {found.accuracy:.3f} on {rows}, {found.first_minutes:.1f} min", flush=True)
    head = ("month", "asked", "with the loop", "frozen", "taught, lies", "verdict", "lost", "min")
    print_table("the story, from the ledger", head=head, rows=[_line(month) for month in found.months])
    for month in found.months:
        print(f"month {month.month}: {month.decision}: {'; '.join((*month.why['en'], *month.moves))}", flush=True)


def _line(month: Month) -> tuple[Any, ...]:
    low, high = month.live.ci
    return (
        month.month,
        month.live.n,
        f"{month.live.value:.3f} [{low:.2f}, {high:.2f}]",
        f"{month.frozen.value:.3f}",
        f"{month.counts.get('kept', 0)} / {month.lies}",
        month.decision,
        f"{month.forgetting:+.1f}",
        f"{month.minutes:.1f}",
    )


def main() -> None:
    """Live it in a folder of one's own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--months", type=int, default=Scenario.months)
    parser.add_argument("--customers", type=int, default=Scenario.customers)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--publish", action="store_true", help="write receipt and charts into the repository")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="changes")
    given = parser.parse_args()
    if given.show:
        with project(given.folder).context() as ctx:
            found = read(ctx)
    else:
        scenario = Scenario(months=given.months, customers=given.customers)
        changes = (*TINY, *given.changes) if given.tiny else given.changes
        found = story(given.folder, scenario=scenario, changes=changes)
    if given.publish:
        publish(found)
    show(found)


if __name__ == "__main__":
    main()
