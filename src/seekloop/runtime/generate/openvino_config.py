"""What the parent tells the OpenVINO worker; imports no engine."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Self

from seekloop.runtime.openvino_ir import Rounding

__all__ = ["BLOCK", "OpenVinoConfig"]

BLOCK = 32
"""Tokens of a block of keys and values: OpenVINO's on CPUs."""


@dataclass(frozen=True, kw_only=True)
class OpenVinoConfig:
    """Goes to the worker as one line of JSON."""

    model: str
    """A folder with `openvino_model.xml`, or a GGUF file."""
    streams: int
    context: int
    """Tokens of prompt and answer together, for each stream."""
    threads: int
    rounding: Rounding
    prefixes: bool
    """Whether what was read of earlier prompts is kept for later ones that begin alike."""
    key: str
    """What the parent says first."""
    parent: int
    """Process that must be alive."""
    socket: str = ""
    """Path of a socket to listen on; empty: a free port of 127.0.0.1."""
    draft_tokens: int = 0
    """Tokens that are guessed at a time; 0: none are."""
    draft_ngram: int = 0
    """Ids that are looked for in the text so far."""

    @property
    def blocks(self) -> int:
        """So many that every stream can hold a whole context, and one to spare."""
        return self.streams * (-(-self.context // BLOCK) + 1) + 1

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Self:
        """The opposite of `to_json`."""
        return cls(**json.loads(line))
