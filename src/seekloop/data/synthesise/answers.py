"""What a teacher answered: JSON found in it and mended where that is safe, checked by its schema; refusals told."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from seekloop.data.synthesise.spec import TaskSpec

__all__ = [
    "Fault",
    "Pair",
    "Pairs",
    "Paraphrases",
    "Reply",
    "Score",
    "Task",
    "Tasks",
    "is_refusal",
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


_refusals = re.compile(
    r"\W*(?:as an ai\b|作为(?:一个|一名|一款)?(?:ai|人工智能|(?:大|大型)?(?:语言)?模型)"
    r"|(?:i(?:'|’)?m (?:very )?sorry|i am (?:very )?sorry|sorry|i apologi[sz]e)?[,. ]*(?:but )?"
    r"i(?: can(?:no|'|’)t| am unable to| am not able to|(?:'|’)m unable to|(?:'|’)m not able to| won(?:'|’)t)"
    r" (?:assist|help with|comply|fulfil|create|generate|write|produce|paraphrase|do (?:that|this))"
    r"|(?:(?:很|非常|十分)?(?:抱歉|对不起|遗憾)[，,。！!、 ]*)?(?:但(?:是)?)?我(?:无法|不能)"
    r"(?:提供(?:这|该|此|任何)|回答(?:这|该|此)|满足|完成(?:这|该|此)|协助|生成|改写|创作|讨论))",
    re.IGNORECASE,
)
_fence = re.compile(r"```(?:json|JSON)?\s*\n?(.*?)```", re.DOTALL)
_thought = re.compile(r"<think>.*?</think>", re.DOTALL)
_tries = 64
"""Braces that are tried: a long text of braces must not cost more than it is worth."""
_trailing_comma = re.compile(r",(?=\s*[}\]])")


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


def is_refusal(text: str) -> bool:
    """Whether a text begins as a model begins that will not answer, in English or Chinese."""
    return _refusals.match(text.strip()) is not None


def parse(text: str, form: type[BaseModel], *, cut_short: bool = False) -> BaseModel | Fault:
    """The answer in a teacher's text, or what is wrong with it.

    JSON is taken from a fence or from between the first brace and its partner; reasoning before it is left out. Mended
    are only a comma before a closing bracket and raw line breaks inside strings: nothing is guessed.

    Args:
        text: what the teacher wrote.
        form: the schema.
        cut_short: the endpoint said that the answer was cut at its limit of tokens.
    """
    bare = _thought.sub("", text).strip()
    problem: str | None = None
    for value, is_outermost in _objects(bare):
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


def _objects(text: str) -> Iterator[tuple[dict[str, Any], bool]]:
    """JSON objects in the text, fenced ones first, and whether each begins at the first brace of its place."""
    for candidate in (*_fence.findall(text), text):
        first = start = candidate.find("{")
        tries = 0
        while start >= 0 and tries < _tries:
            value = _decoded(candidate[start:])
            if isinstance(value, dict):
                yield value, start == first
            start, tries = candidate.find("{", start + 1), tries + 1


def _decoded(text: str) -> object:
    decoder = json.JSONDecoder(strict=False)  # raw line breaks inside strings are let through
    for attempt in (text, _trailing_comma.sub("", text)):
        with contextlib.suppress(ValueError, RecursionError):
            return decoder.raw_decode(attempt)[0]
    return None
