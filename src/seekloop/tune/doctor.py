"""The preflight of a tuning run: everything about its rows, codec, memory and numbers that can be known, graded.

MAJOR: the run would be refused, or would learn the wrong thing. MINOR: look at it. OK: as it should be.
"""

from __future__ import annotations

import itertools
import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import Row, read_rows
from seekloop.model.codec import Codec, View
from seekloop.runtime import models
from seekloop.runtime.leaks import question_of
from seekloop.runtime.train.batching import labelled
from seekloop.system.errors import ModelError, SeekloopError
from seekloop.system.progress import Silent
from seekloop.text.complete import CompleteIndex
from seekloop.text.shingles import prints
from seekloop.tune.forecast import census, forecast, local_machine
from seekloop.tune.loop_settings import context_length
from seekloop.tune.masks import Piece, pieces
from seekloop.tune.methods.build import default_rate
from seekloop.tune.prepare import prepare
from seekloop.tune.spec import TuneInputs, TuneSpec

__all__ = ["Examined", "Finding", "Grade", "Shown", "examine", "is_exact"]

Grade = Literal["OK", "MINOR", "MAJOR"]
_named = 5
_batch = 2048
_least_share = 0.01
"""Share of a row's tokens below which hardly anything of it is trained."""
_alike = 0.9


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One check."""

    check: str
    grade: Grade
    found: str
    """What was found, with its figures."""
    figures: Mapping[str, float] = field(default_factory=dict)
    rows: tuple[str, ...] = ()
    """Places of the first rows that it is about: `file:line`."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One training view, token by token."""

    row: str
    where: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, kw_only=True)
class Examined:
    """What the doctor found."""

    findings: tuple[Finding, ...]
    masks: tuple[Shown, ...]

    @property
    def grade(self) -> Grade:
        """The worst of all."""
        grades = {one.grade for one in self.findings}
        return "MAJOR" if "MAJOR" in grades else "MINOR" if "MINOR" in grades else "OK"


@dataclass
class _Seen:
    """What one pass over the train rows counts; two numbers a view, and fingerprints."""

    lengths: list[int] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    thin: list[str] = field(default_factory=list)
    untrained: list[str] = field(default_factory=list)
    endless: list[str] = field(default_factory=list)
    bos: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    long: list[str] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    turns: int = 0
    tokens: int = 0
    trained: int = 0
    masks: list[Shown] = field(default_factory=list)
    views: list[list[View]] = field(default_factory=list)


def examine(spec: TuneSpec, inputs: TuneInputs, *, ctx: RunContext, shown: int = 3) -> Examined:
    """Look at a run before it starts; nothing is trained, and no weights are read.

    Args:
        spec: of the run.
        inputs: its dataset and checkpoint.
        ctx: the store that holds them.
        shown: rows whose masks are given.

    Raises:
        ModelError: the checkpoint has no codec, or its base is not there.
    """
    codec = models.codec_of(inputs.checkpoint, store=ctx.store)
    base = models.base_of(inputs.checkpoint, ctx.store)
    context = context_length(spec, base, codec=codec, store=ctx.store)
    limit = min(spec.max_length or context, context)
    seen = _pass(inputs.dataset, codec, limit=limit, shown=shown, ctx=ctx)
    findings = [
        _ledger(inputs.dataset),
        _codec(seen),
        _round_trip(seen),
        _trained(seen),
        _ends(seen, codec),
        _starts(seen, codec),
        _lengths(seen, spec, limit=limit),
        *_leaks(inputs.dataset, seen, ctx=ctx),
        _repeats(seen),
        _numbers(spec, codec),
        *_resources(spec, inputs, seen=seen, ctx=ctx),
        _starting(spec, inputs, codec=codec, context=context, ctx=ctx),
    ]
    return Examined(findings=tuple(findings), masks=tuple(seen.masks))


def _rows(dataset: Dataset, split: str, *, ctx: RunContext) -> Iterator[Row]:
    return read_rows(ctx.store.path(dataset.id, f"{split}.jsonl"))


def _pass(dataset: Dataset, codec: Codec, *, limit: int, shown: int, ctx: RunContext) -> _Seen:
    seen = _Seen()
    for row in _rows(dataset, "train", ctx=ctx):
        where = f"{row.source.file}:{row.source.line}"
        seen.asked[question_of(row)] += 1
        try:
            views = codec.views(row)
        except SeekloopError as error:
            seen.unreadable.append(error.sentence("en"))
            continue
        seen.views.append(views)
        if not is_exact(row, views, codec=codec):
            seen.broken.append(where)
        for view in views:
            _look(view, seen, codec=codec, where=where, limit=limit)
        if len(seen.masks) < shown:
            seen.masks.append(Shown(row=row.id, where=where, pieces=tuple(pieces(views[0], codec))))
    return seen


