"""Which requests a task needs: the same seeds and the same seed of the run give the same requests."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seekloop.data.synthesise.seeds import Seed
from seekloop.data.synthesise.spec import InstructSpec, ParaphraseSpec, ReplySpec, TaskSpec
from seekloop.system import digests

__all__ = ["Item", "Planner"]


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing to ask for."""

    id: str
    seeds: tuple[Seed, ...]
    words: Mapping[str, Any]
    """What the prompt's template is given."""

    @property
    def seed(self) -> Seed:
        """The seed that it is about; for new tasks, the first example."""
        return self.seeds[0]


@dataclass
class Planner:
    """Plans round by round: what is still missing after one round is asked for in the next."""

    task: TaskSpec
    seeds: Sequence[Seed]
    """In the order in which they are used."""
    have: Mapping[str, int]
    """Rows of each label before anything was made."""
    seed: int
    _asked: Counter[str] = field(default_factory=Counter)

    def round(self, number: int, kept: Mapping[str, int]) -> list[Item]:
        """The items of round `number` (from 0), given how many rows of each label were kept so far."""
        if isinstance(self.task, ParaphraseSpec):
            return list(self._paraphrases(self.task, kept)) if number < self.task.rounds else []
        if isinstance(self.task, InstructSpec):
            return list(self._tasks(self.task, sum(kept.values()))) if number < self.task.rounds else []
        return [self._item(0, [one]) for one in self.seeds] if number == 0 else []

    def missing(self, kept: Mapping[str, int]) -> dict[str, int]:
        """Rows that are still wanted, by label; for new tasks under the label ``; empty for other tasks."""
        if isinstance(self.task, ParaphraseSpec):
            wanted = self.task.labels or tuple(sorted(self.have))
            gaps = {one: self.task.per_label - self.have.get(one, 0) - kept.get(one, 0) for one in wanted}
        elif isinstance(self.task, InstructSpec):
            gaps = {"": self.task.rows - sum(kept.values())}
        else:
            gaps = {}
        return {label: gap for label, gap in gaps.items() if gap > 0}

    def is_full(self, label: str, kept: Mapping[str, int]) -> bool:
        """Whether no more rows of a label are wanted; never for tasks that make one row a seed."""
        counted = isinstance(self.task, ParaphraseSpec | InstructSpec)
        return counted and (label if isinstance(self.task, ParaphraseSpec) else "") not in self.missing(kept)

    def _paraphrases(self, task: ParaphraseSpec, kept: Mapping[str, int]) -> Iterator[Item]:
        by_label: defaultdict[str, list[Seed]] = defaultdict(list)
        for one in self.seeds:
            by_label[one.label or ""].append(one)
        wanted = {
            label: math.ceil(gap / task.per_request) for label, gap in self.missing(kept).items() if by_label.get(label)
        }
        # Labels take turns, so that a budget that ends early leaves each of them something.
        for turn in range(max(wanted.values(), default=0)):
            for label in (one for one, requests in wanted.items() if turn < requests):
                several, number = by_label[label], self._asked[label]
                self._asked[label] += 1
                yield self._item(number // len(several), [several[number % len(several)]], count=task.per_request)

    def _tasks(self, task: InstructSpec, kept: int) -> Iterator[Item]:
        answered = [one for one in self.seeds if one.reply]
        if not answered:
            return
        for _ in range(math.ceil((task.rows - kept) / task.per_request)):
            turn = self._asked[""]
            self._asked[""] += 1
            yield self._item(
                turn, _sample(answered, task.examples, salt=f"{self.seed}\x1f{turn}"), count=task.per_request
            )

    def _item(self, turn: int, seeds: Sequence[Seed], *, count: int | None = None) -> Item:
        words: dict[str, Any] = {"text": seeds[0].text, "reply": seeds[0].reply, "label": seeds[0].label or ""}
        words["count"] = count if count is not None else self.task.model_dump().get("per_request", 1)
        words["examples"] = [{"text": one.text, "reply": one.reply} for one in seeds]
        words["guide"] = self.task.guide if isinstance(self.task, ReplySpec) else ""
        identity = digests.of_json([self.task.kind, turn, [one.id for one in seeds]]).removeprefix("sha256:")[:16]
        return Item(id=f"item:{identity}", seeds=tuple(seeds), words=words)


def _sample(seeds: Sequence[Seed], count: int, *, salt: str) -> list[Seed]:
    """`count` seeds of one language, the first one's, by hash."""
    order = sorted(seeds, key=lambda one: hashlib.sha256(f"{salt}\x1f{one.id}".encode()).digest())
    return [one for one in order if one.language == order[0].language][:count]
