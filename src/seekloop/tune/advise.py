"""What to do with so many rows on such a machine by such a time: method and numbers, each with its formula.

The rules are data (`advice.yaml`); memory is `model/memory.py`, time `model/arithmetic.py`. Nothing is measured here.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import Any, Literal

import yaml

from seekloop.model import families
from seekloop.model.arithmetic import Amount, parameters, train_seconds
from seekloop.model.devices import Machine
from seekloop.model.memory import Load, Part, peak, total
from seekloop.model.trained import Trained
from seekloop.tune.counting import base_bytes, trained_by
from seekloop.tune.method_spec import LoraMethod, MethodSpec
from seekloop.tune.methods.rates import default_rate
from seekloop.tune.spec import TuneSpec

__all__ = ["Advice", "Candidate", "Number", "Question", "Task", "advise", "rules", "slower"]

Task = Literal["classify", "chat", "style", "knowledge"]
"""What the rows teach: which class, whole answers, a manner of writing, new facts."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is known before a run."""

    config: Mapping[str, Any]
    """The model's config.json, or its sizes."""
    family: str
    """Name of its card."""
    machine: Machine
    rows: int
    """Train rows."""
    row_tokens: float
    """Mean length."""
    labelled: float
    """Share of the tokens that are trained."""
    longest: int
    """Tokens of the longest row."""
    task: Task = "chat"
    deadline_s: float | None = None
    price: float = 0.0
    """Of one device and hour."""
    assumed: tuple[str, ...] = ()
    """What of this nobody counted."""


