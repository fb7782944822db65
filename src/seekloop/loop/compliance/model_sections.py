"""The sections of a model card: each a pure function of what is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from seekloop.artifact.kinds import Checkpoint, Figure, Release
from seekloop.loop.compliance.model_facts import Facts
from seekloop.loop.compliance.words import Words, cell, interval, named, number, table
from seekloop.system import digests

__all__ = [
    "cost",
    "figures",
    "forgetting",
    "limits",
    "line",
    "slices",
    "status",
    "training",
    "training_data",
    "what",
]

_shown = 20
_weak = 5
_safety, _general = ("safety_",), ("probe_",)


def what(facts: Facts, words: Words) -> Iterator[str]:
    """Ids, form, family, licence."""
    checkpoint, family = facts.checkpoint, facts.family
    told = {"id": f"`{facts.subject.id}`", "form": f"{checkpoint.form} {checkpoint.precision}"}
    told["family"] = family.title if family else checkpoint.family
    told["parameters"] = f"{checkpoint.parameters:,}"
    if facts.base is not None:
        told["base"] = f"{cell(facts.base.source or words('unrecorded'))} `{facts.base.id}`"
    told["licence"] = family.licence if family else words("unrecorded")
    told["context"] = str(family.context_length) if family else words("unrecorded")
    if isinstance(facts.subject, Release):
        told["system"] = digests.short(digests.of_json(facts.subject.system)) if facts.subject.system else words("none")
    yield from (f"- {words(name)}: {value}" for name, value in told.items())
    yield ""
    yield words("licence_note")


def status(facts: Facts, words: Words) -> Iterator[str]:
    """What stands for it, what gates and people said, whether it is tainted."""
    yield f"- {words('standing')}: {', '.join(map(cell, facts.aliases)) or words('none')}"
    for event in facts.verdicts:
        decision = event.facts.get("decision", event.kind.removeprefix("gate."))
        yield f"- {words('verdict', at=event.at[:19], decision=decision, actor=cell(event.actor))}"
    if not facts.verdicts:
        yield f"- {words('no_verdict')}"
    for event in facts.taints:
        yield f"- **{words('tainted', at=event.at[:19], seq=event.seq)}**"
    if not facts.taints:
        yield f"- {words('untainted')}"


def line(facts: Facts, words: Words) -> Iterator[str]:
    """The checkpoints back to the base."""
    rows = [
        (
            digests.short(one.id),
            f"{one.form} {one.precision}" + (f" {one.source}" if one.source else ""),
            one.made_by.stage,
            one.made_by.seed,
            one.made_by.code_version,
        )
        for one in facts.line
    ]
    yield from table(words("line_head"), rows)


def training_data(facts: Facts, words: Words) -> Iterator[str]:
    """Counts of each dataset."""
    rows = []
    for one in facts.datasets:
        splits = [one.splits.get(name, 0) for name in ("train", "validation", "test")]
        left, made = sum(one.dropped.values()), sum(one.added.values())
        rows.append((digests.short(one.id), one.rows, *splits, left, one.replay, made))
    yield from table(words("data_head"), rows) if rows else [words("none")]
    for one in facts.datasets:
        yield ""
        yield words("see_data", id=one.id)


def training(facts: Facts, words: Words) -> Iterator[str]:
    """Method and numbers of each checkpoint that was trained."""
    trained = [one for one in facts.line if "dataset" in one.parents and "method" in one.made_by.spec]
    trained = [one for one in trained if one.made_by.stage.startswith("tune")]
    rows = [_trained(one, facts, words=words) for one in trained]
    yield from table(words("training_head"), rows) if rows else [words("unrecorded")]


def _trained(one: Checkpoint, facts: Facts, *, words: Words) -> tuple[str, ...]:
    spec, receipt = one.made_by.spec, facts.receipts[one.id]
    method = spec["method"]
    how = str(method.get("type")) + (f", rank {method['rank']}" if method.get("rank") else "")
    steps, tokens, core_s = (receipt.cost.get(name) for name in ("steps", "labelled_tokens", "cpu_core_s"))
    told: list[Any] = [spec.get("epochs"), spec.get("learning_rate"), steps, tokens, receipt.wall_s, core_s]
    return (digests.short(one.id), how, *(words.or_unmeasured(value) for value in told))


def figures(facts: Facts, words: Words) -> Iterator[str]:
    """Every figure of every report about it."""
    if not facts.reports:
        yield words("unmeasured")
    for report in facts.reports:
        told = {"split": report.split, "engine": cell(report.engine), "report": digests.short(report.id)}
        yield ""
        yield words("figures_note", dataset=digests.short(report.dataset), **told)
        yield from _table(report.figures, words)
        rows = [
            (digests.short(one.baseline), one.figure, one.difference, one.n, interval(one.ci, words), one.p_value)
            for one in report.comparisons
        ]
        if rows:
            yield from table(words("compared_head"), ([number(part) for part in row] for row in rows))


def _table(found: tuple[Figure, ...], words: Words) -> Iterator[str]:
    rows = [(one.name, number(one.value), one.n, interval(one.ci, words), _unit(one)) for one in found]
    yield from table(words("figures_head"), rows)


def _unit(figure: Figure) -> str:
    """With an arrow to where it is better."""
    return f"{figure.unit} {'↑' if figure.better == 'higher' else '↓'}"


def slices(facts: Facts, words: Words) -> Iterator[str]:
    """The weakest first."""
    if not facts.slices:
        yield words("unmeasured")
        return
    found = _weakest_first(facts)
    yield words("weak", shown=min(_shown, len(found)), all=len(found))
    yield from _table(tuple(found[:_shown]), words)


def _weakest_first(facts: Facts) -> list[Figure]:
    """Slices of shares that are better when higher, by the upper end of their intervals."""
    shares = [one for one in facts.slices if one.better == "higher" and one.unit == "share"]
    return sorted(shares, key=lambda one: (one.ci[1] if one.ci else one.value, one.value, one.name))


def forgetting(facts: Facts, words: Words) -> Iterator[str]:
    """Forgetting, and the probes."""
    lost = facts.forgetting()
    if lost is None:
        yield f"- {words('forgot_unmeasured')}"
    else:
        yield f"- {words('forgot', value=number(lost['value']), ci=interval(lost['ci'], words), n=lost['n'])}"
    found = _starting(facts, (*_safety, *_general))
    if not found:
        yield f"- {words('probes_unmeasured')}"
        return
    yield f"- {words('probes')}"
    yield from _table(found, words)


def _starting(facts: Facts, names: tuple[str, ...]) -> tuple[Figure, ...]:
    """Figures of the first report that has any of these."""
    for report in facts.reports:
        found = tuple(one for one in report.figures if one.name.startswith(names))
        if found:
            return found
    return ()


def limits(facts: Facts, words: Words) -> Iterator[str]:
    """What follows from the facts above, and what was never looked at."""
    newest = facts.datasets[0] if facts.datasets else None
    if newest is not None and newest.labels and newest.answer != "text":
        shown = ", ".join(map(cell, newest.labels[:40])) + (" …" if len(newest.labels) > 40 else "")
        yield f"- {words('classes', count=len(newest.labels), names=shown)}"
    elif newest is not None:
        yield f"- {words('free')}"
    yield f"- {words('languages_seen', names=named(facts.languages, words))}"
    found = _weakest_first(facts)
    kind = facts.slices[0].name.partition("[")[0] if found else ""
    found = [one for one in found if one.name.partition("[")[0] == kind][:_weak]
    weak = [f"{cell(one.name)} {number(one.value)} (n {one.n})" for one in found]
    if weak:
        yield f"- {words('weak_slices', names='; '.join(weak))}"
    if facts.reports and facts.reports[0].figures:
        yield f"- {words('rows_few', n=max(one.n for one in facts.reports[0].figures))}"
    missing = [words(name) for name, there in _looked_at(facts).items() if not there]
    if missing:
        yield f"- {words('unmeasured_all', names=', '.join(missing))}"
    yield f"- {words('decisions')}"


def _looked_at(facts: Facts) -> dict[str, bool]:
    lost = facts.forgetting() is not None
    probed = bool(_starting(facts, _safety)) and bool(_starting(facts, _general))
    return {"figures": bool(facts.reports), "slices": bool(facts.slices), "forgetting": lost and probed}


def cost(facts: Facts, words: Words) -> Iterator[str]:
    """Processor time and energy, estimated."""
    work = facts.work
    told = {"core_s": number(round(work.costs.core_s, 1)), "wh": number(work.costs.wh), "watts": work.spec.watts_core}
    yield words("cost_says", counted=work.counted, all=work.all, **told)
