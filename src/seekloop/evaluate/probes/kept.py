"""Answers to probes that are kept, so that a checkpoint that is measured again costs nothing more.

A file holds the answers to one list of questions, and its name says everything that decides them: the checkpoint, the
engine, what was asked, the code. So a report is the same, byte for byte, whether its answers were found or generated.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from seekloop.artifact.kinds import Checkpoint
from seekloop.runtime.generate.backend import Prompt
from seekloop.system import digests, provenance
from seekloop.system.files import disk_full_is_a_sentence, write_whole

__all__ = ["Kept"]


class Kept:
    """The answers of one checkpoint on one engine to one list of prompts.

    Args:
        work: folder of all such files.
        checkpoint: who answers.
        engine: name and version.
        asked: the prompts, in their order.
    """

    def __init__(self, work: Path, *, checkpoint: Checkpoint, engine: str, asked: Sequence[Prompt]) -> None:
        prompts = [dataclasses.asdict(one) | {"stop_ids": sorted(one.stop_ids)} for one in asked]
        parts = [checkpoint.id, engine, prompts, provenance.code_version(), provenance.lock_digest()]
        self.path = work / "probes" / f"{digests.of_json(parts).removeprefix('sha256:')[:32]}.json"
        self._count = len(asked)

    def read(self) -> list[tuple[int, ...]] | None:
        """The token ids of each answer; None: nothing is there, or not what was written."""
        if not self.path.is_file():
            return None
        try:
            value = json.loads(self.path.read_bytes())
        except ValueError:
            return None
        if not isinstance(value, dict) or value.get("digest") != digests.of_json(value.get("answers")):
            return None
        found = [tuple(ids) for ids in value["answers"]]
        return found if len(found) == self._count else None

    def write(self, answers: Sequence[Sequence[int]]) -> None:
        """Keep them, whole or not at all; of two processes that do, either leaves the same.

        Raises:
            ArtifactError: the disk is full.
        """
        listed = [list(ids) for ids in answers]
        with disk_full_is_a_sentence(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, json.dumps({"digest": digests.of_json(listed), "answers": listed}).encode())
