"""What a teacher answered: JSON found in it and mended where that is safe, checked by its schema; refusals told."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from seekloop.data.synthesise.spec import TaskSpec
from seekloop.runtime.endpoint.reading import is_refusal, objects, without_thought

__all__ = [
    "Fault",
    "Pair",
    "Pairs",
    "Paraphrases",
    "Reply",
    "Score",
    "Task",
    "Tasks",
    "parse",
    "schema_of",
]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True, frozen=True)


class Paraphrases(_Answer):
    """Answer to `paraphrase`."""

    paraphrases: tuple[str, ...] = Field(min_length=1)


class Task(_Answer):
    """One new task."""

    instruction: str = Field(min_length=1)
    input: str = ""
    output: str = Field(min_length=1)


class Tasks(_Answer):
    """Answer to `instruct`."""

    tasks: tuple[Task, ...] = Field(min_length=1)


class Pair(_Answer):
    """A question about a text."""

    question: str = Field(min_length=1)
    answer: str = Field(min_length=1)
    quote: str = Field(min_length=1)


class Pairs(_Answer):
    """Answer to `document`."""

    pairs: tuple[Pair, ...] = Field(min_length=1)


class Reply(_Answer):
    """Answer to `reply`."""

    reply: str = Field(min_length=1)


class Score(_Answer):
    """Answer to `score`."""

    critique: str
    score: int = Field(ge=1, le=5)


Answer = Paraphrases | Tasks | Pairs | Reply | Score


@dataclass(frozen=True)
class Fault:
    """Why an answer cannot be used."""

    reason: str
    """`teacher_refused`, `teacher_cut_short`, `teacher_bad_json` or `teacher_off_schema`."""
    problem: str
    """For the teacher, and for people."""


def schema_of(task: TaskSpec) -> type[BaseModel]:
    """The form that an answer to this task must have."""
    forms: dict[str, type[BaseModel]] = {
        "paraphrase": Paraphrases,
        "instruct": Tasks,
        "document": Pairs,
        "reply": Reply,
        "score": Score,
    }
    return forms[task.kind]


def parse(text: str, form: type[BaseModel], *, cut_short: bool = False) -> BaseModel | Fault:
    """The answer in a teacher's text, or what is wrong with it.

    JSON is taken from a fence or from between the first brace and its partner; reasoning before it is left out. Mended
    are only a comma before a closing bracket and raw line breaks inside strings: nothing is guessed.

    Args:
        text: what the teacher wrote.
        form: the schema.
        cut_short: the endpoint said that the answer was cut at its limit of tokens.
    """
    bare = without_thought(text)
    problem: str | None = None
    for value, is_outermost in objects(bare):
        try:
            return form.model_validate(value)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            problem = problem or (f"{place or 'the object'}: {first['msg']}" if is_outermost else None)
    if problem is not None:
        return Fault("teacher_off_schema", problem)
    if is_refusal(bare):
        return Fault("teacher_refused", bare[:200])
    if cut_short:
        return Fault("teacher_cut_short", "the answer was cut at the limit of tokens")
    return Fault("teacher_bad_json", "the answer holds no JSON object that can be read")
