"""One receipt for a round: what went in, what came out, how good, how big, how long; every figure from an artifact."""

from __future__ import annotations

from typing import Any

from seekloop.artifact.kinds import Checkpoint, Dataset, Report
from seekloop.loop.run import FirstRound, NextRound
from seekloop.loop.steps import Steps

__all__ = ["first_receipt", "next_receipt"]

WEIGHTS = (".safetensors", ".gguf")
PARITY = "parity_"


def first_receipt(made: FirstRound, steps: Steps) -> dict[str, Any]:
    """The receipt of a first round.

    Returns:
        JSON with `rows`, `accuracy`, `macro_f1` and `reply_quality` by form (a figure that the data cannot give is left
        out), `intervals`, `paired`, `size_mb`, `parity` of each compressed form with its parent, `wall_s` by step, and
        the ids of release and dataset.
    """
    reports = {"base": made.base_report, **made.reports}
    sizes = {"base": _megabytes(made.base)} | {name: _megabytes(form) for name, form in made.forms.items()}
    if made.forms["tuned"].form == "adapter":
        # An adapter serves nothing without its base, so the tuned model's size is that of both.
        sizes = {**sizes, "adapter": sizes["tuned"], "tuned": round(sizes["tuned"] + sizes["base"], 2)}
    return {
        "rows": _rows(made.dataset),
        **_quality(reports),
        "size_mb": sizes,
        "parity": {name: found for name, form in made.forms.items() if (found := _parity(form, steps))},
        "wall_s": {name: round(seconds, 1) for name, seconds in steps.seconds.items()},
        "release": made.release.id,
        "dataset": made.dataset.id,
    }


def next_receipt(made: NextRound, steps: Steps) -> dict[str, Any]:
    """The receipt of a later round.

    Returns:
        JSON with the lesson's verdict and counts and, as far as the round went, `rows`, the figures of the candidate on
        the frozen test split and on the lesson's own, the gate's verdict and the release.
    """
    receipt: dict[str, Any] = {
        "lesson": {"verdict": made.lesson.verdict, "reason": made.lesson.reason, "counts": made.lesson.counts},
        "promoted": made.promoted,
        "wall_s": {name: round(seconds, 1) for name, seconds in steps.seconds.items()},
    }
    if made.dataset is not None:
        receipt["rows"] = _rows(made.dataset)
    if made.verdict is not None:
        receipt |= _quality(made.reports)
        receipt["gate"] = made.verdict.model_dump(mode="json")
    if made.release is not None:
        receipt["release"] = made.release.id
    return receipt


def _rows(dataset: Dataset) -> dict[str, Any]:
    return {
        "in": dataset.rows,
        **dataset.splits,
        "dropped": dict(sorted(dataset.dropped.items())),
        "replayed": dataset.replay,
        "pii_masked": dict(sorted(dataset.pii.items())),
    }


def _quality(reports: dict[str, Report]) -> dict[str, Any]:
    """Figures by form, each name once: plain values for machines, then intervals and differences to the parent."""
    quality: dict[str, Any] = {"accuracy": {}, "macro_f1": {}, "reply_quality": {}, "intervals": {}, "paired": {}}
    for form, report in reports.items():
        figures = {figure.name: figure for figure in report.figures}
        # The reply's language names its figure; data in one language has one of them.
        names = {
            "accuracy": "accuracy",
            "macro_f1": "macro_f1",
            "rougeL_en": "reply_quality",
            "rougeL_zh": "reply_quality",
        }
        for name, key in names.items():
            if name in figures:
                quality[key][form] = round(figures[name].value, 4)
                quality["intervals"].setdefault(form, {})[name] = {"n": figures[name].n, "ci": figures[name].ci}
        parent = report.parents.get("baseline")
        paired = [one for one in report.comparisons if one.baseline == parent]
        quality["paired"][form] = [one.model_dump(mode="json") for one in paired]
    return quality


def _parity(form: Checkpoint, steps: Steps) -> dict[str, float]:
    """What the parity gate measured of a compressed form; nothing for others."""
    cost = steps.ctx.store.receipt(form.id).cost
    return {name.removeprefix(PARITY): value for name, value in cost.items() if name.startswith(PARITY)}


def _megabytes(checkpoint: Checkpoint) -> float:
    weights = (entry.size for name, entry in checkpoint.files.items() if name.endswith(WEIGHTS))
    return round(sum(weights) / 1e6, 2)
