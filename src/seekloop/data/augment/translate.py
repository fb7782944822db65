"""Back-translation: into another language and back, by whoever translates: a process, an HTTP service, or a model.

Nothing is sent anywhere unless the spec names an address. A service that fails stops the work with a sentence; it is
never silently left out.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import httpx2

from seekloop.artifact.rows import Row
from seekloop.data.augment.gate import is_near
from seekloop.data.augment.resources import Kit
from seekloop.data.augment.rows import Tried, asked_last, named, replaced
from seekloop.data.augment.spec import ApertiumSpec, ChatSpec, HttpSpec, TranslatorSpec
from seekloop.data.intents import LabelHead
from seekloop.system.errors import DataError

__all__ = ["Translator", "back_translated", "open_translator", "round_trips"]

_timeout_s = 120.0
_asked_to = (
    "Translate the user's message from {source} to {target}. Keep its meaning, names, numbers and marks such as "
    "[PHONE]. Answer with the translation alone."
)


class Translator(Protocol):
    """Whoever translates."""

    def translate(self, texts: Sequence[str], *, source: str, target: str) -> list[str]:
        """The texts in another language, one for one."""


def open_translator(spec: TranslatorSpec) -> Translator:
    """The translator that a spec names.

    Raises:
        DataError: Apertium is not installed.
    """
    if isinstance(spec, ApertiumSpec):
        program = shutil.which("apertium")
        if program is None:
            raise DataError("augment.no_apertium")
        return _Apertium(program)
    return _Http(spec.url) if isinstance(spec, HttpSpec) else _Chat(spec)


def round_trips(texts: Sequence[str], translator: Translator, *, source: str, pivots: Sequence[str]) -> list[list[str]]:
    """What each text becomes through each pivot and back, in the order of the pivots."""
    found: list[list[str]] = [[] for _ in texts]
    for pivot in pivots:
        there = translator.translate(texts, source=source, target=pivot)
        for place, text in enumerate(translator.translate(there, source=pivot, target=source)):
            found[place].append(text)
    return found


def back_translated(
    rows: Sequence[Row], kit: Kit, *, translator: Translator, head: LabelHead | None = None
) -> Iterator[Tried]:
    """The first round trip of each row that passes the gate and the label check, or why none does."""
    spec = kit.spec.translator
    assert spec is not None  # AugmentSpec has looked
    texts = [asked_last(row) for row in rows]
    back = round_trips(texts, translator, source=spec.source, pivots=spec.pivots)
    for row, text, candidates in zip(rows, texts, back, strict=True):
        yield _first(row, kit, text=text, candidates=candidates, head=head)


def _first(row: Row, kit: Kit, *, text: str, candidates: Sequence[str], head: LabelHead | None) -> Tried:
    reason = "no_change"
    for number, candidate in enumerate(candidates):
        if candidate == text:
            continue
        if not is_near(text, candidate, operator="back_translation", window=kit.spec.window):
            reason = "too_far"
        elif head is not None and row.label is not None and head.refuses(candidate, row.label, made_of=row.id):
            reason = "label_changed"
        else:
            made = named(replaced(row, candidate), row, operator="back_translation", seed=number)
            return Tried("back_translation", made, "made")
    return Tried("back_translation", None, reason)


class _Apertium:
    """Apertium as a process: one call a language pair, a text a line."""

    def __init__(self, program: str) -> None:
        self._program = program

    def translate(self, texts: Sequence[str], *, source: str, target: str) -> list[str]:
        lines = [" ".join(text.split()) for text in texts]
        done = subprocess.run(
            [self._program, "-u", f"{source}-{target}"],
            input="\n".join(lines) + "\n",
            capture_output=True,
            text=True,
            check=False,
            timeout=_timeout_s,
        )
        answers = done.stdout.splitlines()
        if done.returncode != 0 or len(answers) != len(lines):
            problem = done.stderr.strip() or f"{len(answers)} answers to {len(lines)} texts"
            raise DataError("augment.translator", name=f"apertium {source}-{target}", problem=problem)
        return answers


class _Http:
    """A service that answers `{"translatedText": [...]}` to `{"q": [...], "source": ..., "target": ...}`."""

    def __init__(self, url: str) -> None:
        self._url = url

    def translate(self, texts: Sequence[str], *, source: str, target: str) -> list[str]:
        value = _post(self._url, {"q": list(texts), "source": source, "target": target, "format": "text"})
        answers = value.get("translatedText")
        if not isinstance(answers, list) or len(answers) != len(texts):
            raise DataError("augment.translator", name=self._url, problem="no list translatedText of the same length")
        return [str(answer) for answer in answers]


class _Chat:
    """A chat model, asked text by text."""

    def __init__(self, spec: ChatSpec) -> None:
        self._spec = spec

    def translate(self, texts: Sequence[str], *, source: str, target: str) -> list[str]:
        return [self._one(text, source=source, target=target) for text in texts]

    def _one(self, text: str, *, source: str, target: str) -> str:
        asked = _asked_to.format(source=source, target=target)
        messages = [{"role": "system", "content": asked}, {"role": "user", "content": text}]
        body = {"model": self._spec.model, "messages": messages, "temperature": 0}
        value = _post(f"{self._spec.url.rstrip('/')}/chat/completions", body)
        try:
            return str(value["choices"][0]["message"]["content"]).strip()
        except (KeyError, IndexError, TypeError) as error:
            raise DataError("augment.translator", name=self._spec.url, problem="no answer in it") from error


def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    try:
        answer = httpx2.post(url, json=body, timeout=_timeout_s)
        answer.raise_for_status()
        value = answer.json()
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        raise DataError("augment.translator", name=url, problem=error) from error
    if not isinstance(value, dict):
        raise DataError("augment.translator", name=url, problem="the answer is no object")
    return value
