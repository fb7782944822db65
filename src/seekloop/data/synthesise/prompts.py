"""What a teacher is told: Jinja templates, ours in English and Chinese or a user's own, in a sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from seekloop.data.synthesise.spec import Language, TaskSpec
from seekloop.system import digests
from seekloop.system.errors import DataError
from seekloop.system.plain import parse_yaml

__all__ = ["Prompts"]

_forms: Mapping[str, str] = {
    "paraphrase": '{"paraphrases": ["…", …]}',
    "instruct": '{"tasks": [{"instruction": "…", "input": "…", "output": "…"}, …]}',
    "document": '{"pairs": [{"question": "…", "answer": "…", "quote": "…"}, …]}',
    "reply": '{"reply": "…"}',
    "score": '{"critique": "…", "score": 3}',
}


class Prompts:
    """The prompts of one task in both languages.

    Args:
        task: the task; `task.prompt` is a file of the user's own.
        root: folder that its path is taken from.

    Raises:
        DataError: the file is not there, or is no Jinja template.
    """

    def __init__(self, task: TaskSpec, *, root: Path) -> None:
        self._task = task.kind
        self._shown = task.prompt or f"seekloop:{task.kind}"
        self._environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, trim_blocks=True)
        self._texts: dict[Language, dict[str, str]] = {}
        self._compiled: dict[str, jinja2.Template] = {}
        languages: tuple[Language, ...] = ("en", "zh")
        own = None if task.prompt is None else _read(root / task.prompt, task.prompt)
        for language in languages:
            ours = resources.files("seekloop.data.synthesise").joinpath("prompts", f"{language}.yaml")
            texts: dict[str, str] = parse_yaml(ours.read_text("utf-8"), where=ours)
            self._texts[language] = texts if own is None else {**texts, self._task: own}

    def digest(self, language: Language) -> str:
        """A short digest of the prompt's text, kept in every row: `en:3f9c1d2e`."""
        text = [self._texts[language][part] for part in ("system", "mend", self._task)]
        return f"{language}:{digests.of_json(text).removeprefix('sha256:')[:12]}"

    def ask(self, language: Language, words: Mapping[str, Any]) -> list[dict[str, str]]:
        """The first messages of a request.

        Raises:
            DataError: the template names what it is not given, or breaks the sandbox.
        """
        asked = self._rendered(self._texts[language][self._task], words)
        return [_message("system", self._texts[language]["system"]), _message("user", asked)]

    def mend(self, language: Language, *, answer: str, problem: str) -> list[dict[str, str]]:
        """The messages that follow an answer that cannot be used."""
        words = {"problem": problem, "form": _forms[self._task]}
        told = self._rendered(self._texts[language]["mend"], words)
        return [_message("assistant", answer), _message("user", told)]

    def _rendered(self, text: str, words: Mapping[str, Any]) -> str:
        try:
            if text not in self._compiled:
                self._compiled[text] = self._environment.from_string(text)
            return self._compiled[text].render(words).strip()
        except jinja2.TemplateError as error:
            raise DataError("synthesise.bad_prompt", problem=error, where=self._shown) from error


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _read(path: Path, shown: str) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("data.not_found", path=shown) from error
