"""Answers that were paid for, kept on disk: one SQLite file, each answer whole before the next step is taken.

The key of an answer is the digest of its request, so a run that is killed and started again makes the same requests,
finds those that were answered, and asks only the others.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self, TypedDict

from seekloop.system import digests
from seekloop.system.files import disk_full_is_a_sentence

__all__ = ["Kept", "Queue", "Told", "request_key"]

_busy_s = 30.0


class Told(TypedDict):
    """One token of an answer, as OpenAI's protocol tells it."""

    token: str
    top: list[tuple[str, float]]
    """The likeliest tokens in its place with their log-probabilities."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One answer of an endpoint."""

    text: str
    model: str
    """The model that says it answered."""
    finish: str
    """`stop`, `length`, `content_filter`, …"""
    tokens_in: int
    tokens_out: int
    counted: bool = True
    """Whether the endpoint counted the tokens; else they are our estimate."""
    rejected: str = ""
    """Why the endpoint will never answer this request; empty for an answer."""
    tokens: list[Told] | None = None
    """The answer token by token, where that was asked for (`logprobs`) and told."""


def request_key(item: str, body: Mapping[str, Any]) -> str:
    """The key of a request: what is asked, by which item. The endpoint's address and key do not count."""
    return digests.of_json([item, dict(body)]).removeprefix("sha256:")


class Queue:
    """Answers by request. One connection, used from one thread at a time."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, timeout=_busy_s, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        with disk_full_is_a_sentence(path):
            self._connection.execute("CREATE TABLE IF NOT EXISTS answer (key TEXT PRIMARY KEY, item TEXT, kept TEXT)")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        with self._lock:
            return int(self._connection.execute("SELECT count(*) FROM answer").fetchone()[0])

    def get(self, key: str) -> Kept | None:
        """The answer to a request; None: it has none yet."""
        with self._lock:
            found = self._connection.execute("SELECT kept FROM answer WHERE key = ?", (key,)).fetchone()
        return None if found is None else Kept(**json.loads(found[0]))

    def put(self, key: str, kept: Kept, *, item: str) -> None:
        """Keep an answer; it is on the disk when this returns. The first answer to a request stays.

        Raises:
            ArtifactError: the disk is full.
        """
        text = json.dumps(asdict(kept), ensure_ascii=False)
        with self._lock, disk_full_is_a_sentence(self.path):
            self._connection.execute("INSERT OR IGNORE INTO answer VALUES (?, ?, ?)", (key, item, text))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
