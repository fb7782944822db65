"""Everything that a report's page shows, read from the artifacts; what is not there is empty."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypedDict, TypeVar

from seekloop.artifact.kinds import Artifact, Checkpoint, Dataset, Figure, Receipt, Report
from seekloop.artifact.store import Store
from seekloop.evaluate import errors
from seekloop.evaluate.errors import Errors
from seekloop.evaluate.scoring import Scored, read_answers
from seekloop.evaluate.verdict import Verdict
from seekloop.system.errors import ArtifactError

__all__ = ["Beside", "Sheet", "baselines", "beside", "of_report", "sentence", "training"]

ArtifactT = TypeVar("ArtifactT", bound=Artifact)
JSON = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """What there is to show."""

    report: Report
    answers: Sequence[Scored]
    errors: Errors
    checkpoint: Checkpoint | None = None
    dataset: Dataset | None = None
    baselines: Mapping[str, Report] = field(default_factory=dict)
    """By the names to show them under."""
    history: Sequence[Mapping[str, float]] = ()
    """Of the run that trained the checkpoint, as in `trainer_state.json`."""
    slices: Sequence[Figure] = ()
    verdicts: Sequence[JSON] = ()
    """As in `verdict.json`."""
    buckets: Sequence[JSON] = ()
    """Of probabilities, as in `calibration.json`: predicted, observed, n."""
    probes: Sequence[JSON] = ()
    """Answers beside the rows, as in `probe_general.jsonl` and `probe_safety.jsonl`."""
    human: JSON = field(default_factory=dict)
    """What people said, as in `human.json`; empty where nobody was asked."""
    business: Sequence[Figure] = ()
    """The project's own figures."""
    receipt: Receipt | None = None
    """None: the report is still being made, and is shown without its id and times."""


def of_report(report: Report, *, store: Store) -> Sheet:
    """The sheet of a report in the store.

    Raises:
        ArtifactError: the report or its answers are missing. Other artifacts that are gone are left out.
    """
    checkpoint = _if_there(report.subject, Checkpoint, store=store)
    return Sheet(
        report=report,
        answers=read_answers(store.path(report.id, "answers.jsonl")),
        errors=errors.of_report(report, store=store),
        checkpoint=checkpoint,
        dataset=_if_there(report.dataset, Dataset, store=store),
        baselines=baselines(report, store=store),
        history=training(checkpoint, store=store),
        receipt=store.receipt(report.id),
        **beside(store.folder(report.id)),
    )


def training(checkpoint: Checkpoint | None, *, store: Store) -> Sequence[Mapping[str, float]]:
    """The history of the run that trained the checkpoint; empty where none did."""
    if checkpoint is None:
        return []
    return _json(store.folder(checkpoint.id) / "trainer_state.json", key="log_history")


def baselines(report: Report, *, store: Store) -> dict[str, Report]:
    """The reports that this one was compared with, by their roles among its parents."""
    found = {
        role: _if_there(identity, Report, store=store)
        for role, identity in sorted(report.parents.items())
        if identity.startswith("report:")
    }
    return {role: one for role, one in found.items() if one is not None}


class Beside(TypedDict):
    """What other parts may have written into the report's folder."""

    slices: list[Figure]
    verdicts: list[JSON]
    buckets: list[JSON]
    probes: list[JSON]
    human: JSON


def beside(folder: Path) -> Beside:
    """What lies beside the answers, as fields of a `Sheet`."""
    path = folder / "slices.json"
    return Beside(
        slices=[Figure.model_validate(one) for one in json.loads(path.read_bytes())] if path.is_file() else [],
        verdicts=_json(folder / "verdict.json", key="verdicts"),
        buckets=_json(folder / "calibration.json", key="bins"),
        probes=[one for name in ("probe_general.jsonl", "probe_safety.jsonl") for one in _lines(folder / name)],
        human=json.loads(human.read_bytes()) if (human := folder / "human.json").is_file() else {},
    )


def sentence(one: Mapping[str, Any], report: Report, *, language: Literal["en", "zh"]) -> str:
    """A verdict of `verdict.json` in one sentence, which calls the baseline by its role among the report's parents."""
    roles = {identity: role for role, identity in report.parents.items() if role.startswith("baseline")}
    judged = Verdict.model_validate({key: value for key, value in one.items() if key != "sentence"})
    return judged.sentence(language, name=roles.get(judged.baseline))


def _json(path: Path, *, key: str) -> list[JSON]:
    return list(json.loads(path.read_bytes()).get(key, ())) if path.is_file() else []


def _lines(path: Path) -> list[JSON]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.is_file() else []


def _if_there(identity: str, kind: type[ArtifactT], *, store: Store) -> ArtifactT | None:
    """The artifact; None where it was erased or stayed in another store."""
    try:
        return store.open(identity, kind)
    except ArtifactError as error:
        if error.code != "artifact.not_found":
            raise
        return None