@dataclass(frozen=True, kw_only=True)
class Number:
    """One number of the advice."""

    name: str
    value: float
    unit: str
    formula: str
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One method, worked out."""

    method: str
    spec: dict[str, Any]
    """Keys of a tune spec."""
    numbers: tuple[Number, ...]
    parts: tuple[Part, ...]
    """Of the memory, on one device."""
    memory: int
    """Bytes on one device."""
    seconds: float
    cost: float
    checkpointing: bool
    """Activations are computed again in the backward pass, for memory."""
    parallel: str
    """How several devices share the work; empty on one."""
    fits: bool
    whole: bool
    """Nothing was cut to meet the deadline."""
    advised: bool
    """It is taken where those before it do not fit; else it is counted for comparison."""
    why: str
    """What speaks against it; empty where nothing does."""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """The answer: the first candidate that fits without a cut, else with one, and all of them."""

    chosen: Candidate | None
    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...] = field(default=())
    """Assumptions, and what was cut to meet a deadline."""


def advise(question: Question) -> Advice:
    """Work out every method in the order of preference, and take the first one that fits memory and deadline.

    One that must be cut to meet the deadline is taken only where none does without.

    Raises:
        ModelError: the model's sizes are not known, or its family is not.
    """
    rule = rules()["order"]
    advised = rule[_order(question)]
    others = [name for name in rules()["methods"] if name not in advised]
    candidates = tuple(_candidate(name, question, advised=name in advised) for name in [*advised, *others])
    fitting = [one for one in candidates if one.fits and one.advised]
    chosen = next((one for one in fitting if one.whole), fitting[0] if fitting else None)
    notes = [f"assumed: {text}" for text in question.assumed]
    notes.append(f"order of methods: {rule['source']}")
    if question.task == "classify":
        notes.append(rules()["heads"]["note"])
    here = "" if question.machine.local else " was not measured"
    notes.append(f"{question.machine.name}{here}: {question.machine.source}")
    return Advice(chosen=chosen, candidates=candidates, notes=tuple(notes))


@functools.cache
def rules() -> dict[str, Any]:
    """The table of rules."""
    text = resources.files("seekloop.tune").joinpath("advice.yaml").read_text("utf-8")
    table: dict[str, Any] = yaml.safe_load(text)
    return table


def slower(method: MethodSpec) -> float:
    """What the time of operations is multiplied by for a method, as somebody measured it."""
    table, factor = rules()["methods"], 1.0
    if isinstance(method, LoraMethod):
        factor *= table["qlora"]["slower"] if method.base != "f32" else 1.0
        factor *= table["dora"]["slower"] if method.dora else 1.0
    return factor


def _order(question: Question) -> str:
    """Which order of methods is for the task."""
    rule = rules()["order"]
    if question.task != "knowledge":
        return "style" if question.task == "style" else "usual"
    if question.rows >= rule["knowledge_rows"]:
        return "knowledge"
    return "high_rank" if _rank(question) >= rule["high"] else "usual"


def _rank(question: Question) -> int:
    table = rules()["ranks"]
    return _by_rows(table, question.rows, key="rank") * (table["knowledge"] if question.task == "knowledge" else 1)


@dataclass(frozen=True, kw_only=True)
class _Work:
    """The numbers of one method while they are worked out."""

    question: Question
    name: str
    given: dict[str, Any]
    """The method as the spec names it."""
    method: MethodSpec
    rate: float
    rows_per_step: int
    epochs: int
    trained: Trained

    @property
    def steps(self) -> int:
        return self.epochs * math.ceil(self.question.rows / self.rows_per_step)


def _candidate(name: str, question: Question, *, advised: bool) -> Candidate:
    work, numbers = _numbers(name, question)
    budget, checkpointing, parts, parallel = _placed(work)
    memory = total(parts)
    work, steps, cut = _in_time(work, checkpointing=checkpointing)
    seconds = _seconds(work, checkpointing=checkpointing) * steps / work.steps
    machine = question.machine
    cost = seconds / 3600 * machine.count * question.price
    spec = _spec(work, budget=budget, steps=steps if cut == "steps" else None)
    room = machine.memory
    needed = _devices(parts, room)
    why = []
    if memory > room:
        more = f"; {needed} such devices, sharded, would hold it" if needed and not machine.local else ""
        why.append(f"needs {_gib(memory)} of {_gib(room)} on a device{more}")
    if question.deadline_s is not None and seconds > question.deadline_s:
        why.append(f"takes {_time(seconds)} of {_time(question.deadline_s)}, even at one step")
    fits = not why
    if cut:
        seen = min(1.0, steps * work.rows_per_step / question.rows)
        why.append(f"cut to {work.epochs} epochs, {steps} steps for the deadline: {seen:.0%} of the rows are seen")
    against = rules()["methods"][name].get("against")
    why += [against] if against else []
    numbers = [
        *(replace(one, value=work.epochs) if one.name == "epochs" else one for one in numbers),
        Number(
            name="tokens_per_batch",
            value=budget,
            unit="tokens",
            formula="the largest power of two that fits into memory, from the usual one down; at least the longest row",
        ),
        Number(name="steps", value=steps, unit="steps", formula=f"epochs x ceil({question.rows:,} / rows_per_step)"),
        Number(
            name="memory",
            value=round(memory / 2**20),
            unit="MiB",
            formula=" + ".join(f"{part.name} {part.bytes / 2**20:,.0f}" for part in parts),
            source="model/memory.py, compared with the peak that Linux counted: benchmarks/tune.json",
        ),
        Number(
            name="hours",
            value=round(seconds / 3600, 4),
            unit="h",
            formula=_time_formula(work, checkpointing=checkpointing),
            source=machine.source,
        ),
        Number(
            name="cost",
            value=round(cost, 2),
            unit="your currency",
            formula=f"hours x {machine.count} devices x {question.price:g} an hour",
        ),
    ]
    return Candidate(
        method=name,
        spec=spec,
        numbers=tuple(numbers),
        parts=tuple(parts),
        memory=memory,
        seconds=seconds,
        cost=cost,
        checkpointing=checkpointing,
        parallel=parallel,
        fits=fits,
        whole=not cut,
        advised=advised,
        why="; ".join(why),
    )


def _numbers(name: str, question: Question) -> tuple[_Work, list[Number]]:
    """Rank, rate, batch and epochs by the rules."""
    table, rows = rules(), question.rows
    entry, card = table["methods"][name], families.card(question.family)
    rank = entry.get("rank", _rank(question) if entry.get("ranked") else 0)
    given = {"type": name, **({"rank": rank} if rank else {}), **entry.get("with", {})}
    method = TuneSpec.parse({"method": given}).method
    trained = trained_by(method, question.config, card=card)
    if trained is None:
        raise ValueError(f"{name} cannot be counted")
    batch = _by_rows(table["batches"], rows, key="rows_per_step")
    rule = table["epochs"]
    enough = math.ceil(rule["steps"] / math.ceil(rows / batch))
    epochs = min(rule["most"], max(_by_rows(rule, rows, key="epochs"), enough))
    own = parameters(question.config)
    work = _Work(
        question=question,
        name=name,
        given=given,
        method=method,
        rate=default_rate(method, card),
        rows_per_step=batch,
        epochs=epochs,
        trained=trained,
    )
    level = card.learning_rates.full if trained.own else card.learning_rates.lora
    return work, [
        *(_rank_number(rank, question, entry=entry) if rank else ()),
        Number(
            name="learning_rate",
            value=work.rate,
            unit="",
            formula=f"{level:g} of the card {card.name} x {work.rate / level:g} for the method and its rank",
            source=table["rates"]["source"],
        ),
        Number(
            name="rows_per_step",
            value=batch,
            unit="rows",
            formula=f"by rows: {rows:,}",
            source=table["batches"]["source"],
        ),
        Number(
            name="epochs",
            value=epochs,
            unit="epochs",
            formula=f"by rows, or {rule['steps']} steps if that is more, at most {rule['most']}",
            source=rule["source"],
        ),
        Number(
            name="trained_weights",
            value=trained.weights,
            unit="weights",
            formula=f"{trained.formula}: {trained.weights / own:.2%} of {own:,}",
            source=entry["source"],
        ),
    ]


def _rank_number(rank: int, question: Question, *, entry: Mapping[str, Any]) -> list[Number]:
    table = rules()["ranks"]
    more = f", x {table['knowledge']} for new knowledge" if question.task == "knowledge" else ""
    formula = f"of the method: {rank}" if "rank" in entry else f"by rows: {question.rows:,}{more}"
    return [Number(name="rank", value=rank, unit="", formula=formula, source=table["source"])]


def _by_rows(rule: Mapping[str, Any], rows: int, *, key: str) -> int:
    found: int = next(entry[key] for entry in rule["by_rows"] if rows <= entry["rows"])
    return found


def _placed(work: _Work) -> tuple[int, bool, list[Part], str]:
    """Tokens of a micro-batch, whether activations are computed again, the memory of one device, and how it is shared.

    One device if the run fits there; else its fixed part is spread over all of them; the largest micro-batch that fits.
    """
    machine = work.question.machine
    usual = rules()["batches"]["tokens"]["local" if machine.local else "device"]
    least = max(64, work.question.longest)
    budgets = [usual >> shift for shift in range(8) if usual >> shift > least] + [least]
    options = [(budget, again) for again in ((False,) if machine.local else (False, True)) for budget in budgets]
    for shards, how in ((1, "each device a copy (DDP)"), (machine.count, "weights spread over devices (FSDP, ZeRO-3)")):
        for budget, again in options:
            parts = _shared(_memory(work, budget=budget, checkpointing=again), shards)
            if total(parts) <= machine.memory:
                return budget, again, parts, how if machine.count > 1 else ""
    budget, again = options[-1]
    parts = _shared(_memory(work, budget=budget, checkpointing=again), machine.count)
    return budget, again, parts, "weights spread over devices (FSDP, ZeRO-3)" if machine.count > 1 else ""


_fixed = ("weights", "adapter", "moments", "gradients", "carried")


def _shared(parts: list[Part], shards: int) -> list[Part]:
    """Weights, gradients and moments a share each (Rajbhandari et al. 2020); the rest is each device's own."""
    if shards == 1:
        return parts
    return [
        replace(part, bytes=part.bytes // shards, formula=f"{part.formula} / {shards}") if part.name in _fixed else part
        for part in parts
    ]


def _devices(parts: list[Part], room: int) -> int | None:
    """Devices that hold a run whose fixed part is spread evenly; None: its activations alone are too much."""
    own = sum(part.bytes for part in parts if part.name not in _fixed)
    fixed = sum(
        part.bytes * (int(part.formula.rpartition(" / ")[2]) if " / " in part.formula else 1)
        for part in parts
        if part.name in _fixed
    )
    return math.ceil(fixed / (room - own)) if room > own else None


def _memory(work: _Work, *, budget: int, checkpointing: bool) -> list[Part]:
    question, trained = work.question, work.trained
    machine = question.machine
    step = math.ceil(work.rows_per_step * question.row_tokens / machine.count)
    tokens = min(max(step, question.longest), machine.workers * budget)
    load = Load(
        trained=trained,
        tokens=tokens,
        labelled=math.ceil(tokens * question.labelled),
        workers=machine.workers,
        several=step > machine.workers * budget,
        rows=math.ceil(tokens / question.row_tokens),
        batches=work.steps * machine.workers,
        row_tokens=math.ceil(question.rows * question.row_tokens),
        weight_bytes=base_bytes(work.method, question.config, plain=4.0 if machine.local else 2.0),
        number_bytes=4 if machine.local else 2,
        checkpointing=checkpointing,
    )
    if machine.local:
        return peak(question.config, load)
    # Two bytes of gradient and four of the fp32 copy beside the moments; the host holds the rows and libraries.
    each = 14 if trained.own else 12
    device = replace(load, libraries=0, batches=0, row_tokens=0, unreturned=rules()["allocator"], trained_bytes=each)
    return peak(question.config, device)


def _seconds(work: _Work, *, checkpointing: bool) -> float:
    question = work.question
    machine = question.machine
    tokens = work.epochs * question.rows * question.row_tokens
    speed = machine.flops * machine.count * (rules()["scaling"] if machine.count > 1 else 1.0)
    amount = Amount(
        tokens=math.ceil(tokens),
        labelled=math.ceil(tokens * question.labelled),
        row_tokens=question.row_tokens,
        epochs=work.epochs,
        batches=work.steps * machine.workers,
    )
    alone = train_seconds(question.config, work.trained, amount=amount, flops=speed, checkpointing=checkpointing)
    return alone * slower(work.method)


def _time_formula(work: _Work, *, checkpointing: bool) -> str:
    question, trained = work.question, work.trained
    machine = question.machine
    passes = "2 forward + 4 back" if trained.own else "2 forward + 2 back"
    again = " + 2 forward again" if checkpointing else ""
    many = f" x {machine.count} devices x {rules()['scaling']}" if machine.count > 1 else ""
    factor = slower(work.method)
    late = f", x {factor:g} for {work.name}" if factor != 1 else ""
    once = "" if trained.layers is None else f" of the last {trained.layers} layers, those below 2 forward, once a row,"
    return (
        f"({passes}{again}) operations a weight and token{once} x {question.rows:,} rows x {question.row_tokens:,.0f} "
        f"tokens x epochs, {question.labelled:.0%} of them through the head, "
        f"/ {machine.flops / 1e9:,.0f} GFLOP/s{many}{late}"
    )


def _in_time(work: _Work, *, checkpointing: bool) -> tuple[_Work, int, str]:
    """Fewer epochs, then fewer steps, until the deadline is met; what was cut, if anything."""
    deadline = work.question.deadline_s
    shorter = [replace(work, epochs=epochs) for epochs in range(work.epochs, 0, -1)]
    if deadline is None:
        return work, work.steps, ""
    for one in shorter:
        if _seconds(one, checkpointing=checkpointing) <= deadline:
            return one, one.steps, "" if one is shorter[0] else "epochs"
    once = shorter[-1]
    each = _seconds(once, checkpointing=checkpointing) / once.steps
    return once, max(1, math.floor(deadline / each)), "steps"


def _spec(work: _Work, *, budget: int, steps: int | None) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "method": work.given,
        "epochs": work.epochs,
        "rows_per_step": work.rows_per_step,
        "tokens_per_batch": budget,
        "learning_rate": work.rate,
    }
    return spec if steps is None else {**spec, "max_steps": steps}


def _gib(size: float) -> str:
    return f"{size / 2**30:,.1f} GiB"


def _time(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:,.1f} h"
    return f"{seconds / 60:,.1f} min" if seconds >= 60 else f"{seconds:.0f} s"
