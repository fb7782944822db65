"""The adjudication queue: rows that raters dispute, the worst first, decided one by one by people.

A queue is a folder. `queue.jsonl` holds the disputed items with a proposal each, `agreed.jsonl` the labels that raters
agreed on, `decisions/` a file a decision. Every file is written whole, so that a kill loses nothing that was decided;
making the queue anew keeps the decisions. Each decision is an event in the ledger, with who, when and why.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from seekloop.artifact.ledger import Ledger
from seekloop.data.labels.agreement import ratings_of
from seekloop.data.labels.consensus import Proposal, proposals
from seekloop.data.labels.decisions import AGREED, DECISIONS, Decision, read_decisions
from seekloop.data.labels.items import Item, item_of, to_json
from seekloop.data.labels.taxonomy import Taxonomy, suggestion
from seekloop.data.labels.taxonomy_files import dump_taxonomy, read_taxonomy
from seekloop.system import digests
from seekloop.system.clock import Clock
from seekloop.system.errors import DataError
from seekloop.system.files import write_whole

__all__ = ["EVENT", "Case", "Queue", "cases"]

EVENT = "label.decided"
"""Kind of the ledger's event about a row."""
_cases = "queue.jsonl"
_classes = "taxonomy.json"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A disputed item."""

    item: Item
    disagreement: float
    """Share of pairs of raters that gave different answers."""
    uncertainty: float
    """1 less the best guess's score; 0.5 where no model scored the item."""
    proposal: Proposal


def cases(items: Iterable[Item]) -> tuple[list[Case], list[tuple[Item, tuple[str, ...]]]]:
    """The disputed items, the most disputed and then the most uncertain first; and those that raters agreed on."""
    rated = [item for item in items if item.votes]
    drawn = dict(zip((item.id for item in rated), proposals(ratings_of(rated)), strict=True)) if rated else {}
    disputed, agreed = [], []
    for item in rated:
        answers = [frozenset(labels) for labels in item.votes.values()]
        if len(set(answers)) > 1:
            apart = _disagreement(answers)
            unsure = _uncertainty(item)
            disputed.append(Case(item=item, disagreement=apart, uncertainty=unsure, proposal=drawn[item.id]))
        elif len(answers) > 1:
            agreed.append((item, next(iter(item.votes.values()))))
    return sorted(disputed, key=lambda one: (-one.disagreement, -one.uncertainty, one.item.id)), agreed


