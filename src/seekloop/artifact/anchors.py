"""Signed heads of the chain, kept outside the database: what shows that its tail was cut off."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seekloop.artifact.chain import Chain
from seekloop.system import digests
from seekloop.system.errors import LedgerError
from seekloop.system.files import disk_full_is_a_sentence

__all__ = ["Anchor", "Anchors"]


@dataclass(frozen=True)
class Anchor:
    """That the chain once had this event at its head."""

    seq: int
    mac: str


class Anchors:
    """A JSONL file of signed heads, one a line, only appended to. Copy it to another machine now and then.

    Args:
        path: the file; made when first appended to.
        chain: signs and checks the lines.
    """

    def __init__(self, path: Path, chain: Chain) -> None:
        self._path = path
        self._chain = chain

    def append(self, *, seq: int, mac: str, at: str) -> None:
        """Add a head, on the disk when this returns; what a crash left of a line before it is cut off first.

        Raises:
            ArtifactError: the disk is full.
        """
        signature = self._chain.sign("anchor", seq, mac, at)
        line = digests.canonical({"seq": seq, "mac": mac, "at": at, "signature": signature}) + b"\n"
        with disk_full_is_a_sentence(self._path), self._path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            data = file.read()
            file.truncate(data.rfind(b"\n") + 1)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> Iterator[Anchor]:
        """Every head, oldest first; half a line at the end is what a crash left, and is passed over.

        Raises:
            LedgerError: a line is not one that was signed with this ledger's key; it is named.
        """
        if not self._path.exists():
            return
        data = self._path.read_bytes()
        for number, line in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), start=1):
            try:
                value = json.loads(line)
                values = ("anchor", value["seq"], value["mac"], value["at"])
                good = self._chain.holds(value["signature"], *values)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise LedgerError("artifact.anchor_changed", where=f"{self._path}:{number}") from error
            if not good:
                raise LedgerError("artifact.anchor_changed", where=f"{self._path}:{number}")
            yield Anchor(value["seq"], value["mac"])
