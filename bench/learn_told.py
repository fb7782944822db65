"""The story as the ledger has it: cases and what became of them, lessons, verdicts, forgetting, minutes of a cycle."""

from __future__ import annotations

from dataclasses import dataclass

from bench.harness import wilson
from bench.learn_months import ASKED, BEGUN, CYCLE
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Lesson, Release, Report
from seekloop.artifact.ledger import Answer, Event
from seekloop.loop.rehearing import stored
from seekloop.system import digests
from seekloop.text import labelled

__all__ = ["Month", "Share", "Story", "read"]

POINTS = 100
LANGUAGES = ("en", "zh")
ALIAS = "production"


@dataclass(frozen=True, kw_only=True)
class Share:
    """So many of so many."""

    right: int
    n: int

    @property
    def value(self) -> float:
        """0 to 1."""
        return self.right / self.n

    @property
    def ci(self) -> tuple[float, float]:
        """95 % interval (Wilson)."""
        return wilson(self.right, self.n)


@dataclass(frozen=True, kw_only=True)
class Month:
    """What the ledger says of one month."""

    month: int
    live: Share
    """Cases that were resolved by the release that answered, as the agents' desk said of each."""
    frozen: Share
    """The same cases, had month 0's release answered them."""
    lies: int
    """Pieces of feedback that came from the liars."""
    counts: dict[str, int]
    """What became of all feedback: the lesson's."""
    decision: str
    """wait, promote, reject, hold, inconclusive or roll_back."""
    why: dict[str, tuple[str, ...]]
    """The sentences that explain it, by language."""
    moves: tuple[str, ...]
    """What was promoted or rolled back, with the reason that stands in the ledger."""
    accuracy: float
    """Of the release that is live after the month, on the test rows that month 0 froze."""
    forgetting: float
    """Points that it is below month 0's there; negative: it is above."""
    minutes: float
    """Of the month's cycle, from the trigger until the new release answers."""


@dataclass(frozen=True, kw_only=True)
class Story:
    """All that happened."""

    accuracy: float
    """Of month 0's release on its frozen test rows."""
    rows: int
    """Those rows."""
    first_minutes: float
    """Of the first round."""
    months: tuple[Month, ...]


def read(ctx: RunContext) -> Story:
    """The story as the ledger has it, as far as it went."""
    (begun,) = ctx.ledger.events(kind=BEGUN)
    first = _frozen_accuracy(begun.facts["release"], ctx)
    cycles = {event.subject: event for event in ctx.ledger.events(kind=CYCLE)}
    asked = [event for event in ctx.ledger.events(kind=ASKED) if event.subject in cycles]
    months = [_month(event, cycles[event.subject], first=first[0], ctx=ctx) for event in asked]
    minutes = begun.facts["seconds"] / 60
    return Story(accuracy=first[0], rows=first[1], first_minutes=minutes, months=tuple(months))


def _month(asked: Event, cycle: Event, *, first: float, ctx: RunContext) -> Month:
    answers = [ctx.ledger.answer(identity) for identity in asked.facts["answers"]]
    right = [_truth(answer, ctx) for answer in answers]
    shadows = [_as_frozen(answer, asked.facts["frozen_release"], ctx=ctx) for answer in answers]
    accuracy, _ = _frozen_accuracy(cycle.facts["after"], ctx)
    lesson = ctx.store.open(cycle.facts["lesson"], Lesson)
    decision, why = _decision(lesson, cycle, ctx)
    pairs = list(zip(answers, shadows, right, strict=True))
    return Month(
        month=int(asked.subject.split()[1]),
        live=Share(right=sum(_label(one) == truth for one, _, truth in pairs), n=len(pairs)),
        frozen=Share(right=sum(_label(one) == truth for _, one, truth in pairs), n=len(pairs)),
        lies=len(asked.facts["lies"]),
        counts=dict(lesson.counts),
        decision=decision,
        why=why,
        moves=_moves(asked, cycle, ctx=ctx),
        accuracy=accuracy,
        forgetting=round(POINTS * (first - accuracy), 6),
        minutes=cycle.facts["seconds"] / 60,
    )


def _as_frozen(answer: Answer, release: str, *, ctx: RunContext) -> Answer:
    """What month 0's release says to the same: the answer itself where it is that release's, else its shadow."""
    if answer.release == release:
        return answer
    (shadow,) = [one for one in ctx.ledger.shadows(answer.id) if one.release == release]
    return shadow


def _truth(answer: Answer, ctx: RunContext) -> str | None:
    """What the case was about: the answer's own label where the agents' desk called it resolved, else the desk's."""
    (said,) = [one for one in ctx.ledger.feedback(answer=answer.id) if one.caller.startswith("agent-")]
    return _label(answer) if said.score == 1.0 else said.label


def _decision(lesson: Lesson, cycle: Event, ctx: RunContext) -> tuple[str, dict[str, tuple[str, ...]]]:
    """What came of a cycle and the sentences that say why."""
    if cycle.facts["candidate"] is None:
        return lesson.verdict, dict.fromkeys(LANGUAGES, (lesson.reason,))
    *_, said = ctx.ledger.events(kind="gate.verdict", subject=cycle.facts["candidate"])
    verdict = stored(said)
    return verdict.decision, {language: tuple(verdict.sentences(language)) for language in LANGUAGES}


def _moves(asked: Event, cycle: Event, *, ctx: RunContext) -> tuple[str, ...]:
    """Moves of the alias from when the month's feedback was in until the end of its cycle."""
    moves = [move for move in ctx.ledger.alias_history(ALIAS) if asked.at < move.at <= cycle.at]
    return tuple(f"{ALIAS} to {digests.short(move.target)} by {move.actor}: {move.reason}" for move in moves)


def _frozen_accuracy(release: str, ctx: RunContext) -> tuple[float, int]:
    """Accuracy on the frozen test rows by the report that admitted a release, and how many rows they are."""
    figure = ctx.store.open(ctx.store.open(release, Release).report, Report).figure("accuracy")
    return figure.value, figure.n


def _label(answer: Answer) -> str | None:
    return labelled.split(answer.content, "label_then_text")[0]
