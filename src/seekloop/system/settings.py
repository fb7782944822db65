"""The only reader of the process environment.

SEEKLOOP_HOME           folder of the model cache             (default ~/.cache/seekloop)
SEEKLOOP_LANG           language of messages: en or zh        (default: from LC_ALL, LC_MESSAGES or LANG)
SEEKLOOP_DATABASE_URL   ledger database                       (default: SQLite in the project folder)
SEEKLOOP_VAULT_URL      database of the keys of texts         (default: SQLite in the project folder)
SEEKLOOP_KEY_COMMAND    program in front of a key service that wraps those keys
                        (default: .seekloop/payload.key of the project, made when it is first needed)
SEEKLOOP_THREADS        CPU threads for training and engines  (default: all cores of this process)
SEEKLOOP_PII_KEY        32 bytes in hex under which personal data is replaced, hashed and encrypted
                        (default: .seekloop/pii.key of the project, made when it is first needed)
SEEKLOOP_TEST_POSTGRES  SQLAlchemy URL of a PostgreSQL server for the tests
RANK, WORLD_SIZE, LOCAL_WORLD_SIZE
                        place of this process among those of one run, as torchrun and accelerate set them
WANDB_MODE, SWANLAB_MODE, MLFLOW_TRACKING_URI
                        where a tracker is to report to  (default: a folder of the project, without a network)

Beside these, the variables that a spec names as `${NAME}`: passwords and tokens of data sources.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "Launch",
    "child_environment",
    "cores",
    "database_url",
    "faults",
    "home",
    "key_command",
    "language",
    "launch",
    "pii_key",
    "secret",
    "test_postgres",
    "threads",
    "tracker_mode",
    "unless_told",
    "vault_url",
    "wait_quietly",
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


def vault_url() -> str | None:
    """SQLAlchemy URL of the keys that texts are encrypted under, or None for SQLite in the project folder."""
    return os.environ.get("SEEKLOOP_VAULT_URL") or None


def key_command() -> str | None:
    """Program that wraps those keys, or None for a key file in the project folder."""
    return os.environ.get("SEEKLOOP_KEY_COMMAND") or None


def secret(name: str) -> str | None:
    """The value of a variable that a spec names as `${NAME}`; None where it is not set or empty."""
    return os.environ.get(name) or None


def pii_key() -> str | None:
    """Key for personal data, in hex; None: the project's own."""
    return os.environ.get("SEEKLOOP_PII_KEY") or None


def test_postgres() -> str | None:
    """SQLAlchemy URL of the PostgreSQL server that the tests may use."""
    return os.environ.get("SEEKLOOP_TEST_POSTGRES") or None


@dataclass(frozen=True, kw_only=True)
class Launch:
    """The place of this process among the processes of one run."""

    rank: int
    processes: int
    here: int
    """Processes on this machine."""


def launch() -> Launch:
    """How this process was started; alone, where no launcher says otherwise. `faults` has looked at the numbers."""
    processes = int(os.environ.get("WORLD_SIZE") or 1)
    return Launch(
        rank=int(os.environ.get("RANK") or 0),
        processes=processes,
        here=int(os.environ.get("LOCAL_WORLD_SIZE") or processes),
    )


def tracker_mode(name: str) -> str | None:
    """What the user's environment tells the tracker's own library about where to report; None: nothing."""
    return os.environ.get(name) or None


def unless_told(**values: str) -> None:
    """Set variables for a library that reads them when it is imported, where the user's environment does not."""
    for name, value in values.items():
        os.environ.setdefault(name, value)


def threads() -> int:
    """CPU threads that training and engines may use; processes of one run share the cores of their machine."""
    chosen = os.environ.get("SEEKLOOP_THREADS")
    return int(chosen) if chosen else max(1, cores() // launch().here)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def faults() -> dict[str, tuple[str, int]]:
    """Variables whose value makes no sense, by name, with the least that they may be: the doors refuse to start."""
    least = {"SEEKLOOP_THREADS": 1, "WORLD_SIZE": 1, "LOCAL_WORLD_SIZE": 1, "RANK": 0}
    given = {name: os.environ.get(name, "") for name in least}
    return {
        name: (chosen, least[name])
        for name, chosen in given.items()
        if chosen and not (chosen.isdecimal() and int(chosen) >= least[name])
    }


def child_environment(**changes: str) -> dict[str, str]:
    """The environment for a child process, with `changes` on top."""
    return {**os.environ, **changes}


def wait_quietly() -> None:
    """Let threads of one operation sleep while they wait for each other, unless the user's environment says otherwise.

    OpenMP lets them spin, which takes the very processor that the awaited thread needs where other work runs too. It
    reads this when a library first loads it, so a door calls this before anything heavy is imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
