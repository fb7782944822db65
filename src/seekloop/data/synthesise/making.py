"""Answers as rows, each checked: a row that cannot be trusted is kept with the reason why it is left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from seekloop.artifact.rows import Message, Row, Source, row_id
from seekloop.data.synthesise.answers import Fault, Pairs, Paraphrases, Reply, Score, Tasks
from seekloop.data.synthesise.checks import Check
from seekloop.data.synthesise.likes import Likes
from seekloop.data.synthesise.plan import Item
from seekloop.data.synthesise.spec import ScoreSpec, SynthesiseSpec
from seekloop.data.wording import asked
from seekloop.runtime.endpoint.reading import is_refusal
from seekloop.text.normalize import key
from seekloop.text.segment import language_of

__all__ = ["Maker"]


@dataclass(frozen=True, kw_only=True)
class _Draft:
    """What an answer holds, before it is checked."""

    text: str
    reply: str
    label: str | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None


class Maker:
    """Makes rows of answers, in the order in which it is given them.

    Args:
        spec: of the synthesis.
        held_out: texts that must not come back as training rows: split -> what was seen.
        checks: more reasons to leave a row out.
    """

    def __init__(self, spec: SynthesiseSpec, *, held_out: dict[str, Likes], checks: Sequence[Check] = ()) -> None:
        self.spec = spec
        self.seen = Likes(spec.similarity)
        """Seeds, and what was made."""
        self._held_out = held_out
        self._items = 0
        self.checks = list(checks)
        """More reasons to leave a row out."""
        self._compares = spec.task.kind in ("paraphrase", "instruct", "document")

    def rows(self, item: Item, found: BaseModel | Fault, *, template: str) -> Iterator[Row]:
        """The rows of one item; for an item that failed, one dropped row with the reason and the problem.

        Args:
            item: what was asked.
            found: the answer, or why there is none.
            template: digest of the prompt.
        """
        self._items += 1
        if isinstance(found, Fault):
            row = self._row(item, _Draft(text=item.seed.text, reply="", label=item.seed.label), template=template)
            yield row.model_copy(update={"dropped": found.reason, "meta": {**row.meta, "problem": found.problem}})
            return
        for draft in self._drafts(item, found):
            yield self._judged(self._row(item, draft, template=template), draft, language=item.seed.language)

    def _drafts(self, item: Item, found: BaseModel) -> Iterator[_Draft]:
        seed = item.seed
        if isinstance(found, Paraphrases):
            for text in found.paraphrases:
                yield _Draft(text=text, reply=seed.reply, label=seed.label)
        elif isinstance(found, Tasks):
            for task in found.tasks:
                yield _Draft(text="\n".join(filter(None, (task.instruction, task.input))), reply=task.output)
        elif isinstance(found, Pairs):
            whole = key(seed.text)
            for pair in found.pairs:
                reason = None if key(pair.quote) in whole else "quote_not_found"
                yield _Draft(text=pair.question, reply=pair.answer, meta={"quote": pair.quote}, reason=reason)
        elif isinstance(found, Reply):
            yield _Draft(text=seed.text, reply=found.reply, label=seed.label)
        elif isinstance(found, Score):
            assert isinstance(self.spec.task, ScoreSpec)  # the schema is chosen by the task
            reason = "low_score" if found.score < self.spec.task.least else None
            meta = {"score": found.score, "critique": found.critique}
            yield _Draft(text=seed.text, reply=seed.reply, label=seed.label, meta=meta, reason=reason)

    def _row(self, item: Item, draft: _Draft, *, template: str) -> Row:
        synthetic = {
            "teacher": self.spec.teacher.model,
            "task": self.spec.task.kind,
            "template": template,
            "item": item.id,
            "seeds": [one.id for one in item.seeds],
        }
        meta = {"synthetic": synthetic, "split": "train", **draft.meta}
        if item.seed.group is not None:
            meta["group"] = item.seed.group
        messages = [Message(role="user", content=draft.text)]
        if draft.reply:
            messages.append(Message(role="assistant", content=draft.reply))
        return Row(
            id=row_id([item.id, template, draft.text, draft.reply]),
            messages=tuple(messages),
            label=draft.label,
            subject=item.seed.subject,
            source=Source(file=f"teacher:{self.spec.teacher.model}", line=self._items),
            meta=meta,
        )

    def _judged(self, row: Row, draft: _Draft, *, language: str) -> Row:
        reason = draft.reason or self._fault(draft, language) or self._leak(asked(row))
        return self._compared(row) if reason is None else row.model_copy(update={"dropped": reason})

    def _fault(self, draft: _Draft, language: str) -> str | None:
        """What is wrong with the texts that the teacher wrote."""
        if not draft.text.strip():
            return "empty"
        texts = [text for text in (draft.text, draft.reply) if text and self.spec.task.kind != "score"]
        if any(map(is_refusal, texts)):
            return "teacher_refused"
        strange = any(language_of(text) not in (language, "und") for text in texts)
        return "other_language" if strange else None

    def _leak(self, text: str) -> str | None:
        return next((f"leak_{split}" for split, seen in self._held_out.items() if seen.find(text) is not None), None)

    def _compared(self, row: Row) -> Row:
        if self._compares:
            twin = self.seen.find(asked(row))
            if twin is not None:
                reason = "duplicate_exact" if twin.exact else "duplicate_near"
                return row.model_copy(update={"dropped": reason, "twin": twin.id})
        for check in self.checks:
            found = check(row)
            if found is not None:
                return row.model_copy(update={"dropped": found})
        if self._compares:
            self.seen.add(row.id, asked(row))
        return row
