"""Finds the forms of a checkpoint, makes what is missing of their figures, and puts them side by side."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset, Report
from seekloop.compress.method import Made, Work
from seekloop.compress.parity import gate
from seekloop.compress.parity.spec import ParitySpec
from seekloop.evaluate import stage as evaluate
from seekloop.evaluate.compare import compare
from seekloop.evaluate.efficiency import served_bytes
from seekloop.evaluate.spec import EvaluateInputs
from seekloop.loop.forms.spec import FormsSpec
from seekloop.system import digests, provenance
from seekloop.system.errors import EngineError, UsageError
from seekloop.system.files import write_whole

__all__ = ["FormLine", "FormsTable", "family_of", "measured_table"]

QUALITY = ("accuracy", "rougeL_zh", "rougeL_en")
"""The figure that stands for quality: the first that the reports have."""
_told_lines = 3


@dataclass(frozen=True, kw_only=True)
class FormLine:
    """One form."""

    id: str
    name: str
    """Form and precision; the parent's is its own."""
    size_mb: float
    """Bytes of the weights that answer, in millions; an adapter answers with its base."""
    quality: float
    n: int
    difference: tuple[float, float, float] | None
    """Quality minus the parent's and its paired 95 % interval; None: the parent."""
    kl: float
    """From the parent, a mean in nats."""
    kl_at_least: bool
    """Whether the engine told only the likeliest ids."""
    measured: Mapping[str, Any]
    """As `measuring.measure` gives."""

    @property
    def speeds(self) -> dict[int, float]:
        """Tokens a second by streams."""
        return {int(streams): speed for streams, speed in self.measured["tokens_per_s"].items()}

    @property
    def lost(self) -> float:
        """Points of quality below the parent's; negative where it is better."""
        return 0.0 if self.difference is None else 0.0 - 100 * self.difference[0]


@dataclass(frozen=True, kw_only=True)
class FormsTable:
    """The parent first, then its forms, the largest first."""

    parent: str
    dataset: str
    figure: str
    """Name of the quality figure."""
    lines: tuple[FormLine, ...]
    hardware: Mapping[str, str | int]

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)


def family_of(checkpoints: Sequence[Checkpoint], *, ctx: RunContext) -> tuple[Checkpoint, list[Checkpoint]]:
    """The parent and its compressed forms.

    Args:
        checkpoints: one: all forms that the ledger knows of it (or of its parent, where it is a form itself), each
            recipe's newest; several: these forms.
        ctx: store and ledger.

    Raises:
        UsageError: they have several parents, or none is a form.
    """
    first, store = checkpoints[0], ctx.store
    if len(checkpoints) == 1:
        parent = _parent_of(first, ctx=ctx) or first
        made = [store.open(one, Checkpoint) for one in ctx.ledger.children(parent.id) if one.startswith("checkpoint:")]
        forms = {(one.form, one.precision, one.made_by.spec_digest): one for one in made if _is_form(one, parent)}
        if not forms:
            raise UsageError("loop.no_forms", id=digests.short(parent.id))
        return parent, list(forms.values())
    parents = {one.id: one for one in (_parent_of(form, ctx=ctx) for form in checkpoints) if one is not None}
    if len(parents) != 1:
        raise UsageError("loop.forms_of_several", count=len(parents))
    (parent,) = parents.values()
    return parent, [one for one in checkpoints if one.id != parent.id]


def measured_table(
    parent: Checkpoint, forms: Sequence[Checkpoint], *, dataset: Dataset, spec: FormsSpec, ctx: RunContext
) -> FormsTable:
    """Every figure of every form; what was measured before, in this project and by this code, is not measured again.

    Raises:
        EngineError: a form's process ended; the end of its log is told.
        Others as `evaluate.stage.run`.
    """
    with ctx.progress.task("forms", total=2 * (1 + len(forms))) as bar:
        before = _report(parent, None, dataset=dataset, spec=spec, ctx=ctx)
        names = {figure.name for figure in before.figures}
        figure = next((name for name in QUALITY if name in names), before.figures[0].name)
        lines = []
        for form in (parent, *sorted(forms, key=lambda one: -served_bytes(one, store=ctx.store))):
            report = before if form is parent else _report(form, before, dataset=dataset, spec=spec, ctx=ctx)
            bar.advance()
            found = _measured(form, dataset, spec=spec, ctx=ctx)
            bar.advance()
            kl, at_least = (0.0, False) if form is parent else _divergence(form, parent, dataset=dataset, ctx=ctx)
            value = report.figure(figure)
            lines.append(
                FormLine(
                    id=form.id,
                    name=f"{form.form} {form.precision}",
                    size_mb=served_bytes(form, store=ctx.store) / 1e6,
                    quality=value.value,
                    n=value.n,
                    difference=None if form is parent else _difference(report, before, figure=figure, ctx=ctx),
                    kl=kl,
                    kl_at_least=at_least,
                    measured=found,
                )
            )
    return FormsTable(
        parent=parent.id, dataset=dataset.id, figure=figure, lines=tuple(lines), hardware=provenance.hardware()
    )


