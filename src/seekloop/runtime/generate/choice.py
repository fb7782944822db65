"""Which engine was fastest here for a form: what `seekloop bench engines` found, where `engine: auto` looks.

A small file beside the store, `engines.json`. It holds for the machine that measured it and for no other.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.system import digests, provenance
from seekloop.system.files import write_whole

__all__ = ["Choice", "choice_file", "keep", "kept"]

_facts = ("cpu", "cores", "memory_mib", "system")


@dataclass(frozen=True, kw_only=True)
class Choice:
    """How to run a form."""

    engine: str
    threads: int
    streams: int
    """Answers at the same time, beyond which the engine gives hardly more."""


def choice_file(store: Store) -> Path:
    """Where the choices of a project are kept."""
    return store.root.parent / "engines.json"


def keep(choice: Choice, checkpoint: Checkpoint, *, store: Store) -> None:
    """Have `engine: auto` take `choice` for checkpoints like this one, on this machine."""
    choices = _read(store)
    choices[_key(checkpoint)] = asdict(choice)
    text = json.dumps({"machine": _machine(), "choices": choices}, indent=2, sort_keys=True) + "\n"
    write_whole(choice_file(store), text.encode())


def kept(checkpoint: Checkpoint, *, store: Store) -> Choice | None:
    """What was measured here for checkpoints like this one; None: nothing was."""
    found = _read(store).get(_key(checkpoint))
    return None if found is None else Choice(**found)


def _read(store: Store) -> dict[str, dict[str, Any]]:
    path = choice_file(store)
    if not path.is_file():
        return {}
    value = json.loads(path.read_text("utf-8"))
    choices: dict[str, dict[str, Any]] = value["choices"] if value.get("machine") == _machine() else {}
    return choices


def _key(checkpoint: Checkpoint) -> str:
    """Checkpoints of one form, precision and size run alike, whatever they were taught."""
    return f"{checkpoint.form}/{checkpoint.precision}/{checkpoint.family}/{checkpoint.parameters}"


def _machine() -> str:
    facts = provenance.hardware()
    return digests.of_json({name: facts[name] for name in _facts})
