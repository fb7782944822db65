"""When the loop runs by itself, how often, how long, and how what it makes gets into production.

Each trigger is written the short way (`every: month`, `n_errors: 200`, `kpi_drop: 3pt`, `drift: psi > 0.2`, `manual`);
its first key says which one it is.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from seekloop.serve.rollout.spec import Canary, Errors, Latency, RolloutSpec, Rule, Safety, Step
from seekloop.system.spec import Spec

__all__ = [
    "Direct",
    "Drift",
    "Every",
    "KpiDrop",
    "Manual",
    "NErrors",
    "ThroughCanary",
    "Trigger",
    "WatchSpec",
    "in_quiet_hours",
    "seconds_of",
]

_units: Mapping[str, int] = MappingProxyType({"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800})
_names: Mapping[str, str] = MappingProxyType({"day": "1d", "week": "1w", "hour": "1h"})
_days = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_hours = re.compile(r"(?:(?P<first>[a-z]{3})-(?P<last>[a-z]{3})\s+)?(?P<from>\d\d:\d\d)-(?P<to>\d\d:\d\d)")


def seconds_of(text: str) -> float:
    """`12h`, `30m`, `2d`, `1w`, `90s`, `day`, `week` or `hour` in seconds.

    Raises:
        ValueError: it is none of these.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", _names.get(text.strip(), text.strip()))
    if match is None or float(match[1]) <= 0:
        raise ValueError(f"{text!r} is no length of time: write 12h, 30m, 2d, week")
    return float(match[1]) * _units[match[2]]


class Every(Spec):
    """After so much time."""

    when: Literal["every"] = "every"
    every: str
    """`month` (the same day of the next one), `week`, `day`, or a length such as `12h`."""

    @field_validator("every")
    @classmethod
    def _is_a_length(cls, value: str) -> str:
        if value != "month":
            seconds_of(value)
        return value


class NErrors(Spec):
    """After so many answers that people showed to be wrong; what is beyond a caller's cap counts for nothing."""

    when: Literal["n_errors"] = "n_errors"
    n_errors: int = Field(ge=1)
    """Wrong answers since the cycle before."""