def _is_form(one: Checkpoint, parent: Checkpoint) -> bool:
    return one.made_by.stage == "compress" and one.parents.get("checkpoint") == parent.id


def _parent_of(one: Checkpoint, *, ctx: RunContext) -> Checkpoint | None:
    """What a compressed form was made from; None for what is no such form."""
    if one.made_by.stage != "compress":
        return None
    return ctx.store.open(one.parents["checkpoint"], Checkpoint)


def _report(form: Checkpoint, before: Report | None, *, dataset: Dataset, spec: FormsSpec, ctx: RunContext) -> Report:
    """The newest report under this spec on this dataset, or a new one."""
    for record in reversed(ctx.ledger.artifacts("report")):
        if (record.parents.get("checkpoint"), record.parents.get("dataset")) == (form.id, dataset.id):
            report = ctx.store.open(record.id, Report)
            if report.made_by.spec_digest == spec.evaluate.digest:
                return report
    return evaluate.run(spec.evaluate, EvaluateInputs(checkpoint=form, dataset=dataset, baseline=before), ctx=ctx)


def _difference(report: Report, before: Report, *, figure: str, ctx: RunContext) -> tuple[float, float, float]:
    found = {one.figure: one for one in compare(report, before, store=ctx.store, seed=ctx.seed)}[figure]
    return found.difference, *found.ci


def _divergence(form: Checkpoint, parent: Checkpoint, *, dataset: Dataset, ctx: RunContext) -> tuple[float, bool]:
    """From the receipt that the gate wrote; measured now for forms from before there was a gate."""
    cost = ctx.store.receipt(form.id).cost
    for name in ("parity_kl", "parity_kl_at_least"):
        if name in cost:
            return cost[name], name.endswith("at_least")
    work = Work(parent=parent, dataset=dataset, folder=ctx.store.folder(form.id), ctx=ctx)
    made = Made(form=form.form, precision=form.precision, parameters=form.parameters)
    figures = gate.measure(work, made, spec=ParitySpec()).figures
    return figures.kl, not figures.complete


def _measured(form: Checkpoint, dataset: Dataset, *, spec: FormsSpec, ctx: RunContext) -> dict[str, Any]:
    """From a process of its own, or from the note that an earlier one left."""
    told = {
        "checkpoint": form.id,
        "dataset": dataset.id,
        "spec": spec.model_dump(mode="json"),
        "store": str(ctx.store.root.resolve()),
        "shared": [str(one.root.resolve()) for one in ctx.store.shared],
    }
    key = digests.of_json({**told, "code": provenance.code_version(), "on": provenance.hardware()})
    note = ctx.work / "forms" / f"{key.rpartition(':')[2][:32]}.json"
    if note.is_file():
        kept: dict[str, Any] = json.loads(note.read_text("utf-8"))
        return kept
    found = _in_a_process(told, name=f"{form.form} {form.precision}")
    _keep(note, found)
    return found


def _in_a_process(told: Mapping[str, Any], *, name: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "seekloop.loop.forms.measuring"]
    done = subprocess.run(command, input=json.dumps(told) + "\n", capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()][-_told_lines:]
        raise EngineError("runtime.worker_died", engine=name, code=done.returncode, lines=" | ".join(lines) or "-")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _keep(note: Path, found: Mapping[str, Any]) -> None:
    note.parent.mkdir(parents=True, exist_ok=True)
    write_whole(note, json.dumps(found, indent=2).encode())
