"""What a judge model said of each task, as lines beside the study: a score, a choice, or why neither counts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from seekloop.evaluate.human.book import Winner
from seekloop.evaluate.human.spec import Ask
from seekloop.system.files import write_whole

__all__ = ["VERDICTS", "Verdict", "read_verdicts", "write_verdicts"]

VERDICTS = "verdicts.jsonl"
"""File of a study and of its report."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a judge says of one task."""

    task: str
    row: str
    kind: Ask
    reports: tuple[str, ...]
    values: Mapping[str, int] = field(default_factory=dict)
    """0 to 5 by dimension; of a task to rate."""
    winner: Winner | None = None
    """Of two answers: asked in both orders; a tie where the two verdicts differ."""
    orders: tuple[Winner, ...] = ()
    """Of two answers: who won with the subject's first, and with the baseline's first."""
    invalid: str | None = None
    """Why it does not count: `refused`, `no_json`, `bad_value`, `cut_short`, `unreachable`, `not_asked`."""
    repaired: int = 0
    """Answers of which only a part was JSON, or that were asked for again."""


def write_verdicts(path: Path, verdicts: Iterable[Verdict]) -> None:
    """Write them as JSON Lines, whole or not at all."""
    lines = (json.dumps(asdict(one), ensure_ascii=False, sort_keys=True) + "\n" for one in verdicts)
    write_whole(path, "".join(lines).encode())


def read_verdicts(path: Path) -> list[Verdict]:
    """The verdicts of a file; none where there is no file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as file:
        values = [json.loads(line) for line in file]
    return [Verdict(**{**one, "reports": tuple(one["reports"]), "orders": tuple(one["orders"])}) for one in values]
