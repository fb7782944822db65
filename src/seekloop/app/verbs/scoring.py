"""The verb that scores answers made elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seekloop.app.console import print_json, print_table
from seekloop.artifact.kinds import Comparison, Figure
from seekloop.evaluate.predictions import compare_predictions, read_predictions, score_predictions
from seekloop.system.errors import UsageError
from seekloop.text.labelled import AnswerForm

__all__ = ["score"]

_forms: dict[str, AnswerForm] = {"text": "text", "label": "label", "label_then_text": "label_then_text"}


def score(*, file: Path, against: Path | None, answer: str, as_json: bool) -> None:
    """Print the figures of a file of predictions, and the paired differences to another.

    Raises:
        UsageError: no such file, or no such form of answers.
        DataError: a row of a file is broken, or the two share none.
    """
    if answer not in _forms:
        raise UsageError("evaluate.unknown_form", form=answer, known=", ".join(_forms))
    answers = read_predictions(file, form=_forms[answer])
    figures, differences = score_predictions(answers), []
    if against is not None:
        others = read_predictions(against, form=_forms[answer])
        differences = compare_predictions(answers, others, name=str(against))
    if as_json:
        found: dict[str, Sequence[Figure | Comparison]] = {"figures": figures, "differences": differences}
        print_json({name: [one.model_dump(mode="json") for one in some] for name, some in found.items()})
        return
    rows = [(one.name, f"{one.value:.4f}", _interval(one), one.n) for one in figures]
    print_table(str(file), head=("figure", "value", "95 % interval", "n"), rows=rows)
    if differences:
        shown = [
            (one.figure, f"{one.difference:+.4f}", _interval(one), f"{one.p_value:.3g}", one.n) for one in differences
        ]
        head = ("figure", "difference", "95 % interval", "p", "n")
        print_table(f"{file} minus {against}, same rows", head=head, rows=shown)


def _interval(one: Figure | Comparison) -> str:
    return "" if one.ci is None else f"[{one.ci[0]:.4f}, {one.ci[1]:.4f}]"
