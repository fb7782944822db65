"""In which slices of the rows two models differ, corrected over all slices that were looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from seekloop.evaluate.compare import Pair
from seekloop.evaluate.scoring import Scored
from seekloop.evaluate.verdict import SliceDifference
from seekloop.metrics.multiplicity import benjamini_hochberg
from seekloop.metrics.paired import paired_share

__all__ = ["differing_slices", "slices_of"]

_level, _least = 0.05, 5


def slices_of(answer: Scored) -> Iterator[str]:
    """Names of the slices that a row is in."""
    if answer.label is not None:
        yield f"label={answer.label}"
    yield f"language={answer.language}"


def differing_slices(
    pairs: Sequence[Pair], *, groups: Mapping[str, str], resamples: int, seed: int
) -> tuple[tuple[SliceDifference, ...], int]:
    """Slices in which one model is right more often than the other, the worst for the subject first.

    Slices of fewer than five rows, and a slice that is all rows, are not looked at.

    Returns:
        The slices whose corrected value (Benjamini and Hochberg) is at most 0.05 and whose interval leaves 0 out, and
        how many were looked at.
    """
    members: dict[str, list[Pair]] = {}
    for pair in pairs:
        for name in slices_of(pair[0]):
            members.setdefault(name, []).append(pair)
    looked = {name: rows for name, rows in sorted(members.items()) if _least <= len(rows) < len(pairs)}
    found = {
        name: paired_share(
            [one.correct for one, _ in rows],
            [other.correct for _, other in rows],
            groups=[groups.get(one.row, one.row) for one, _ in rows],
            resamples=resamples,
            seed=seed,
        )
        for name, rows in looked.items()
    }
    q_values = dict(zip(found, benjamini_hochberg([one.p_value for one in found.values()]), strict=True))
    differing = [
        SliceDifference(
            name=name,
            difference=round((sum(a.correct for a, _ in rows) - sum(b.correct for _, b in rows)) / len(rows), 10),
            ci=(round(found[name].interval.low, 10), round(found[name].interval.high, 10)),
            q_value=round(q_values[name], 10),
            n=len(rows),
        )
        for name, rows in looked.items()
        if q_values[name] <= _level and not found[name].interval.low <= 0 <= found[name].interval.high
    ]
    return tuple(sorted(differing, key=lambda one: (one.difference, one.name))), len(looked)
