"""The only reader of the process environment.

SEEKLOOP_HOME           folder of the model cache             (default ~/.cache/seekloop)
SEEKLOOP_LANG           language of messages: en or zh        (default: from LC_ALL, LC_MESSAGES or LANG)
SEEKLOOP_DATABASE_URL   ledger database                       (default: SQLite in the project folder)
SEEKLOOP_THREADS        CPU threads for training and engines  (default: all cores of this process)
SEEKLOOP_PII_KEY        32 bytes in hex under which personal data is replaced, hashed and encrypted
                        (default: .seekloop/pii.key of the project, made when it is first needed)
SEEKLOOP_TEST_POSTGRES  SQLAlchemy URL of a PostgreSQL server for the tests

Beside these, the variables that a spec names as `${NAME}`: passwords and tokens of data sources.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = [
    "child_environment",
    "cores",
    "database_url",
    "faults",
    "home",
    "language",
    "pii_key",
    "secret",
    "test_postgres",
    "threads",
]


def home() -> Path:
    """Folder of what is shared between projects: the model cache."""
    return Path(os.environ.get("SEEKLOOP_HOME") or Path.home() / ".cache" / "seekloop")


def language() -> str:
    """Language of messages: "en" or "zh"."""
    names = ("SEEKLOOP_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    chosen = next((os.environ[name] for name in names if os.environ.get(name)), "en")
    return "zh" if chosen.lower().startswith("zh") else "en"


def database_url() -> str | None:
    """SQLAlchemy URL of the ledger, or None for SQLite in the project folder."""
    return os.environ.get("SEEKLOOP_DATABASE_URL") or None


def secret(name: str) -> str | None:
    """The value of a variable that a spec names as `${NAME}`; None where it is not set or empty."""
    return os.environ.get(name) or None


def pii_key() -> str | None:
    """Key for personal data, in hex; None: the project's own."""
    return os.environ.get("SEEKLOOP_PII_KEY") or None


def test_postgres() -> str | None:
    """SQLAlchemy URL of the PostgreSQL server that the tests may use."""
    return os.environ.get("SEEKLOOP_TEST_POSTGRES") or None


def threads() -> int:
    """CPU threads that training and engines may use."""
    chosen = os.environ.get("SEEKLOOP_THREADS")
    return int(chosen) if chosen else cores()


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def faults() -> dict[str, str]:
    """Variables whose value makes no sense, by name: the doors refuse to start with these."""
    chosen = os.environ.get("SEEKLOOP_THREADS", "")
    makes_sense = not chosen or (chosen.isdecimal() and int(chosen) > 0)
    return {} if makes_sense else {"SEEKLOOP_THREADS": chosen}


def child_environment(**changes: str) -> dict[str, str]:
    """The environment for a child process, with `changes` on top."""
    return {**os.environ, **changes}
