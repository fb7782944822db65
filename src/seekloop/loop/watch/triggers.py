"""Whether a cycle begins now: a pure function of the time, of what was counted in the ledger, and of the spec."""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from seekloop.loop.watch_spec import (
    Drift,
    Every,
    KpiDrop,
    NErrors,
    Trigger,
    WatchSpec,
    in_quiet_hours,
    seconds_of,
)

__all__ = ["Check", "Compared", "Looked", "Seen", "after", "look"]


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One figure of two stretches of answers; None where one is too short to tell."""

    before: float | None
    now: float | None
    n: tuple[int, int]
    """Answers with a value: before, now."""
    certain: bool = True
    """Whether it changed beyond chance; what cannot be told so is taken as it is."""
    what: str = ""
    """Which feature it is of."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the ledger says."""

    now: dt.datetime
    since: dt.datetime
    """When the last cycle was triggered that came to an end without failing, or the first release was promoted."""
    ended: dt.datetime | None
    """When the last cycle ended, however it did."""
    today: int
    """Cycles that triggers began on this day, in the project's time zone."""
    errors: int = 0
    """Answers that people showed to be wrong, in feedback since then."""
    heard: int = 0
    """Answers that were spoken of since then."""
    kpis: Mapping[int, Compared] = field(default_factory=dict)
    """By the trigger's place in the list."""
    drifts: Mapping[int, Compared] = field(default_factory=dict)
    """The same; `now` is the largest measure of a feature that is certain to have changed, `before` is 0."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """What one trigger says."""

    trigger: Trigger
    fired: bool
    reason: str
    """In English, with the counts: it is kept in the ledger."""
    counts: Mapping[str, Any]
    due: dt.datetime | None = None
    """When it will fire, where that is known."""


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What all triggers say, and what keeps a cycle from beginning."""

    checks: tuple[Check, ...]
    barred: str | None
    """Why nothing begins although a trigger fired; None: nothing is in the way."""

    @property
    def fired(self) -> Check | None:
        """The first trigger that fires, where nothing is in the way."""
        return None if self.barred else next((one for one in self.checks if one.fired), None)

    @property
    def due(self) -> dt.datetime | None:
        """When the next cycle is due at the latest, where a trigger is a time."""
        return min((one.due for one in self.checks if one.due is not None), default=None)


def look(spec: WatchSpec, seen: Seen) -> Looked:
    """Ask every trigger."""
    checks = tuple(_check(trigger, seen, place=place) for place, trigger in enumerate(spec.triggers))
    return Looked(checks=checks, barred=_barred(spec, seen))


def after(moment: dt.datetime, every: str) -> dt.datetime:
    """When a time comes round again: the last day of a shorter month stands for days that it does not have."""
    if every != "month":
        return moment + dt.timedelta(seconds=seconds_of(every))
    year, month = moment.year + moment.month // 12, moment.month % 12 + 1
    return moment.replace(year=year, month=month, day=min(moment.day, calendar.monthrange(year, month)[1]))


def _check(trigger: Trigger, seen: Seen, *, place: int) -> Check:
    match trigger:
        case Every():
            due = after(seen.since, trigger.every)
            reason = f"every {trigger.every}: due at {due:%Y-%m-%d %H:%M} UTC, after {seen.since:%Y-%m-%d %H:%M}"
            counts: dict[str, Any] = {"since": seen.since.isoformat(), "due": due.isoformat()}
            return Check(trigger=trigger, fired=seen.now >= due, reason=reason, counts=counts, due=due)
        case NErrors():
            reason = (
                f"{seen.errors} wrong answers of {seen.heard} that were spoken of, and {trigger.n_errors} begin a cycle"
            )
            counts = {"errors": seen.errors, "heard": seen.heard, "needed": trigger.n_errors}
            return Check(trigger=trigger, fired=seen.errors >= trigger.n_errors, reason=reason, counts=counts)
        case KpiDrop():
            return _dropped(trigger, seen.kpis[place])
        case Drift():
            return _drifted(trigger, seen.drifts[place])
        case _:
            return Check(trigger=trigger, fired=False, reason="when somebody says so", counts={})


def _dropped(trigger: KpiDrop, found: Compared) -> Check:
    name = trigger.of or "the figure"
    counts = {"before": found.before, "now": found.now, "n": list(found.n), "drop": trigger.amount}
    counts["certain"] = found.certain
    if found.before is None or found.now is None:
        reason = f"{name}: {found.n[0]} and {found.n[1]} answers with a value, too few to compare"
        return Check(trigger=trigger, fired=False, reason=reason, counts=counts)
    reason = (
        f"{name} {found.now:.3f} (n = {found.n[1]}) where it was {found.before:.3f} (n = {found.n[0]}), "
        f"and a drop of {trigger.amount:g} begins a cycle{'' if found.certain else ', beyond chance'}"
    )
    # Sums of decimals such as 0.9 - 0.03 are a hair off.
    fell = found.before - found.now >= trigger.amount - 1e-9
    return Check(trigger=trigger, fired=fell and found.certain, reason=reason, counts=counts)


def _drifted(trigger: Drift, found: Compared) -> Check:
    measure, bound = trigger.bound
    counts = {"measure": measure, "of": found.what, "value": found.now, "n": list(found.n), "bound": bound}
    if found.now is None:
        reason = f"{measure}: {found.n[0]} and {found.n[1]} answers, too few to compare"
        return Check(trigger=trigger, fired=False, reason=reason, counts=counts)
    what = f" of {found.what}" if found.what else ""
    reason = (
        f"{measure}{what} {found.now:.3f} (n = {found.n[0]} and {found.n[1]}), and more than {bound:g} begins a cycle"
    )
    return Check(trigger=trigger, fired=found.now > bound, reason=reason, counts=counts)


def _barred(spec: WatchSpec, seen: Seen) -> str | None:
    if seen.ended is not None:
        until = seen.ended + dt.timedelta(seconds=spec.cool_down_s)
        if seen.now < until:
            return f"the last cycle ended at {seen.ended:%H:%M}, and cool_down lasts until {until:%Y-%m-%d %H:%M} UTC"
    if seen.today >= spec.max_a_day:
        return f"{seen.today} cycles were begun today, and max_a_day is {spec.max_a_day}"
    quiet = in_quiet_hours(spec, seen.now)
    return None if quiet is None else f"quiet hours: {quiet} ({spec.zone})"
