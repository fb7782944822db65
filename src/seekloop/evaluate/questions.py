"""The rows of a split as questions: what is asked, and what the right answer is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import Message, Row, read_rows
from seekloop.artifact.store import Store
from seekloop.evaluate.scoring import whole_answer
from seekloop.evaluate.spec import EvaluateSpec
from seekloop.model.codec import Codec
from seekloop.runtime.generate.backend import Prompt
from seekloop.system import digests
from seekloop.system.errors import DataError

__all__ = ["Question", "prompts", "questions"]


@dataclass(frozen=True, kw_only=True)
class Question:
    """One row: everything before its last assistant turn is asked, and that turn is the right answer."""

    row: Row

    @property
    def asked(self) -> tuple[Message, ...]:
        """The conversation up to the answer."""
        return self.row.messages[:-1]

    @property
    def answer(self) -> Message:
        """The right answer."""
        return self.row.messages[-1]

    @property
    def key(self) -> tuple[str, str]:
        """As `Scored.key`."""
        return self.row.id, whole_answer(self.answer)

    @property
    def where(self) -> str:
        """Where the row was read."""
        return f"{self.row.source.file}:{self.row.source.line}"


def questions(dataset: Dataset, spec: EvaluateSpec, *, store: Store) -> list[Question]:
    """The questions of the split that `spec` names, in the dataset's order.

    Raises:
        DataError: the split is empty, a row does not end with an answer or with an empty one, or has no label where
            the dataset says that answers hold one.
        ArtifactError: the dataset's files are not in the store.
    """
    rows = list(read_rows(store.path(dataset.id, f"{spec.split}.jsonl")))
    if not rows:
        raise DataError("evaluate.empty_split", split=spec.split, dataset=digests.short(dataset.id))
    if spec.limit is not None:
        chosen = set(sorted((row.id for row in rows), key=_place)[: spec.limit])
        rows = [row for row in rows if row.id in chosen]
    return [_question(row, labelled=dataset.answer != "text") for row in rows]


def prompts(asked: Sequence[Question], spec: EvaluateSpec, *, codec: Codec, seed: int) -> list[Prompt]:
    """The prompt of each question, exactly as the server would send it.

    Raises:
        DataError: a prompt and the longest answer do not fit the context together.
    """
    return [_prompt(question, spec, codec=codec, seed=seed) for question in asked]


def _place(identity: str) -> str:
    """A fixed order that has nothing to do with the rows' own: rows are often sorted by label."""
    return digests.of_json(["evaluate", identity])


def _question(row: Row, *, labelled: bool) -> Question:
    where = f"{row.source.file}:{row.source.line}"
    if len(row.messages) < 2 or row.messages[-1].role != "assistant":
        raise DataError("evaluate.no_answer", row=row.id, where=where)
    if not whole_answer(row.messages[-1]):
        raise DataError("evaluate.empty_reference", row=row.id, where=where)
    if labelled and not row.label:
        raise DataError("evaluate.no_label", row=row.id, where=where)
    return Question(row=row)


def _prompt(question: Question, spec: EvaluateSpec, *, codec: Codec, seed: int) -> Prompt:
    ids = codec.prompt_ids(question.asked, tools=question.row.tools)
    if len(ids) + spec.max_tokens > spec.context:
        raise DataError(
            "evaluate.prompt_too_long",
            row=question.row.id,
            tokens=len(ids),
            max_tokens=spec.max_tokens,
            context=spec.context,
            where=question.where,
        )
    return Prompt(ids=ids, stop_ids=codec.stop_ids, max_tokens=spec.max_tokens, temperature=spec.temperature, seed=seed)
