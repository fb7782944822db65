"""What a judge is asked about a task: the page's questions and anchors, the texts fenced off as material."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib import resources
from typing import Any

import jinja2

from seekloop.evaluate.human.spec import Dimension
from seekloop.evaluate.human.tasks import Task
from seekloop.evaluate.judge.spec import JudgeSpec
from seekloop.system import digests, plain
from seekloop.text import segment

__all__ = ["ask", "mend"]

Messages = list[dict[str, str]]


def ask(task: Task, spec: JudgeSpec, *, dimensions: Sequence[Dimension], swapped: bool) -> Messages:
    """The conversation that opens one question; the same task gives the same words.

    Args:
        task: what is judged.
        spec: language, guide, whether the right answer is shown.
        dimensions: the questions, in a language each.
        swapped: of two answers, show the baseline's first.
    """
    words: dict[str, Any] = {
        "turns": "\n".join(f"{turn.role}: {turn.content}" for turn in task.turns),
        "answers": (*reversed(task.answers),) if swapped else task.answers,
        "reference": task.reference if spec.reference else None,
        "dimensions": dimensions,
        "guide": spec.guide,
    }
    words["fence"] = _fence([words["turns"], *task.answers, task.reference])
    language = _language(task, spec)
    return [
        {"role": "system", "content": _template(language, "system").render(words)},
        {"role": "user", "content": _template(language, task.kind).render(words)},
    ]


def mend(task: Task, spec: JudgeSpec, *, answer: str, problem: str) -> Messages:
    """What is added to ask again."""
    text = _template(_language(task, spec), "mend").render(problem=problem)
    return [{"role": "assistant", "content": answer}, {"role": "user", "content": text}]


def _fence(texts: Sequence[str]) -> str:
    """A line that no text holds: nobody who wrote one of them could know it."""
    return f"=={digests.of_json(['fence', *texts]).removeprefix('sha256:')[:12]}=="


def _language(task: Task, spec: JudgeSpec) -> str:
    return spec.language or ("zh" if segment.language_of(task.turns[-1].content) == "zh" else "en")


@functools.cache
def _template(language: str, part: str) -> jinja2.Template:
    text = resources.files("seekloop.evaluate.judge").joinpath("prompts.yaml").read_text("utf-8")
    parts = plain.parse_yaml(text, where="prompts.yaml")[language]
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False, trim_blocks=True)
    return environment.from_string(parts[part])
