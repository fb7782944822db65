"""The dials of the extraction defence. By default it watches and records, and refuses nobody."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from seekloop.system.spec import Spec

__all__ = ["ChanceOptions", "GuardOptions", "HoneyOptions", "WatermarkOptions"]


class ChanceOptions(Spec):
    """How exactly log-probabilities are told. They are the richest thing that a copier can ask for."""

    decimals: int | None = Field(default=None, ge=0, le=6)
    """Decimals that are kept; None: all."""
    top: int | None = Field(default=None, ge=0)
    """Most alternatives that are told with a token; None: as many as were asked for."""
    noise: float = Field(default=0.0, ge=0, le=1)
    """Largest random change, in nats. The same prompt gets the same change, so asking again averages nothing out."""
    exact_for: tuple[str, ...] = ("admin", "operator")
    """Roles that are told everything as it is."""


class HoneyOptions(Spec):
    """Marks in answers, another one for each key and release, that show up in a model trained on them."""

    share: float = Field(default=0.0, ge=0, le=1)
    """Share of prompts whose answers end with a mark; which ones is a secret, and does not change."""
    prompts: tuple[str, ...] = ()
    """Prompts whose answers always do: traps that no customer would ask."""
    text: str = "\n\nRef. {token}"
    """What is added."""


class WatermarkOptions(Spec):
    """A statistical mark in the choice of words (Kirchenbauer et al. 2023), on the torch engine only."""

    delta: float = Field(default=0.0, ge=0, le=20)
    """Added to the logits of green tokens; 0: off. More is found sooner and costs more quality."""
    gamma: float = Field(default=0.25, gt=0, lt=1)
    """Share of the vocabulary that is green after any one token."""


class GuardOptions(Spec):
    """Query budgets, the coverage detector, and what answers give away."""

    action: Literal["off", "watch", "throttle", "block"] = "watch"
    """What a high score leads to. watch: an event in the ledger; throttle: also `slow_per_minute`; block: also 403."""
    prompts_a_day: int | None = Field(default=None, ge=1)
    """Different prompts of one key in 24 hours; None: no such budget. Repeats are free."""
    window_days: int = Field(default=7, ge=1, le=90)
    """Days of queries that a key is judged by."""
    least: int = Field(default=200, ge=20)
    """Queries before a key is judged at all."""
    throttle_at: float = Field(default=5.0, gt=0)
    """Score at which a key is slowed down."""
    block_at: float = Field(default=8.0, gt=0)
    """Score at which a key is shut out, until `seekloop guard lift`."""
    slow_per_minute: int = Field(default=6, ge=1)
    """Queries that a slowed key may still make."""
    share_s: float = Field(default=5.0, gt=0)
    """How often gateways exchange what they saw."""
    chances: ChanceOptions = ChanceOptions()
    """How exactly log-probabilities are told."""
    honey: HoneyOptions = HoneyOptions()
    """Marks in answers."""
    watermark: WatermarkOptions = WatermarkOptions()
    """A mark in the choice of words."""
