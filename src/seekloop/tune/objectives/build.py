"""The table of objectives. A further one is a file in `runtime/train/objectives`, a spec, and a case here."""

from __future__ import annotations

from collections.abc import Sequence

from seekloop.artifact.rows import Row
from seekloop.system.errors import TrainError
from seekloop.tune.objective_spec import (
    AnswersObjective,
    ClassifyObjective,
    DpoObjective,
    KtoObjective,
    ObjectiveSpec,
    OrpoObjective,
    TextObjective,
)
from seekloop.tune.objectives import answers, classify, preferences, verdicts
from seekloop.tune.objectives.encoded import Encoded, Encoder

__all__ = ["choose", "encode", "kind_of", "rate_factor"]

_answers, _text, _pairs, _verdicts = "answers", "plain texts", "preferences", "verdicts"


def choose(rows: Sequence[Row]) -> ObjectiveSpec:
    """The objective that rows of one kind ask for.

    Raises:
        TrainError: they are of several kinds.
    """
    kinds = _kinds(rows)
    if len(kinds) > 1:
        raise TrainError("tune.mixed_rows", kinds=_said(kinds))
    match next(iter(kinds), _answers):
        case "plain texts":
            return TextObjective()
        case "preferences":
            return DpoObjective()
        case "verdicts":
            return KtoObjective()
    return AnswersObjective()


def encode(spec: ObjectiveSpec, *, train: Sequence[Row], validation: Sequence[Row], encoder: Encoder) -> Encoded:
    """The views that `spec` trains.

    Raises:
        TrainError: the rows are not of a kind that the objective is for.
        DataError: the codec cannot encode a row.
        ValueError: two rows have the same id, by which the parts of a row are put together again.
    """
    if len({row.id for row in (*train, *validation)}) < len(train) + len(validation):
        raise ValueError("two rows of the dataset have the same id")
    _refuse_others(spec, [*train, *validation])
    match spec:
        case AnswersObjective():
            return answers.encode_answers(spec, train=train, validation=validation, encoder=encoder)
        case TextObjective():
            return answers.encode_text(spec, train=train, validation=validation, encoder=encoder)
        case DpoObjective():
            return preferences.encode_dpo(spec, train=train, validation=validation, encoder=encoder)
        case OrpoObjective():
            return preferences.encode_orpo(spec, train=train, validation=validation, encoder=encoder)
        case KtoObjective():
            return verdicts.encode_kto(spec, train=train, validation=validation, encoder=encoder)
        case ClassifyObjective():
            return classify.encode_classify(spec, train=train, validation=validation, encoder=encoder)


def rate_factor(spec: ObjectiveSpec) -> float:
    """What the family's learning rate is multiplied by: preferences are learned at a tenth of it."""
    return 0.1 if isinstance(spec, DpoObjective | KtoObjective | OrpoObjective) else 1.0


def kind_of(row: Row) -> str:
    """What a row holds: `answers`, `plain texts`, `preferences` or `verdicts`."""
    return _pairs if row.rejected else _verdicts if row.desirable is not None else _text if row.plain else _answers


def _refuse_others(spec: ObjectiveSpec, rows: Sequence[Row]) -> None:
    """Rows that say something else than the objective learns: they would teach the wrong thing."""
    kinds = _kinds(rows)
    others = {kind: count for kind, count in kinds.items() if kind not in _fitting(spec)}
    if others:
        raise TrainError("tune.other_rows", objective=spec.type, kinds=_said(others))


def _fitting(spec: ObjectiveSpec) -> tuple[str, ...]:
    match spec:
        case AnswersObjective():
            return (_answers, _text) if spec.with_text else (_answers,)
        case TextObjective():
            return (_text,)
        case DpoObjective() | OrpoObjective():
            return (_pairs,)
        case KtoObjective():
            return (_verdicts,)
    return (_answers,)


def _kinds(rows: Sequence[Row]) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows:
        kind = kind_of(row)
        found[kind] = found.get(kind, 0) + 1
    return found


def _said(kinds: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items())