def _look(view: View, seen: _Seen, *, codec: Codec, where: str, limit: int) -> None:
    count, share = len(view.ids), labelled(view) / len(view.ids)
    seen.lengths.append(count)
    seen.shares.append(share)
    seen.tokens += count
    seen.trained += labelled(view)
    seen.turns += 1
    if not labelled(view):
        seen.untrained.append(where)
    elif share < _least_share:
        seen.thin.append(where)
    if view.labels[-1] != codec.eos_id:
        seen.endless.append(where)
    if codec.bos_id is not None and (view.ids[0] != codec.bos_id or view.ids.count(codec.bos_id) != 1):
        seen.bos.append(where)
    if count > limit:
        seen.long.append(where)


def is_exact(row: Row, views: Sequence[View], *, codec: Codec) -> bool:
    """Every trained turn stands after exactly the ids that a server sends for it, and is trained whole."""
    for turn, message in enumerate(row.messages):
        if message.role != "assistant" or message.train is False:
            continue
        prompt = codec.prompt_ids(row.messages[:turn], tools=row.tools)
        answer = codec.answer_ids(message)
        begin, end = len(prompt), len(prompt) + len(answer)
        if not any(
            view.ids[:end] == prompt + answer
            and view.labels[begin:end] == answer
            and (begin == 0 or view.labels[begin - 1] == -100)
            for view in views
        ):
            return False
    return True


def _ledger(dataset: Dataset) -> Finding:
    parts = {**dataset.splits, **{f"dropped {reason}": count for reason, count in dataset.dropped.items()}}
    text = f"{dataset.rows} in = " + " + ".join(f"{count} {name}" for name, count in parts.items())
    empty = not dataset.splits.get("train")
    blind = not dataset.splits.get("validation")
    grade: Grade = "MAJOR" if empty else "MINOR" if blind else "OK"
    return Finding(check="rows", grade=grade, found=text + ("; nothing to validate on" if blind else ""))


def _codec(seen: _Seen) -> Finding:
    first = f": {seen.unreadable[0]}" if seen.unreadable else ""
    return Finding(
        check="every row can be encoded",
        grade="MAJOR" if seen.unreadable else "OK",
        found=f"{len(seen.unreadable)} cannot{first}" if seen.unreadable else f"{len(seen.views)} rows",
        figures={"unreadable": len(seen.unreadable)},
    )


def _round_trip(seen: _Seen) -> Finding:
    return _about(
        "trained after exactly what is served",
        seen.broken,
        good="every trained turn follows its server prompt, id for id",
        bad="{count} rows whose trained ids do not begin with the served prompt",
    )


def _trained(seen: _Seen) -> Finding:
    share = seen.trained / seen.tokens if seen.tokens else 0.0
    shares = sorted(seen.shares) or [0.0]
    text = (
        f"{seen.trained:,} of {seen.tokens:,} tokens ({share:.0%}); a row: least {shares[0]:.1%}, median "
        f"{shares[len(shares) // 2]:.0%}, most {shares[-1]:.0%}"
    )
    figures = {"trained_share": round(share, 4), "least": round(shares[0], 4), "rows_with_none": len(seen.untrained)}
    if seen.untrained or not seen.trained:
        text += f"; {len(seen.untrained)} rows train nothing"
        rows = tuple(seen.untrained[:_named])
        return Finding(check="trained tokens", grade="MAJOR", found=text, figures=figures, rows=rows)
    if seen.thin:
        text += f"; {len(seen.thin)} rows below {_least_share:.0%}"
    grade: Grade = "MINOR" if seen.thin else "OK"
    return Finding(check="trained tokens", grade=grade, found=text, figures=figures, rows=tuple(seen.thin[:_named]))


def _ends(seen: _Seen, codec: Codec) -> Finding:
    token = codec.decode([codec.eos_id])
    return _about(
        "answers end",
        seen.endless,
        good=f"{token} is trained at the end of each",
        bad="{count} rows without a trained " + token + ": the model would learn not to stop",
    )


def _starts(seen: _Seen, codec: Codec) -> Finding:
    if codec.bos_id is None:
        return Finding(check="one BOS", grade="OK", found="the family has none")
    return _about(
        "one BOS", seen.bos, good="exactly one, first, in each", bad="{count} rows with another number of BOS than one"
    )


def _about(check: str, wrong: Sequence[str], *, good: str, bad: str) -> Finding:
    return Finding(
        check=check,
        grade="MAJOR" if wrong else "OK",
        found=bad.format(count=len(wrong)) if wrong else good,
        figures={"wrong": len(wrong)},
        rows=tuple(wrong[:_named]),
    )


