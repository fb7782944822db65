"""What came of the probes: figures with intervals, and every answer in a file beside the report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from seekloop.artifact.kinds import Comparison, Figure, Report
from seekloop.evaluate import reading
from seekloop.evaluate.figures import share
from seekloop.evaluate.probes import items
from seekloop.evaluate.probes.asking import Probed
from seekloop.evaluate.probes.checks import is_right
from seekloop.evaluate.probes.judge import JUDGES
from seekloop.evaluate.seen import Seen
from seekloop.metrics import significance

__all__ = ["comparisons", "part"]

_languages = ("en", "zh")
_general, _safety = "probe_general.jsonl", "probe_safety.jsonl"
_failures: Mapping[str, str] = {
    "leak": "safety_leaked",
    "injection": "safety_followed",
    "overreach": "safety_overreached",
    "benign": "safety_over_refused",
}
"""Kind of item -> the figure of those that failed."""


@dataclass(frozen=True, kw_only=True)
class _Compared:
    """A figure that is compared item by item."""

    figure: str
    file: str
    holds: str
    """Key of what an item's row says."""


_knows = _Compared(figure="probe_general", file=_general, holds="right")
_refuses = _Compared(figure="safety_refused", file=_safety, holds="refused")


def part(seen: Seen) -> tuple[Figure, ...]:
    """Writes `probe_general.jsonl` and `probe_safety.jsonl` for the sets that were asked.

    probe_general, probe_general_en, probe_general_zh: share of right answers. safety_refused, with the same endings:
    share of harmful questions that were declined. safety_leaked, safety_followed, safety_overreached,
    safety_over_refused: share of canaries told, of planted orders followed, of certainties that nobody can have, of
    harmless questions declined; lower is better. All with Wilson's interval. The passages' figures: `reading`.
    """
    common = [one for one in seen.probed if one.item.kind == "general"]
    danger = [one for one in seen.probed if one.item.kind != "general"]
    found: list[Figure] = []
    if common:
        rows = [_marked(one) for one in common]
        _write(seen.job.path(_general), rows)
        found += _by_language("probe_general", [(row["language"], row["right"]) for row in rows])
    if danger:
        rows = [_judged(one, judge=seen.spec.probes.judge) for one in danger]
        _write(seen.job.path(_safety), rows)
        found += _safety_figures(rows)
    return (*found, *(reading.figures(seen) if seen.spec.probes.passages else ()))


def comparisons(seen: Seen) -> tuple[Comparison, ...]:
    """What was forgotten, and what is refused no longer: both probes against each baseline's, on the items that both

    were asked in the same way: `probe_general`, and `safety_refused` of the harmful requests.
    """
    judge = seen.spec.probes.judge
    common = [_marked(one) for one in seen.probed if one.item.kind == "general"]
    harmful = [_judged(one, judge=judge) for one in seen.probed if one.item.kind == "harmful"]
    found = (
        _against(baseline, rows, of=of, seen=seen)
        for baseline in seen.inputs.baselines
        for rows, of in ((common, _knows), (harmful, _refuses))
    )
    return tuple(one for one in found if one is not None)


def _against(baseline: Report, rows: Sequence[Mapping[str, Any]], *, of: _Compared, seen: Seen) -> Comparison | None:
    if not rows or of.file not in baseline.files:
        return None
    lines = seen.ctx.store.path(baseline.id, of.file).read_text("utf-8").splitlines()
    theirs = {_asked(row): row[of.holds] for row in map(json.loads, lines)}
    pairs = [(row[of.holds], theirs[_asked(row)]) for row in rows if _asked(row) in theirs]
    if not pairs:
        return None
    won, lost = sum(mine and not their for mine, their in pairs), sum(their and not mine for mine, their in pairs)
    interval = significance.paired_share_difference(won, lost, n=len(pairs))
    return Comparison(
        figure=of.figure,
        baseline=baseline.id,
        difference=round((won - lost) / len(pairs), 10),
        ci=(round(interval.low, 10), round(interval.high, 10)),
        p_value=round(significance.mcnemar(won, lost), 10),
        n=len(pairs),
    )


def _asked(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """All that makes two answers comparable."""
    return (row["id"], row["prompt"], row.get("tokens"), row.get("judge"))


def _marked(one: Probed) -> dict[str, Any]:
    item = one.item
    return {
        "id": item.id,
        "language": item.language,
        "skill": item.skill,
        "prompt": item.prompt,
        "tokens": one.tokens,
        "answer": one.answer,
        "right": is_right(one.answer, _check(one)),
    }


def _check(one: Probed) -> items.Check:
    if one.item.check is None:
        raise ValueError(f"{one.item.id} has no check")
    return one.item.check


def _judged(one: Probed, *, judge: Literal["rules"]) -> dict[str, Any]:
    verdict = JUDGES[judge].judge(one.item, one.answer)
    return {
        "id": one.item.id,
        "language": one.item.language,
        "kind": one.item.kind,
        "category": one.item.category,
        "prompt": one.item.prompt,
        "tokens": one.tokens,
        "answer": one.answer,
        "refused": verdict.refused,
        "failed": verdict.failed,
        "judge": JUDGES[judge].version,
    }


def _safety_figures(rows: Sequence[Mapping[str, Any]]) -> Iterator[Figure]:
    harmful = [(row["language"], row["refused"]) for row in rows if row["kind"] == "harmful"]
    yield from _by_language("safety_refused", harmful)
    for kind, name in _failures.items():
        failed = [row["failed"] for row in rows if row["kind"] == kind]
        if failed:
            yield share(name, failed).model_copy(update={"better": "lower"})


def _by_language(name: str, right: Sequence[tuple[str, bool]]) -> list[Figure]:
    """The share of all, then of each language."""
    if not right:
        return []
    parts = {language: [one for spoken, one in right if spoken == language] for language in _languages}
    return [
        share(name, [one for _, one in right]),
        *(share(f"{name}_{language}", values) for language, values in parts.items() if values),
    ]


def _write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows)
    path.write_text(text, "utf-8")
