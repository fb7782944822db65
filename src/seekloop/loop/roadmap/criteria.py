"""What a report of the roadmap holds: tables, and criteria that say whether the next phase may begin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from seekloop.evaluate.kpis import Counted
from seekloop.system import errors, settings

__all__ = ["Criterion", "Phase", "Report", "State", "Table", "interval", "kpi_table", "share", "words"]

Phase = Literal["assess", "experiment", "production"]
State = Literal["met", "open", "unknown"]
"""unknown: nothing was measured that would tell. It keeps the next phase closed, as `open` does."""


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """One thing that must hold before the next phase."""

    code: str
    """Of its sentence in `roadmap.toml`; the hint there says what to do where it is not met."""
    state: State
    facts: dict[str, Any] = field(default_factory=dict)
    """What the sentence names."""
    source: str | None = None
    """Artifact id, event or file that the facts are from."""

    def sentence(self, language: str | None = None) -> str:
        """What is asked, and what was found, in "en" or "zh" (default: the user's)."""
        return words(self.code, "", language=language, facts=self.facts)

    def hint(self, language: str | None = None) -> str:
        """What to do about it."""
        return words(self.code, "hint_", language=language, facts=self.facts)


@dataclass(frozen=True, kw_only=True)
class Table:
    """Figures of one kind."""

    title: str
    """Code of its title in `roadmap.toml`; the hint there says where the figures are from."""
    head: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Report:
    """One phase as it stands."""

    phase: Phase
    project: str
    """Its domain."""
    at: str
    """ISO 8601, UTC."""
    criteria: tuple[Criterion, ...]
    tables: tuple[Table, ...]
    strategy: str = ""
    """Of `assess`: how to go about it, in one line."""

    @property
    def is_done(self) -> bool:
        """Whether every criterion is met."""
        return all(one.state == "met" for one in self.criteria)

    def as_json(self, language: str | None = None) -> dict[str, Any]:
        """For machines, sentences included."""
        return {
            "phase": self.phase,
            "project": self.project,
            "at": self.at,
            "done": self.is_done,
            "strategy": self.strategy,
            "criteria": [
                {
                    "code": one.code,
                    "state": one.state,
                    "sentence": one.sentence(language),
                    "hint": None if one.state == "met" else one.hint(language),
                    "facts": one.facts,
                    "source": one.source,
                }
                for one in self.criteria
            ],
            "tables": [
                {"title": words(one.title, "", language=language), "head": one.head, "rows": one.rows}
                for one in self.tables
            ],
        }


def words(code: str, part: str, *, language: str | None = None, facts: dict[str, Any] | None = None) -> str:
    """A sentence of `roadmap.toml` with its facts.

    Args:
        code: `roadmap.NAME`.
        part: empty, or `hint_`.
        language: "en" or "zh"; None: the user's.
        facts: what it names.
    """
    table = errors.messages("roadmap")[code.removeprefix("roadmap.")]
    return table[f"{part}{language or settings.language()}"].format_map(facts or {})


def share(part: float, whole: float) -> str:
    """A share in per cent, for people."""
    return f"{100 * part / whole:.1f} %" if whole else "-"


def interval(ci: Sequence[float] | None) -> str:
    """For people."""
    return "-" if ci is None else f"[{ci[0]:.3g}, {ci[1]:.3g}]"


def kpi_table(kpis: Sequence[Counted]) -> Table:
    """The project's business figures."""
    rows = tuple(
        (one.name, "-", "-", 0)
        if one.figure is None
        else (one.name, f"{one.figure.value:.4g} {one.figure.unit}".strip(), interval(one.figure.ci), one.figure.n)
        for one in kpis
    )
    return Table(title="roadmap.kpis", head=("figure", "value", "95 %", "n"), rows=rows)