class Queue:
    """A queue's folder."""

    def __init__(self, folder: Path) -> None:
        """Open a queue.

        Raises:
            DataError: there is none in this folder.
        """
        if not (folder / _cases).is_file():
            raise DataError("labels.no_queue", path=folder)
        self.folder = folder
        classes = folder / _classes
        self.taxonomy = read_taxonomy(classes) if classes.exists() else None

    @classmethod
    def build(cls, folder: Path, items: Iterable[Item], *, taxonomy: Taxonomy | None, clock: Clock) -> Queue:
        """Make the queue of these items, or make it anew with more of them; what was decided stays decided."""
        disputed, agreed = cases(items)
        (folder / DECISIONS).mkdir(parents=True, exist_ok=True)
        now = clock.now().isoformat(timespec="seconds")
        settled = [
            Decision(row=item.id, labels=labels, by="raters", at=now, why="unanimous").as_json()
            for item, labels in agreed
        ]
        if taxonomy is not None:
            write_whole(folder / _classes, _lines([dump_taxonomy(taxonomy)]))
        write_whole(folder / AGREED, _lines(settled))
        write_whole(folder / _cases, _lines(_plain(case) for case in disputed))
        return cls(folder)

    def cases(self) -> Iterator[Case]:
        """Every disputed item, in order."""
        with (self.folder / _cases).open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                value = json.loads(line)
                drawn = value["proposal"]
                yield Case(
                    item=item_of(value["item"], where=f"{self.folder}/{_cases}:{number}"),
                    disagreement=value["disagreement"],
                    uncertainty=value["uncertainty"],
                    proposal=Proposal(labels=tuple(drawn["labels"]), probability=drawn["probability"], by=drawn["by"]),
                )

    def decisions(self) -> dict[str, Decision]:
        """Row id -> what was decided here; what raters agreed on is not among it."""
        settled = read_decisions(self.folder)
        return {row: one for row, one in settled.items() if self._file(row).exists()}

    def waiting(self) -> Iterator[Case]:
        """The disputed items that are not decided yet, in order."""
        return (case for case in self.cases() if not self._file(case.item.id).exists())

    def decide(
        self, row: str, labels: Sequence[str], *, by: str, why: str, clock: Clock, ledger: Ledger, revise: bool = False
    ) -> Decision:
        """Settle one item, in a file and in the ledger.

        Args:
            row: id of the item.
            labels: its labels; empty: no label is right and the row is left out.
            by: who decides.
            why: for people.
            clock: dates the decision.
            ledger: takes the event.
            revise: whether an earlier decision may be changed; the ledger keeps both.

        Raises:
            DataError: there is no such item, a label is no class, or the item is decided already.
        """
        if row not in self._rows:
            raise DataError("labels.no_case", row=row, suggestion=suggestion(row, list(self._rows)))
        earlier = self._decided(row)
        if earlier is not None and not revise:
            raise DataError("labels.decided", row=row, labels=", ".join(earlier.labels) or "-", by=earlier.by)
        classes = tuple(dict.fromkeys(self._class_of(label) for label in labels))
        now = clock.now().isoformat(timespec="seconds")
        decision = Decision(row=row, labels=classes, by=by, at=now, why=why)
        write_whole(self._file(row), _lines([decision.as_json()]))
        _note(decision, ledger)
        return decision

    def record(self, ledger: Ledger) -> int:
        """Put decisions into the ledger that are not in it yet, such as one whose writer was killed; how many."""
        noted = {event.facts.get("digest") for event in ledger.events(kind=EVENT)}
        count = 0
        for _, decision in sorted(self.decisions().items()):
            if digests.of_json(decision.as_json()) not in noted:
                _note(decision, ledger)
                count += 1
        return count

    @cached_property
    def _rows(self) -> frozenset[str]:
        return frozenset(case.item.id for case in self.cases())

    def _decided(self, row: str) -> Decision | None:
        file = self._file(row)
        return read_decisions(file)[row] if file.exists() else None

    def _class_of(self, label: str) -> str:
        if self.taxonomy is None:
            return label
        found = self.taxonomy.find(label)
        if found is None:
            raise DataError("labels.unknown", label=label, suggestion=self.taxonomy.suggest(label))
        return found

    def _file(self, row: str) -> Path:
        return self.folder / DECISIONS / f"{hashlib.sha256(row.encode()).hexdigest()[:32]}.json"


def _note(decision: Decision, ledger: Ledger) -> None:
    facts = decision.as_json()
    ledger.note(EVENT, decision.row, facts={**facts, "digest": digests.of_json(facts)}, actor=decision.by)


def _disagreement(answers: Sequence[frozenset[str]]) -> float:
    pairs = [(a, b) for place, a in enumerate(answers) for b in answers[:place]]
    return sum(a != b for a, b in pairs) / len(pairs)


def _uncertainty(item: Item) -> float:
    scores = [guess.score for guess in item.guesses if guess.score is not None]
    return 1 - max(scores) if scores else 0.5


def _plain(case: Case) -> dict[str, Any]:
    drawn = case.proposal
    proposal = {"labels": list(drawn.labels), "probability": round(drawn.probability, 6), "by": drawn.by}
    return {
        "item": to_json(case.item),
        "disagreement": round(case.disagreement, 6),
        "uncertainty": round(case.uncertainty, 6),
        "proposal": proposal,
    }


def _lines(values: Iterable[Mapping[str, Any] | Sequence[Any]]) -> bytes:
    return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values).encode()