def _lengths(seen: _Seen, spec: TuneSpec, *, limit: int) -> Finding:
    if not seen.lengths:
        return Finding(check="lengths", grade="MAJOR", found="no rows")
    p50, p95 = (int(np.percentile(seen.lengths, share, method="higher")) for share in (50, 95))
    longest, over = max(seen.lengths), len(seen.long)
    text = f"tokens p50 {p50}, p95 {p95}, max {longest}; limit {limit}"
    if over:
        text += f"; {over} are longer" + (" and will be left out" if spec.too_long == "drop" else ": refused")
    grade: Grade = "OK" if not over else "MINOR" if spec.too_long == "drop" else "MAJOR"
    figures = {"p50": p50, "p95": p95, "max": longest, "limit": limit, "too_long": over}
    return Finding(check="lengths", grade=grade, found=text, figures=figures, rows=tuple(seen.long[:_named]))


def _leaks(dataset: Dataset, seen: _Seen, *, ctx: RunContext) -> list[Finding]:
    """Test and validation questions that are train questions too: in the same words, or in nearly the same."""
    index = CompleteIndex(_alike)
    for some in _batches(_rows(dataset, "train", ctx=ctx)):
        index.add(prints([_asked(row) for row in some]))
    findings = []
    for split, worst in (("test", "MAJOR"), ("validation", "MINOR")):
        exact: list[str] = []
        near: list[str] = []
        for some in _batches(_rows(dataset, split, ctx=ctx)):
            same = [question_of(row) in seen.asked for row in some]
            alike = set(index.matches(prints([_asked(row) for row in some])).new.tolist())
            places = [f"{row.source.file}:{row.source.line}" for row in some]
            exact += [place for place, hit in zip(places, same, strict=True) if hit]
            near += [place for at, place in enumerate(places) if at in alike and not same[at]]
        grade: Grade = worst if exact else "MINOR" if near else "OK"  # type: ignore[assignment]
        findings.append(
            Finding(
                check=f"{split} rows are unseen",
                grade=grade,
                found=f"{len(exact)} ask what a train row asks, {len(near)} nearly (similarity >= {_alike})",
                figures={"exact": len(exact), "near": len(near)},
                rows=tuple((exact + near)[:_named]),
            )
        )
    return findings


def _repeats(seen: _Seen) -> Finding:
    again = sum(count - 1 for count in seen.asked.values())
    share = again / max(1, sum(seen.asked.values()))
    return Finding(
        check="questions differ",
        grade="MINOR" if share > 0.05 else "OK",
        found=f"{again} train questions repeat another ({share:.1%})",
        figures={"repeated": again},
    )


def _numbers(spec: TuneSpec, codec: Codec) -> Finding:
    """The learning rate beside what is usual for the method and its rank."""
    usual = default_rate(spec.method, codec.card)
    rate = spec.learning_rate or usual
    ratio = rate / usual
    far = ratio > 4 or ratio < 0.1
    return Finding(
        check="learning rate",
        grade="MINOR" if far else "OK",
        found=f"{rate:g}; usual for this method and rank on {codec.card.name}: {usual:g}",
        figures={"rate": rate, "usual": usual},
    )


def _resources(spec: TuneSpec, inputs: TuneInputs, *, seen: _Seen, ctx: RunContext) -> list[Finding]:
    base = models.base_of(inputs.checkpoint, ctx.store)
    config: dict[str, Any] = json.loads(ctx.store.path(base.id, "config.json").read_text("utf-8"))
    machine = local_machine()
    card = models.codec_of(inputs.checkpoint, store=ctx.store).card
    try:
        found = forecast(spec, config, card=card, counted=census(seen.views), machine=machine, seed=ctx.seed)
    except ModelError as error:
        return [Finding(check="memory and time", grade="MINOR", found=error.sentence("en"))]
    if found is None:
        return [Finding(check="memory and time", grade="OK", found="not counted for this method, see plan --probe")]
    need, free = found.memory / 2**20, machine.memory / 2**20
    grade: Grade = "MAJOR" if need > free else "MINOR" if need > 0.8 * free else "OK"
    return [
        Finding(
            check="memory",
            grade=grade,
            found=f"{need:,.0f} MiB of {free:,.0f} MiB that may be taken",
            figures={"mib": round(need, 1), "free_mib": round(free, 1)},
        ),
        Finding(
            check="time",
            grade="OK",
            found=f"{found.seconds:,.0f} s by arithmetic; seekloop plan --probe measures",
            figures={"seconds": round(found.seconds, 1)},
        ),
    ]


def _starting(spec: TuneSpec, inputs: TuneInputs, *, codec: Codec, context: int, ctx: RunContext) -> Finding:
    """What `seekloop tune` itself would say."""
    quiet = logging.Logger("doctor", level=logging.CRITICAL)
    try:
        prepare(
            inputs.dataset,
            codec,
            spec=spec,
            context=context,
            store=ctx.store,
            logger=quiet,
            progress=Silent(),
        )
    except SeekloopError as error:
        return Finding(check="the run would start", grade="MAJOR", found=error.sentence("en"))
    return Finding(check="the run would start", grade="OK", found="yes")


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while some := list(itertools.islice(rows, _batch)):
        yield some


def _asked(row: Row) -> str:
    return "\n".join(message.content for message in row.messages if message.role == "user")
