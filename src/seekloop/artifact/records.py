"""What the ledger gives back: plain frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Alias", "Answer", "ArtifactRecord", "Event", "Feedback", "StepRecord", "Turn"]


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


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """What somebody thought of an answer."""

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


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Up to where somebody who decides has read."""

    kinds: tuple[str, ...]
    """Of the events that would change the decision."""
    seq: int
    """Number of the last one that was read; 0: there was none."""
