"""Errors that a user can fix: one sentence, then a hint, in English or Chinese, never a traceback.

SeekloopError
├── UsageError         a wrong flag, key or argument
├── DataError          a row, file or encoding that cannot be read as it is
├── ArtifactError      a missing, damaged or newer artifact
├── LedgerError        a broken chain, a lost race, a locked database
├── ModelError         an unknown base, family or tokenizer
├── TrainError         a run that cannot be right, or stopped being right
├── EngineError        an engine process that did not start, answer or stay alive
├── MissingPackage     an optional package that is not installed
└── GateRefused        a gate said no (exit code 3)

The sentences live in `system/messages/ROOM.toml`, one table a code, so that both languages stay side by side.
Anything that is not a SeekloopError is a defect of ours and keeps its traceback.
"""

from __future__ import annotations

import functools
import tomllib
from importlib import resources

from seekloop.system import settings

__all__ = [
    "ArtifactError",
    "DataError",
    "EngineError",
    "GateRefused",
    "LedgerError",
    "MissingPackage",
    "ModelError",
    "SeekloopError",
    "TrainError",
    "UsageError",
    "messages",
]


class SeekloopError(Exception):
    """Something the user can fix.

    Args:
        code: `room.name`, a table of `system/messages/room.toml` with `en`, `zh`, `hint_en` and `hint_zh`.
        facts: values for the placeholders of the sentence; `where` ("file:line"), if given, is printed before it.
    """

    exit_code = 2

    def __init__(self, code: str, /, **facts: object) -> None:
        super().__init__(code)
        self.code = code
        self.facts = facts

    def sentence(self, language: str | None = None) -> str:
        """The one sentence that says what is wrong, in `language` ("en" or "zh"; default: the user's)."""
        text = self._text("{}", language)
        where = self.facts.get("where")
        return f"{where}: {text}" if where else text

    def hint(self, language: str | None = None) -> str:
        """What to do about it; empty where there is nothing better than the sentence itself."""
        return self._text("hint_{}", language)

    def __str__(self) -> str:
        hint = self.hint()
        return f"{self.sentence()}\nhint: {hint}" if hint else self.sentence()

    def _text(self, key: str, language: str | None) -> str:
        entry = messages(self.code.partition(".")[0])[self.code.partition(".")[2]]
        template = entry[key.format(language or settings.language())]
        return template.format_map(self.facts)


class UsageError(SeekloopError):
    """A wrong flag, key or argument."""


class DataError(SeekloopError):
    """A row, file or encoding that cannot be read as it is."""


class ArtifactError(SeekloopError):
    """A missing, damaged or newer artifact."""


class LedgerError(SeekloopError):
    """A broken chain, a lost race or a locked database."""


class ModelError(SeekloopError):
    """An unknown base, family or tokenizer."""


class TrainError(SeekloopError):
    """A run that cannot be right, or stopped being right."""


class EngineError(SeekloopError):
    """An engine process that did not start, answer or stay alive."""


class MissingPackage(SeekloopError):
    """An optional package that is not installed."""


class GateRefused(SeekloopError):
    """A gate said no."""

    exit_code = 3


@functools.cache
def messages(room: str) -> dict[str, dict[str, str]]:
    """The message table of one room: name -> {en, zh, hint_en, hint_zh}."""
    text = resources.files("seekloop.system").joinpath("messages", f"{room}.toml").read_text("utf-8")
    return tomllib.loads(text)
