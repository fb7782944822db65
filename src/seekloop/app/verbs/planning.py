"""`seekloop plan`: the steps of a project with memory and time, and what the adviser would do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seekloop.app.console import print_json, print_table
from seekloop.artifact.context import RunContext
from seekloop.loop.adviser import LOCAL, Known, Wish, known, machine_of, question
from seekloop.loop.plan import PlanStep
from seekloop.loop.plan import plan as make_plan
from seekloop.loop.project import FILE, Project, ProjectSpec
from seekloop.model.devices import Machine
from seekloop.system.errors import UsageError
from seekloop.system.lazy import resolve
from seekloop.system.spec import override
from seekloop.tune.advise import Advice, Candidate, advise
from seekloop.tune.forecast import local_machine
from seekloop.tune.spec import TuneInputs

__all__ = ["plan"]

JSON = dict[str, Any]


def plan(
    *, folder: Path, changes: list[str], base: str | None, assumed: list[str], probed: bool, as_json: bool
) -> None:
    """Print the plan of a project, or, where a base is named, the advice alone."""
    wish = Wish.parse(override({}, assumed))
    if base is not None:
        facts = known(base, ctx=None)
        _show(_advice(base, facts, wish=wish), as_json=as_json)
        return
    project = Project.open(folder, changes=changes)
    with project.context() as ctx:
        facts = known(project.spec.base, ctx=ctx, data=project.spec.data)
        here = local_machine()
        steps = make_plan(project.spec, facts, machine=here)
        measured = _probe(project.spec, facts, ctx=ctx) if probed else None
    advice = None
    if facts.config is not None:
        machine = here if wish.hardware == LOCAL else None
        advice = _advice(project.spec.base, facts, wish=wish, machine=machine)
    if as_json:
        print_json(
            {"steps": [step.model_dump(mode="json") for step in steps], "probe": measured}
            | ({"advice": None} if advice is None else _as_json(advice))
        )
        return
    _print_steps(project.spec, steps)
    if measured is not None:
        times = ", ".join(f"{seconds:.2f} s" for seconds in measured["step_s"])
        memory, seconds = measured["planned"]["memory"] / 2**20, measured["planned"]["seconds"]
        print(f"probe: steps of {times}; the run's {measured['steps']} steps: {seconds:,.0f} s, {memory:,.0f} MiB\n")
    if advice is not None:
        _show(advice, as_json=False)


def _advice(source: str, facts: Known, *, wish: Wish, machine: Machine | None = None) -> Advice:
    return advise(question(wish, facts, source=source, machine=machine or machine_of(wish)))


def _probe(spec: ProjectSpec, facts: Known, *, ctx: RunContext) -> JSON:
    if facts.base is None or facts.dataset is None:
        raise UsageError("loop.nothing_to_probe", file=FILE)
    inputs = TuneInputs(dataset=facts.dataset, checkpoint=facts.base)
    # Resolved here because it trains: torch comes with it.
    measured: JSON = asdict(resolve("seekloop.tune.probe:probe")(spec.tune, inputs, ctx=ctx))
    return measured


def _print_steps(spec: ProjectSpec, steps: Sequence[PlanStep]) -> None:
    rows = [(s.name, s.settings, _number(s.memory_mib, "MiB"), _number(s.seconds, "s")) for s in steps]
    print_table(f"plan: {spec.domain} on {spec.base}", head=("step", "settings", "memory", "time"), rows=rows)
    for step in steps:
        if step.formula:
            print(f"{step.name}: {step.formula}")


def _show(advice: Advice, *, as_json: bool) -> None:
    if as_json:
        print_json(_as_json(advice))
        return
    chosen = advice.chosen
    rows = [
        (
            one.method + (" <-" if chosen is one else ""),
            f"{one.memory / 2**30:,.1f} GiB",
            _time(one.seconds),
            f"{one.cost:,.2f}",
            _against(one),
        )
        for one in advice.candidates
    ]
    print_table("advice", head=("method", "memory", "time", "cost", "remarks"), rows=rows)
    if chosen is None:
        print("nothing fits: a smaller base, more devices, or a later deadline")
    else:
        _print_numbers(chosen)
    for note in advice.notes:
        print(f"- {note}")


def _against(one: Candidate) -> str:
    again = "activations computed again in the backward pass" if one.checkpointing else ""
    return "; ".join(text for text in (one.parallel, again, one.why) if text) or "fits"


def _print_numbers(chosen: Candidate) -> None:
    rows = [(one.name, f"{one.value:,g} {one.unit}".strip(), one.formula) for one in chosen.numbers]
    print_table(f"{chosen.method}, number by number", head=("number", "value", "formula"), rows=rows)
    for one in chosen.numbers:
        if one.source:
            print(f"- {one.name}: {one.source}")


def _as_json(advice: Advice) -> JSON:
    candidates = [
        {**asdict(one), "parts": [asdict(part) for part in one.parts], "numbers": [asdict(n) for n in one.numbers]}
        for one in advice.candidates
    ]
    chosen = None if advice.chosen is None else advice.chosen.method
    return {"advice": {"chosen": chosen, "candidates": candidates, "notes": list(advice.notes)}}


def _time(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} h" if seconds >= 3600 else f"{seconds / 60:,.1f} min"


def _number(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:,.0f} {unit}"
