"""What to do with a rollout: a pure function of its spec, its counts and how long its step has lasted.

The same counts give the same verdict, byte for byte, on any machine and at any later time. Each rule is tested in each
step by itself, on the answers of that step: what changes from one day to the next meets both sides alike. The tests
may be looked at all the time (`metrics.sequential`), and share the rollout's `alpha` evenly.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from seekloop.metrics.sequential import Tally, evidence_below, evidence_slower, quantile_ms
from seekloop.serve.rollout.counts import ArmCounts, Counts
from seekloop.serve.rollout.spec import Latency, RolloutSpec, Rule
from seekloop.system import digests, errors, settings

__all__ = ["Outcome", "Verdict", "decide"]

State = Literal["failed", "proven", "worse", "open"]
_good = ("score", "resolved")
_bin = 2 ** (1 / 8)


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class Outcome(_Stored):
    """What one rule came to, for one candidate in one step."""

    watch: str
    """What the rule watches."""
    step: int
    release: str
    """The candidate."""
    state: State
    """failed: shown to be beyond the margin. proven: shown to be within it. worse: beyond it, but that may be chance.
    open: none of these."""
    candidate: float | None
    """Its share, mean or quantile in milliseconds; None of nothing."""
    n: int
    """What that is of."""
    control: float | None
    """The same of the release in production."""
    control_n: int
    against: float
    """ln of the evidence that it is beyond the margin."""
    within: float
    """ln of the evidence that it is within."""
    needed: float
    """ln of the evidence that decides: tests / alpha."""

    def sentence(self, language: str | None = None) -> str:
        """All of it in one sentence in `language` ("en" or "zh"; default: the user's)."""
        template = errors.messages("rollout")[_sentences[self.state].removeprefix("rollout.")]
        told = {**self.model_dump(), "release": digests.short(self.release), "step": self.step + 1}
        told |= {"candidate": _shown(self.candidate), "control": _shown(self.control)}
        return template[language or settings.language()].format_map(told)


class Verdict(_Stored):
    """What to do now."""

    action: Literal["roll_back", "step", "hold"]
    """roll_back: a rule failed. step: the candidate may have more, or everything. hold: neither."""
    outcomes: tuple[Outcome, ...]
    """Of every rule, candidate and step so far."""
    rule_digest: str
    """`sha256:HEX` of the rollout's spec."""

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Why it is rolled back."""
        return tuple(one for one in self.outcomes if one.state == "failed")

    def sentences(self, language: str | None = None) -> list[str]:
        """Why, a sentence an outcome."""
        return [one.sentence(language) for one in self.outcomes]


def decide(spec: RolloutSpec, counts: Counts, *, control: str, step: int, minutes: float) -> Verdict:
    """The verdict on a rollout.

    Args:
        spec: plan and rules.
        counts: of all steps so far.
        control: id of the release in production.
        step: the one that it is in, from 0.
        minutes: how long that has lasted.
    """
    needed = math.log(spec.tests / spec.alpha)
    outcomes = tuple(
        _judge(rule, (counts.of(past, release), counts.of(past, control)), of=(past, release, share), needed=needed)
        for past in range(step + 1)
        for release, share in _shares_of_two(spec, past)
        for rule in spec.rules
    )
    if any(one.state == "failed" for one in outcomes):
        action: Literal["roll_back", "step", "hold"] = "roll_back"
    else:
        now = [one for one in outcomes if one.step == step]
        action = "step" if _may_step(spec, counts, step=step, minutes=minutes, now=now) else "hold"
    return Verdict(action=action, outcomes=outcomes, rule_digest=spec.digest)


def _may_step(spec: RolloutSpec, counts: Counts, *, step: int, minutes: float, now: list[Outcome]) -> bool:
    if spec.plan.mode != "canary":
        return False
    wanted = spec.plan.steps[step]
    lived = counts.of(step, spec.plan.candidate).asked >= wanted.answers and minutes >= wanted.minutes
    last = step == len(spec.steps) - 1
    # A state of "worse" may be chance; more answers will tell.
    states = [(one.state, rule.prove) for one, rule in zip(now, spec.rules, strict=True)]
    return lived and all(state == "proven" or (state == "open" and not (last and prove)) for state, prove in states)


def _shares_of_two(spec: RolloutSpec, step: int) -> list[tuple[str, float]]:
    """Of each candidate, its part of the traffic that it and the release in production have together."""
    shares = spec.steps[step]
    rest = 1 - sum(share for _, share in shares)
    # What a shadow is asked, the release in production was asked as well.
    return [(release, 0.5 if spec.plan.mode == "shadow" else share / (share + rest)) for release, share in shares]


def _judge(rule: Rule, arms: tuple[ArmCounts, ArmCounts], *, of: tuple[int, str, float], needed: float) -> Outcome:
    numbers = _times(rule, arms) if isinstance(rule, Latency) else _shares(rule, arms, share=of[2])
    beyond = numbers.pop("beyond")
    state: State = "worse" if beyond else "open"
    if numbers["against"] >= needed:
        state = "failed"
    elif numbers["within"] >= needed:
        state = "proven"
    return Outcome(watch=rule.watch, step=of[0], release=of[1], state=state, needed=round(needed, 4), **numbers)


def _shares(rule: Any, arms: tuple[ArmCounts, ArmCounts], *, share: float) -> dict[str, Any]:
    candidate, control = (arm.share(rule.watch) for arm in arms)
    low, high = (candidate, control) if rule.watch in _good else (control, candidate)
    low_share = share if rule.watch in _good else 1 - share
    return {
        "candidate": _mean(candidate),
        "n": candidate.n,
        "control": _mean(control),
        "control_n": control.n,
        "against": round(evidence_below(low, high, by=rule.margin, share=low_share), 4),
        "within": round(evidence_below(high, low, by=-rule.margin, share=1 - low_share), 4),
        "beyond": low.mean is not None and high.mean is not None and low.mean < high.mean - rule.margin,
    }


def _times(rule: Latency, arms: tuple[ArmCounts, ArmCounts]) -> dict[str, Any]:
    candidate, control = (arm.times(rule.watch) for arm in arms)
    took, usual = (quantile_ms(times, rule.quantile) for times in (candidate, control))
    against = evidence_slower(candidate, control, quantile=rule.quantile, ratio=rule.ratio)
    within = evidence_slower(control, candidate, quantile=rule.quantile, ratio=1 / rule.ratio)
    return {
        "candidate": None if took is None else round(took, 3),
        "n": sum(candidate.values()),
        "control": None if usual is None else round(usual, 3),
        "control_n": sum(control.values()),
        "against": round(against, 4),
        "within": round(within, 4),
        "beyond": took is not None and usual is not None and took > usual * rule.ratio * _bin,
    }


def _mean(tally: Tally) -> float | None:
    return None if tally.mean is None else round(tally.mean, 6)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


_sentences = {
    "failed": "rollout.rule_failed",
    "proven": "rollout.rule_proven",
    "worse": "rollout.rule_worse",
    "open": "rollout.rule_open",
}
