"""The answers that a run has so far: one line each, appended as they come, so that a killed run goes on from them.

A line is counted only when it is whole and its checksum is right: what a kill or a full disk tore off is asked again.
The folder's name says everything that decides an answer, so a line can only be found by a run that would get the same.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.evaluate.spec import EvaluateSpec
from seekloop.system import digests, provenance
from seekloop.system.clock import Clock
from seekloop.system.errors import DataError
from seekloop.system.files import disk_full_is_a_sentence, exclusive

__all__ = ["Answered", "key"]

_name = "answers.part.jsonl"
_safe_every_s = 2.0
"""Longest time that an answer may be only in the system's memory: a kill takes none of it, a power cut does."""
_no_part = {"limit", "resamples", "streams", "threads"}


def key(spec: EvaluateSpec, *, checkpoint: Checkpoint, dataset: Dataset, seed: int) -> str:
    """Everything that decides an answer, as a name. How many rows are asked and what is made of them is no part."""
    asking = {name: value for name, value in spec.model_dump(mode="json").items() if name not in _no_part}
    parts = [asking, checkpoint.id, dataset.id, seed, provenance.code_version(), provenance.lock_digest()]
    return digests.of_json(parts).removeprefix("sha256:")[:16]


class Answered:
    """The answers of one run by the key of what was asked. Use inside `locked`.

    Args:
        folder: where they are kept until the report is committed.
        clock: of the run.
    """

    def __init__(self, folder: Path, *, clock: Clock) -> None:
        self.folder = folder
        self.found: dict[str, dict[str, Any]] = {}
        """Answers of earlier tries."""
        self.earlier_s = 0.0
        """Seconds that they took."""
        self._clock = clock
        self._started = self._saved = clock.monotonic()
        self._file: BinaryIO | None = None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep the folder to this process and read what is there; the kernel lets go when the process ends.

        Raises:
            DataError: another process is at the same run.
            ArtifactError: the disk is full.
        """
        with disk_full_is_a_sentence(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        with exclusive(self.folder, busy=DataError("evaluate.already_running", folder=self.folder)):
            path = self.folder / _name
            whole = self._read(path)
            # Unbuffered: what a kill leaves behind is a prefix of what was written.
            with disk_full_is_a_sentence(path), path.open("ab", buffering=0) as self._file:
                self._file.truncate(whole)
                yield

    def add(self, name: str, answer: Mapping[str, Any]) -> None:
        """Keep an answer to what `name` says was asked.

        Raises:
            ArtifactError: the disk is full.
            ValueError: outside `locked`.
        """
        if self._file is None:
            raise ValueError("the answers are not locked")
        now = self._clock.monotonic()
        at = round(self.earlier_s + now - self._started, 3)
        text = json.dumps({"asked": name, "at": at, "answer": dict(answer)}, ensure_ascii=False)
        self._file.write(f"{zlib.crc32(text.encode()):08x} {text}\n".encode())
        if now - self._saved > _safe_every_s:
            os.fsync(self._file.fileno())
            self._saved = now

    def remove(self) -> None:
        """Remove everything: the report is committed."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self, path: Path) -> int:
        """Take over the whole lines; returns how many bytes they are."""
        size = 0
        if path.exists():
            with path.open("rb") as file:
                for line in file:
                    checksum, _, text = line.removesuffix(b"\n").partition(b" ")
                    if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(text):
                        break
                    value = json.loads(text)
                    self.found[value["asked"]] = value["answer"]
                    self.earlier_s = value["at"]
                    size += len(line)
        return size
