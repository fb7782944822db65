"""The plan: for each label what it has and needs, and how many rows each way can add; and quotas for sampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from seekloop.data.balance.spec import BalanceSpec

__all__ = ["LabelPlan", "plan", "quotas", "table"]


@dataclass(frozen=True, kw_only=True)
class LabelPlan:
    """One label's line of the plan, in train rows."""

    label: str
    have: int
    over: int = 0
    """To be dropped: more than the label may have."""
    need: int = 0
    augment: int = 0
    resample: int = 0
    teacher: int = 0
    """What no other way can add."""

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def plan(
    counts: Mapping[str, int], spec: BalanceSpec, *, kept: Mapping[str, int] | None = None
) -> tuple[LabelPlan, ...]:
    """The plan for train rows by label, those in the greatest need first.

    `kept` are the rows by label once those over the cap are left out; None: what `quotas` leaves.

    Each way adds at most what it can: variants `per_row` of the label's rows, copies `copies_per_row` of them. What
    variants fail the gate is made up by the ways after it, so more may be copied in the end than is planned.
    """
    stay = quotas(counts, per_label=spec.max_rows_per_label, total=spec.max_rows) if kept is None else kept
    lines = []
    for label, have in counts.items():
        rows = stay.get(label, 0)
        need = max(0, spec.min_rows_per_label - rows)
        can = {"augment": rows * spec.augment.per_row, "resample": rows * spec.copies_per_row, "teacher": need}
        given: dict[str, int] = {}
        left = need
        for way in spec.ways:
            given[way] = min(left, can.get(way, 0))
            left -= given[way]
        made = {way: given.get(way, 0) for way in ("augment", "resample", "teacher")}
        lines.append(LabelPlan(label=label, have=have, over=have - rows, need=need, **made))
    return tuple(sorted(lines, key=lambda line: (-line.need, line.label)))


def quotas(counts: Mapping[str, int], *, per_label: int | None, total: int | None) -> dict[str, int]:
    """How many rows of each label to keep: at most `per_label` each and `total` in all.

    The total is shared out by the labels' sizes, by largest remainders (Hamilton's method), one row at least for each
    label while there are enough; what a capped label gives up goes to the others.
    """
    kept = {label: min(count, per_label) if per_label is not None else count for label, count in counts.items()}
    whole = sum(kept.values())
    if total is None or whole <= total:
        return kept
    order = sorted(kept, key=lambda label: (-kept[label], label))
    shares = {label: min(1, kept[label]) if place < total else 0 for place, label in enumerate(order)}
    spare = total - sum(shares.values())
    rest = {label: kept[label] - shares[label] for label in order}
    exact = {label: spare * rest[label] / max(1, sum(rest.values())) for label in order}
    shares = {label: shares[label] + int(exact[label]) for label in order}
    missing = total - sum(shares.values())
    by_remainder = sorted(order, key=lambda label: (int(exact[label]) - exact[label], label))
    for label in [label for label in by_remainder if shares[label] < kept[label]][:missing]:
        shares[label] += 1
    return {label: shares[label] for label in kept}


def table(lines: tuple[LabelPlan, ...], *, at_most: int = 20) -> str:
    """The plan for people, a label a line, those in need first; the last line adds all up."""
    head = ("label", "have", "over", "need", "augment", "resample", "teacher")
    rows = [tuple(str(value) for value in line.as_json().values()) for line in lines[:at_most]]
    if len(lines) > at_most:
        rows.append((f"… {len(lines) - at_most} more", *[""] * 6))
    sums = [sum(int(line.as_json()[name]) for line in lines) for name in head[1:]]
    rows.append(("all", *map(str, sums)))
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    return "\n".join(_line(row, widths) for row in (head, *rows))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """The first cell to the left, numbers to the right."""
    numbers = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
    return "  ".join([cells[0].ljust(widths[0]), *numbers]).rstrip()
