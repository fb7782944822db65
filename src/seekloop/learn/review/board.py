"""The queue as it stands: a fold over its events, the same wherever it is read.

    review.queued   somebody should look at an answer, and why
    review.claimed  somebody has it before them, until when
    review.doubted  one more opinion is asked for
    review.decided  somebody said what it is

A later word of one person replaces their earlier one, which stays in the chain. Two people who disagree are settled by
a third. An answer that nobody queued can be decided, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from seekloop.artifact.ledger import Ledger
from seekloop.artifact.records import Event, Turn

__all__ = [
    "CLAIMED",
    "DECIDED",
    "DOUBTED",
    "KINDS",
    "QUEUED",
    "Board",
    "Case",
    "Decision",
    "Opinion",
    "State",
    "read_board",
]

QUEUED, CLAIMED, DOUBTED, DECIDED = "review.queued", "review.claimed", "review.doubted", "review.decided"
KINDS = (QUEUED, CLAIMED, DOUBTED, DECIDED)
"""Kinds of event that the queue follows from."""
Decision = Literal["accept", "correct", "discard"]
"""accept: the answer was right. correct: it was wrong, and what is right is told. discard: nothing is to be learned."""
State = Literal["waiting", "disputed", "settled"]


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """What one person said of one answer."""

    answer: str
    reviewer: str
    decision: Decision
    label: str | None
    reason: str
    feedback: str | None
    """Id of the feedback that holds the correction, encrypted with the answer; None: there is none."""
    seq: int
    """Number of the event."""
    at: str

    @property
    def says(self) -> tuple[str, str | None]:
        """What others agree with or not; how a text is worded is no disagreement."""
        return self.decision, self.label


@dataclass(kw_only=True)
class Case:
    """One answer that people look at."""

    answer: str
    place: int
    """Number of the event that put it here; the order of the queue."""
    queued: bool = False
    reasons: tuple[str, ...] = ()
    score: float = 0.0
    wanted: int = 1
    """Opinions that were asked for."""
    opinions: dict[str, Opinion] = field(default_factory=dict)
    """By reviewer, what they said last."""
    claims: dict[str, str] = field(default_factory=dict)
    """By reviewer, until when they have it before them (ISO 8601, UTC)."""
    history: list[Opinion] = field(default_factory=list)
    """Every word about it, oldest first."""

    @property
    def state(self) -> State:
        """Whether enough people said enough."""
        if len(self.opinions) < self.wanted:
            return "waiting"
        return "settled" if self.verdict is not None else "disputed"

    @property
    def verdict(self) -> Opinion | None:
        """What most of them said, in the newest of their words; None: nobody spoke, or there is no such majority."""
        if not self.opinions:
            return None
        said, count = Counter(one.says for one in self.opinions.values()).most_common(1)[0]
        if 2 * count <= len(self.opinions):
            return None
        return max((one for one in self.opinions.values() if one.says == said), key=lambda one: one.seq)

    @property
    def open_places(self) -> int:
        """People who may still be asked, whoever has it before them included."""
        return max(self.wanted - len(self.opinions), 1 if self.state == "disputed" else 0)

    def holders(self, now: str) -> set[str]:
        """Who has it before them and has not decided."""
        return {name for name, until in self.claims.items() if until > now and name not in self.opinions}

    def is_free_for(self, reviewer: str, now: str) -> bool:
        """Whether it may be shown to this person: they did not decide it, and nobody sees it who need not."""
        if reviewer in self.opinions:
            return False
        holders = self.holders(now)
        return reviewer in holders or len(holders) < self.open_places


class Board:
    """All cases, by answer."""

    def __init__(self) -> None:
        self.cases: dict[str, Case] = {}
        self.seq = 0
        """Number of the last event that was read."""

    @property
    def turn(self) -> Turn:
        """What a writer has read."""
        return Turn(kinds=KINDS, seq=self.seq)

    def take(self, event: Event) -> None:
        """Fold one more event in; events come in order."""
        self.seq = event.seq
        case = self.cases.setdefault(event.subject, Case(answer=event.subject, place=event.seq))
        facts = event.facts
        match event.kind:
            case "review.queued":
                case.queued = True
                case.reasons = tuple(dict.fromkeys((*case.reasons, *facts.get("reasons", ()))))
                case.score = max(case.score, float(facts.get("score", 0.0)))
                case.wanted = max(case.wanted, int(facts.get("opinions", 1)))
            case "review.claimed":
                case.claims[event.actor] = str(facts["until"])
            case "review.doubted":
                case.wanted = max(case.wanted, len(case.opinions)) + 1
                case.claims.pop(event.actor, None)
            case "review.decided":
                opinion = _opinion(event)
                if opinion is not None:
                    case.opinions[opinion.reviewer] = opinion
                    case.history.append(opinion)
                    case.claims.pop(event.actor, None)

    def in_order(self) -> Iterator[Case]:
        """Cases with open places, in the order of the queue."""
        for case in sorted(self.cases.values(), key=lambda one: one.place):
            if case.open_places and (case.queued or case.opinions):
                yield case


def read_board(ledger: Ledger, *, onto: Board | None = None) -> Board:
    """The board of a ledger, or the events since added to one that was read before."""
    board = onto or Board()
    for event in ledger.events(kind=KINDS, after=board.seq):
        board.take(event)
    return board


def _opinion(event: Event) -> Opinion | None:
    """What an event says; None where it is no decision that we know."""
    facts: dict[str, Any] = event.facts
    if facts.get("decision") not in get_args(Decision):
        return None
    return Opinion(
        answer=event.subject,
        reviewer=event.actor,
        decision=facts["decision"],
        label=facts.get("label"),
        reason=facts.get("reason") or "",
        feedback=facts.get("feedback"),
        seq=event.seq,
        at=event.at,
    )
