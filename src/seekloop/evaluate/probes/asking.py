"""Asks the probes with the engine and codec that ask the rows, or finds what this engine answered before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import MappingProxyType

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.evaluate.probes import items
from seekloop.evaluate.probes.items import Item
from seekloop.evaluate.probes.kept import Kept
from seekloop.evaluate.probes.spec import ProbesSpec
from seekloop.model.codec import Codec
from seekloop.runtime.generate.backend import Backend, Prompt

__all__ = ["Asking", "Probe", "Probed", "ask", "prompts", "wanted"]

_brief, _general, _safety = 20, 24, 64
"""Tokens of the longest answer where a few items are asked, and where the whole of a set is: what comes first decides.
"""
_share = 15
"""Rows an item of the general probe: in tokens it is less than a tenth of the work, even where answers are labels."""


@dataclass(frozen=True)
class Probe:
    """One item, and how long its answer may be."""

    item: Item
    tokens: int


@dataclass(frozen=True, kw_only=True)
class Probed:
    """One item and the answer to it."""

    item: Item
    tokens: int
    """Longest that the answer could be."""
    answer: str


@dataclass(frozen=True, kw_only=True)
class Asking:
    """Who is asked."""

    engine: str
    """Name and version of the engine that `opened` opens."""
    opened: Callable[[], AbstractContextManager[Backend]]
    """Called only where answers are missing."""
    checkpoint: Checkpoint
    codec: Codec
    """The checkpoint's."""
    context: int
    """Tokens of prompt and answer together."""


def wanted(spec: ProbesSpec, checkpoint: Checkpoint, *, rows: int) -> list[Probe]:
    """What is asked beside `rows` rows; a classifier is asked nothing, as it writes nothing."""
    if "classes.json" in checkpoint.files:
        return []
    common = items.general()
    whole = spec.general if spec.general is not None else rows >= _share * len(common) or None
    return [*_of(common, whole, tokens=_general), *_of(items.safety(), spec.safety, tokens=_safety)]


def _of(items_: Sequence[Item], whole: bool | None, *, tokens: int) -> list[Probe]:
    """All items where `whole` is true, a few where it is None."""
    if whole is None:
        return [Probe(item, _brief) for item in items.brief(items_)]
    return [Probe(item, tokens) for item in items_] if whole else []


def prompts(asked: Sequence[Probe], codec: Codec) -> list[Prompt]:
    """What the engine is given, greedy."""
    return [
        Prompt(ids=codec.prompt_ids(one.item.messages), stop_ids=codec.stop_ids, max_tokens=one.tokens) for one in asked
    ]


def ask(asked: Sequence[Probe], of: Asking, *, ctx: RunContext) -> tuple[list[Probed], Mapping[str, float]]:
    """The answers, and what they took: `probes`, how many, and `probes_s`, seconds, which are 0 for answers of before.

    Items that do not fit the context are left out, and that is said.

    Args:
        asked: what to ask.
        of: who is asked.
        ctx: its work folder keeps answers, by the checkpoint, the engine and all that was asked; is told how far it is.

    Raises:
        EngineError: the backend did not start, or stopped answering.
        ArtifactError: the disk is full.
    """
    given = prompts(asked, of.codec)
    fit = [place for place, one in enumerate(given) if len(one.ids) + one.max_tokens <= of.context]
    if len(fit) < len(asked):
        ctx.progress.say(f"{len(asked) - len(fit)} of {len(asked)} probes do not fit the context and are left out")
    if not fit:
        return [], MappingProxyType({})
    kept = Kept(ctx.work, checkpoint=of.checkpoint, engine=of.engine, asked=[given[place] for place in fit])
    answers, started = kept.read(), ctx.clock.monotonic()
    if answers is None:
        with of.opened() as backend:
            answers = _generate(backend, [given[place] for place in fit], ctx=ctx)
        kept.write(answers)
        seconds = ctx.clock.monotonic() - started
        ctx.progress.say(f"probes: {len(fit)} questions beside the rows, in {seconds:.1f} s")
    else:
        seconds = 0.0
        ctx.progress.say(f"probes: {len(fit)} answers are known from before")
    probed = [
        Probed(item=asked[place].item, tokens=asked[place].tokens, answer=of.codec.parse(ids).content)
        for place, ids in zip(fit, answers, strict=True)
    ]
    return probed, MappingProxyType({"probes": float(len(fit)), "probes_s": round(seconds, 2)})


def _generate(backend: Backend, given: Sequence[Prompt], *, ctx: RunContext) -> list[tuple[int, ...]]:
    answers: dict[int, tuple[int, ...]] = {}
    with ctx.progress.task("probes", total=len(given)) as bar:
        for place, completion in backend.generate(given):
            answers[place] = completion.ids
            bar.advance()
    return [answers[place] for place in range(len(given))]
