"""The tracker that needs no package: a file of JSON lines a run, which anything can follow."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seekloop.tune.trackers.tracker import Run

__all__ = ["JsonLines"]


class JsonLines:
    """`RUN.jsonl`: a line with `run` and its facts, one for each entry, one with `artifact`."""

    def __init__(self) -> None:
        self._file = Path()

    def begin(self, run: Run, *, history: Sequence[Mapping[str, float]]) -> None:
        """Write the file anew with what was seen before: steps that are done once more stand there once."""
        run.folder.mkdir(parents=True, exist_ok=True)
        self._file = run.folder / f"{run.id}.jsonl"
        self._file.write_text("", "utf-8")
        self._append({"run": run.id, **run.facts}, *history)

    def entry(self, entry: Mapping[str, float]) -> None:
        """One line."""
        self._append(entry)

    def end(self, artifact: str | None) -> None:
        """The last line."""
        self._append({"artifact": artifact})

    def _append(self, *values: Mapping[str, Any]) -> None:
        with self._file.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(dict(value), ensure_ascii=False) + "\n" for value in values)
