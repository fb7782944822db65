"""Compose: a row becomes the conversation that is trained, ending in an answer of the chosen form."""

from __future__ import annotations

from seekloop.artifact.rows import Message, Row
from seekloop.data.spec import ComposeSpec
from seekloop.text.labelled import AnswerForm, split

__all__ = ["choose_answer", "compose"]


def choose_answer(spec: ComposeSpec, *, rows: int, labelled: int, answered: int) -> AnswerForm:
    """The form of answer: as the spec says, or what at least half of the rows have."""
    if spec.answer is not None:
        return spec.answer
    if 2 * labelled >= rows:
        return "label_then_text" if 2 * answered >= rows else "label"
    return "text"


def compose(row: Row, spec: ComposeSpec, *, answer: AnswerForm) -> Row:
    """The row with a system message, where it had none, and its last answer in the form `answer`.

    A label on the first line of an answer that already has it there, such as a corrected one from production, is not
    put there twice. The conversation's other turns stay, and so does plain text.
    """
    if row.plain:
        return row
    messages = list(row.messages)
    if spec.system and not any(message.role == "system" for message in messages):
        messages.insert(0, Message(role="system", content=spec.system))
    if answer != "text":
        messages = _with_label(messages, row.label or "", alone=answer == "label")
    return row.model_copy(update={"messages": tuple(messages)})


def _with_label(messages: list[Message], label: str, *, alone: bool) -> list[Message]:
    last = messages[-1] if messages and messages[-1].role == "assistant" else None
    text = last.content if last is not None else ""
    first, rest = split(text, "label_then_text")
    text = rest if first == label else text
    content = label if alone else f"{label}\n{text}"
    if last is None:
        return [*messages, Message(role="assistant", content=content)]
    return [*messages[:-1], last.model_copy(update={"content": content})]