class KpiDrop(Spec):
    """When a business figure of the project fell."""

    when: Literal["kpi_drop"] = "kpi_drop"
    kpi_drop: str
    """By how much: `3pt` of a share are 0.03; a plain number is in the figure's own unit. Values from 0 to 1 must also
    have fallen beyond chance, however often one looks."""
    of: str | None = None
    """Name of the figure, one of `kpis` that is read from traffic; None: the only one."""
    window: int = Field(default=200, ge=10)
    """Answers on each side: the newest, against the first that the release in production gave."""

    @field_validator("kpi_drop")
    @classmethod
    def _is_an_amount(cls, value: str) -> str:
        if not re.fullmatch(r"\d+(\.\d+)?\s*(pts?|%)?", value.strip()):
            raise ValueError(f"{value!r} is no drop: write 3pt, or a number in the figure's own unit")
        return value

    @field_validator("kpi_drop", mode="before")
    @classmethod
    def _may_be_a_number(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value

    @property
    def amount(self) -> float:
        """The drop in the figure's own unit."""
        text = self.kpi_drop.strip()
        number = float(re.match(r"[\d.]+", text)[0])  # type: ignore[index]
        return number / 100 if text != text.rstrip("pts%") else number


class Drift(Spec):
    """When what people ask has moved away from what they asked at first."""

    when: Literal["drift"] = "drift"
    drift: str
    """`psi > 0.2`, the population stability index; or `ks > 0.1`, the largest distance of two distributions. Of every
    feature that is certain to have changed: lengths, words, language, labels, times."""
    window: int = Field(default=200, ge=10)
    """Answers on each side: the newest, against the first that the release in production gave."""

    @field_validator("drift")
    @classmethod
    def _is_a_bound(cls, value: str) -> str:
        if not re.fullmatch(r"(psi|ks)\s*>\s*\d+(\.\d+)?", value.strip()):
            raise ValueError(f"{value!r} is no bound: write psi > 0.2 or ks > 0.1")
        return value

    @property
    def bound(self) -> tuple[str, float]:
        """Which measure, and what it must be above."""
        name, _, value = self.drift.partition(">")
        return name.strip(), float(value)


class Manual(Spec):
    """When somebody says so: `seekloop loop run --reason WHY`."""

    when: Literal["manual"] = "manual"


Trigger = Annotated[Every | NErrors | KpiDrop | Drift | Manual, Field(discriminator="when")]


class Direct(Spec):
    """The alias moves at once."""

    mode: Literal["direct"] = "direct"


class ThroughCanary(Spec):
    """A growing share of the traffic, under rules that are written down before; the alias moves at the end."""

    mode: Literal["canary"] = "canary"
    steps: tuple[Step, ...] = Field(default=Canary.model_fields["steps"].default, min_length=1)
    """Shares on the way to everything."""
    rules: tuple[Rule, ...] = Field(default=(Errors(), Latency(watch="first_token"), Safety()), min_length=1)
    """Whoever breaks one is rolled back at once."""
    alpha: float = Field(default=0.05, gt=0, lt=1)
    """Chance that a candidate as good as the release in production is ever rolled back."""
    unit: Literal["caller", "request"] = "caller"
    """What is drawn."""
    first_token_s: float = Field(default=30.0, gt=0)
    """A candidate that has said nothing for so long has failed."""
    gateway: str | None = None
    """Address of a gateway that must answer before it begins; None: the one that runs in the project's folder."""
    hours: float = Field(default=72.0, gt=0)
    """Without a verdict after so long, it is ended and the release in production stays."""

    def rollout(self, candidate: str) -> RolloutSpec:
        """The rollout of a release."""
        return RolloutSpec(
            plan=Canary(candidate=candidate, steps=self.steps),
            rules=self.rules,
            alpha=self.alpha,
            unit=self.unit,
            first_token_s=self.first_token_s,
        )


class WatchSpec(Spec):
    """When the loop runs by itself, and how what it makes gets into production."""

    triggers: tuple[Trigger, ...] = Field(default=(Manual(),), min_length=1)
    """The first one that fires begins a cycle."""
    cool_down: str = "1h"
    """Between the end of one cycle and the next trigger; people need not wait."""
    quiet: tuple[str, ...] = ()
    """Hours in which nothing begins: `08:00-20:00`, `mon-fri 08:00-20:00`, `22:00-06:00`."""
    zone: str = "UTC"
    """Time zone of quiet hours and days, such as `Asia/Shanghai`."""
    max_a_day: int = Field(default=4, ge=1)
    """Cycles that triggers may begin in one day; people are not counted."""
    budget_minutes: float | None = Field(default=None, gt=0)
    """Work on one candidate that takes longer, from the beginning of its cycle, is held; None: no limit."""
    lease_s: float = Field(default=60.0, gt=0)
    """Whoever was silent for so long has lost the loop to the next who comes."""
    poll_s: float = Field(default=30.0, gt=0)
    """How often `seekloop loop watch` looks."""
    rollout: Annotated[Direct | ThroughCanary, Field(discriminator="mode")] = Direct()
    """`direct` or `canary`."""

    @field_validator("triggers", mode="before")
    @classmethod
    def _the_short_way(cls, value: Any) -> Any:
        return tuple(_tagged(one) for one in value) if isinstance(value, list | tuple) else value

    @field_validator("rollout", mode="before")
    @classmethod
    def _only_its_mode(cls, value: Any) -> Any:
        return {"mode": value} if isinstance(value, str) else value

    @field_validator("quiet", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("quiet")
    @classmethod
    def _are_hours(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            match = _hours.fullmatch(one.lower())
            named = {match["first"] or "mon", match["last"] or "sun"} if match else {""}
            times = (match["from"], match["to"]) if match else ("99:99",)
            if not named <= set(_days) or any(time > "24:00" or time[3:] > "59" for time in times):
                raise ValueError(f"{one!r} are no hours: write 08:00-20:00 or mon-fri 08:00-20:00")
        return value

    @field_validator("cool_down")
    @classmethod
    def _is_a_length(cls, value: str) -> str:
        if value != "0":
            seconds_of(value)
        return value

    @field_validator("zone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        try:
            zoneinfo.ZoneInfo(value)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"no time zone {value}") from error
        return value

    @property
    def cool_down_s(self) -> float:
        """Seconds between cycles."""
        return 0.0 if self.cool_down == "0" else seconds_of(self.cool_down)

    def local(self, moment: dt.datetime) -> dt.datetime:
        """A moment in this project's time zone."""
        return moment.astimezone(zoneinfo.ZoneInfo(self.zone))


def in_quiet_hours(spec: WatchSpec, moment: dt.datetime) -> str | None:
    """The quiet hours that a moment falls into; None: none. What goes past midnight belongs to the day it began."""
    local = spec.local(moment)
    time = f"{local:%H:%M}"
    for one in spec.quiet:
        match = _hours.fullmatch(one.lower())
        assert match is not None, "the spec was checked"
        first, last = (_days.index(match[name] or name_of) for name, name_of in (("first", "mon"), ("last", "sun")))
        begins, ends = match["from"], match["to"]
        over = begins > ends
        day = local.weekday() - 1 if over and time < ends else local.weekday()
        within = time >= begins or time < ends if over else begins <= time < ends
        if within and (day - first) % 7 <= (last - first) % 7:
            return one
    return None


def _tagged(value: Any) -> Any:
    if isinstance(value, str):
        return {"when": value}
    if isinstance(value, Mapping) and "when" not in value:
        kinds = ("every", "n_errors", "kpi_drop", "drift", "manual")
        named = next((kind for kind in kinds if kind in value), None)
        rest = {key: inner for key, inner in value.items() if key != "manual"}
        return {"when": named or next(iter(value), "nothing"), **rest}
    return value
