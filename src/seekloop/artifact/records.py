"""What the ledger gives back: plain frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

__all__ = [
    "SIGNALS",
    "Alias",
    "Answer",
    "ArtifactRecord",
    "Event",
    "Feedback",
    "Outcome",
    "Signal",
    "StepRecord",
    "Turn",
]

Signal = Literal["retry", "escalation", "abandoned", "copied", "accepted"]
SIGNALS: tuple[Signal, ...] = get_args(Signal)
"""What people do with an answer without saying anything of it: they ask the same again, ask for a person, leave, take
its text, or go on with what it proposed."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """One link of the chain."""

    seq: int
    """One-based, without gaps."""
    kind: str
    """`room.what`, for example `alias.moved`."""
    subject: str
    """The id or name that the event is about."""
    at: str
    """When it was recorded: ISO 8601, UTC, microseconds."""
    actor: str
    facts: dict[str, Any]
    prev: str
    """`mac` of the event before; 64 zeros for the first."""
    mac: str
    """HMAC-SHA256, in hex, of everything above."""


@dataclass(frozen=True, kw_only=True)
class Alias:
    """A name such as `production`, and what it stood for from one move to the next."""

    name: str
    target: str
    version: int
    """One-based; each move adds one."""
    actor: str
    reason: str
    at: str


@dataclass(frozen=True, kw_only=True)
class ArtifactRecord:
    """An artifact, as the ledger knows it."""

    id: str
    kind: str
    created_at: str
    wall_s: float
    parents: dict[str, str]
    """Role -> id."""


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """A finished step of a run."""

    run: str
    name: str
    key: str
    """Digest of everything that the step's result depends on."""
    outputs: dict[str, str]
    """Name -> artifact id."""
    at: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One served answer."""

    id: str
    """`ans_` and hex digits."""
    release: str
    at: str
    """When the request came in: ISO 8601."""
    caller: str
    messages: list[dict[str, Any]]
    content: str
    reasoning: str | None = None
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    first_token_ms: float
    total_ms: float
    decoding: Mapping[str, Any] = field(default_factory=dict)
    arm: Mapping[str, Any] = field(default_factory=dict)
    """Of a rollout: which one, which release was to answer, for whom, and why another one did; empty: none ran."""
    safety: Mapping[str, Any] | None = None
    """What the safety screen found, without any text; None: nothing was screened."""
    subject: str | None = None
    """Whose data the texts are, as `payloads.subject_name` writes tenant, caller and user; encrypted with the texts.
    None: the caller's."""
    session: str | None = None
    """Of which session the caller said that it is; encrypted with the texts."""
    consent: bool | None = None
    """Whether the request allowed that it is learnt from; None: it did not say."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How the matter ended that an answer was given in, as another system knows it."""

    completed: bool | None = None
    """Whether the task was done."""
    resolved_by: Literal["model", "person"] | None = None
    """Who did it in the end."""
    value: float | None = None
    """What it was worth to the business; may be negative."""
    unit: str | None = None
    """Of `value`: `CNY`, `min`."""


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """What somebody thought of an answer, or what became of it."""

    id: str
    """The sender's idempotency key."""
    answer: str
    at: str
    caller: str
    score: float | None = None
    """0 to 1; a thumb is 0 or 1."""
    label: str | None = None
    """The right label."""
    correction: str | None = None
    """The right answer, in full."""
    comment: str | None = None
    ratings: Mapping[str, int] = field(default_factory=dict)
    """1 (worst) to 5 (best) by dimension."""
    outcome: Outcome | None = None
    """How the matter ended; encrypted with the comment."""
    signals: tuple[Signal, ...] = ()
    """What people did; encrypted with the comment."""
    user: str | None = None
    """Which of the caller's end users says so; encrypted with the comment. None: the caller did not say."""
    consent: bool | None = None
    """Whether whoever says so allows that it is learnt from; None: they did not say."""

    @property
    def is_opinion(self) -> bool:
        """Whether it says anything of the answer itself, and not only of what became of it."""
        said = (self.score, self.label, self.correction, self.comment)
        return bool(self.ratings) or any(one is not None for one in said)


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Up to where somebody who decides has read."""

    kinds: tuple[str, ...]
    """Of the events that would change the decision."""
    seq: int
    """Number of the last one that was read; 0: there was none."""
