"""What a file of rows goes back to: a root over every row, source files, people, consent, what was made of what.

The root is a Merkle tree hash as in RFC 6962, section 2.1: leaves `H(00 || row)`, nodes `H(01 || left || right)`, H
being SHA-256. A row's leaf holds its id and the digest of its line, so that one changed byte of a row changes the root.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seekloop.artifact.kinds import Dataset
from seekloop.artifact.store import Store
from seekloop.system import digests
from seekloop.system.errors import ArtifactError

__all__ = ["TRAIN", "RowSet", "read_rowset", "root_of", "rowset_of"]

TRAIN = "train.jsonl"
"""The file of a dataset that weights are trained on."""
_made_from = ("augmented_from", "mixed_from", "replayed_from", "resampled_from", "synthetic", "taught_from")
_shown = 3
_unstated = "unstated"


@dataclass(kw_only=True)
class RowSet:
    """A file of rows, counted."""

    rows: int = 0
    root: str = ""
    """`sha256:HEX`, over all rows in the file's order."""
    digest: str = ""
    """Of the file's bytes."""
    first: list[str] = field(default_factory=list)
    """Ids of the first rows."""
    sources: Counter[str] = field(default_factory=Counter)
    """Rows by the file that they were read from."""
    origins: list[str] = field(default_factory=list)
    """Ids of the answers that rows came back from, one a row."""
    consent: Counter[str] = field(default_factory=Counter)
    """Rows by what their `meta` says of consent; `unstated`: nothing."""
    people: int = 0
    """Rows that carry a person's pseudonym."""
    made: Counter[str] = field(default_factory=Counter)
    """Rows that were made from other rows, by how."""
    leaves: list[list[str]] | None = None
    """Id and line digest of each row, where they were asked for."""

    def as_json(self) -> dict[str, Any]:
        """As a JSON value, without the first ids."""
        told: dict[str, Any] = {
            "rows": self.rows,
            "root": self.root,
            "digest": self.digest,
            "sources": dict(sorted(self.sources.items())),
            "origins": self.origins,
            "consent": dict(sorted(self.consent.items())),
            "people": self.people,
            "made": dict(sorted(self.made.items())),
        }
        return told if self.leaves is None else told | {"leaves": self.leaves}


def rowset_of(dataset: Dataset, *, store: Store, leaves: bool = False) -> RowSet | None:
    """The train rows of a dataset; None where it has no such file.

    Raises:
        ArtifactError: the file is missing, holds something that is no row, or is not the one that was committed.
    """
    if TRAIN not in dataset.files:
        return None
    found = read_rowset(store.path(dataset.id, TRAIN), leaves=leaves)
    if found.digest != dataset.files[TRAIN].digest:
        raise ArtifactError("artifact.changed", id=digests.short(dataset.id), file=TRAIN)
    return found


def read_rowset(path: Path, *, leaves: bool = False) -> RowSet:
    """Read a file of rows once, a line at a time.

    Args:
        path: JSONL, as `rows.write_rows` writes it.
        leaves: whether the ids and digests of all rows are kept.

    Raises:
        ArtifactError: a line is no row; it is named.
    """
    found, whole, tree = RowSet(leaves=[] if leaves else None), hashlib.sha256(), _Tree()
    for row, line in _rows(path):
        whole.update(line)
        leaf = [row["id"], digests.of_bytes(line.rstrip(b"\n"))]
        tree.add(leaf)
        if found.leaves is not None:
            found.leaves.append(leaf)
        _count(found, row)
    found.root, found.digest = tree.root(), f"sha256:{whole.hexdigest()}"
    return found


def root_of(leaves: Iterable[Sequence[str]]) -> str:
    """The root over (row id, line digest) pairs."""
    tree = _Tree()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root()


class _Tree:
    """Takes leaves one at a time and keeps only the hashes of whole subtrees, the largest first."""

    def __init__(self) -> None:
        self._whole: list[tuple[int, bytes]] = []

    def add(self, leaf: Sequence[str]) -> None:
        height, value = 0, hashlib.sha256(b"\x00" + digests.canonical(list(leaf))).digest()
        while self._whole and self._whole[-1][0] == height:
            value = hashlib.sha256(b"\x01" + self._whole.pop()[1] + value).digest()
            height += 1
        self._whole.append((height, value))

    def root(self) -> str:
        if not self._whole:
            return digests.of_bytes(b"")
        *before, (_, value) = self._whole
        for _, left in reversed(before):
            value = hashlib.sha256(b"\x01" + left + value).digest()
        return f"sha256:{value.hex()}"


def _count(found: RowSet, row: dict[str, Any]) -> None:
    meta = row.get("meta") or {}
    found.rows += 1
    found.sources[row["source"]["file"]] += 1
    if len(found.first) < _shown:
        found.first.append(row["id"])
    if row.get("origin"):
        found.origins.append(row["origin"])
    stated = meta.get("consent", _unstated)
    found.consent[stated if isinstance(stated, str) else digests.canonical(stated).decode()] += 1
    found.people += row.get("subject") is not None
    found.made.update(name for name in _made_from if name in meta)


def _rows(path: Path) -> Iterator[tuple[dict[str, Any], bytes]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
                if not isinstance(row["id"], str) or not isinstance(row["source"]["file"], str):
                    raise TypeError("ids and files are text")
                row.get("meta", {}).keys()
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ArtifactError("artifact.not_a_row", where=f"{path}:{number}") from error
            yield row, line
