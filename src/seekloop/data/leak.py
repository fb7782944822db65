"""Leaks between rounds and between fixed splits: what was tested is never trained, what was trained is never tested."""

from __future__ import annotations

import itertools
import json
import shutil
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import Row, read_rows
from seekloop.data.dedupe import Twin
from seekloop.data.spec import Split
from seekloop.data.split import Sorter
from seekloop.data.wording import asked
from seekloop.system import digests
from seekloop.system.errors import ArtifactError
from seekloop.system.files import disk_full_is_a_sentence, sync_file, sync_folder
from seekloop.text.complete import CompleteIndex
from seekloop.text.shingles import Prints, prints
from seekloop.text.similarity import Pairs

__all__ = ["Guard", "Settled", "Standing", "keep", "settled"]

_splits: tuple[Split, ...] = ("train", "validation", "test")
_against: dict[Split | None, tuple[Split, ...]] = {"test": ("train",), "validation": ("train", "test")}
_at_once = 4096
_worth_keeping = 5_000
"""Rows that take longer to read again than their index."""
_form = 2
"""Raised when fingerprints change, so that an index of another form is not read."""


class Settled:
    """Prompts whose split is settled: fingerprints, ids and splits, without texts.

    Args:
        index: the fingerprints; the class of each is the number of its split.
        ids: of the rows, by their number in the index.
    """

    def __init__(self, index: CompleteIndex, ids: Sequence[str] = ()) -> None:
        self.index = index
        self.ids = list(ids)

    def add(self, split: Split, rows: Iterable[Row]) -> None:
        """Remember rows that belong to `split`."""
        stream = iter(rows)
        while some := list(itertools.islice(stream, _at_once)):
            marks = prints([asked(row) for row in some])
            self.index.add(marks, np.full(len(some), _splits.index(split)))
            self.ids += [row.id for row in some]

    def save(self, folder: Path) -> None:
        """Write everything into `folder`, whole or not at all.

        Raises:
            ArtifactError: the disk is full; nothing is left of it.
        """
        temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:12]}.tmp")
        with disk_full_is_a_sentence(folder):
            try:
                temporary.mkdir(parents=True)
                self.index.save(temporary / "index.npz")
                (temporary / "ids.json").write_text(json.dumps(self.ids), "utf-8")
                for name in ("index.npz", "ids.json"):
                    sync_file(temporary / name)
                shutil.rmtree(folder, ignore_errors=True)
                temporary.rename(folder)
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
            sync_folder(folder.parent)

    @classmethod
    def load(cls, folder: Path) -> Settled:
        """What `save` wrote.

        Raises:
            OSError, ValueError, KeyError: there is none, or it is damaged.
        """
        return cls(CompleteIndex.load(folder / "index.npz"), json.loads((folder / "ids.json").read_text("utf-8")))


def settled(dataset: Dataset, *, similarity: float, ctx: RunContext) -> Settled:
    """The settled prompts of a dataset: from its index in the work folder, or from its rows where there is none.

    A large dataset's index is kept for the next round.
    """
    folder = _folder(dataset, similarity=similarity, ctx=ctx)
    if folder.is_dir():
        try:
            return Settled.load(folder)
        except (OSError, ValueError, KeyError) as error:
            ctx.progress.say(f"{folder}: the index is damaged and is made again ({error})")
    result = Settled(CompleteIndex(similarity))
    for split in _splits:
        result.add(split, read_rows(ctx.store.path(dataset.id, f"{split}.jsonl")))
    _keep(result, folder, ctx=ctx)
    return result


def keep(sorter: Sorter, places: Mapping[str, Split], *, dataset: Dataset, ctx: RunContext) -> None:
    """Keep the index of a dataset that was just made, so that the next round need not read its rows again."""
    sorter.index.reclass(np.array([_splits.index(places[identity]) for identity in sorter.ids], dtype=np.int64))
    _keep(Settled(sorter.index, sorter.ids), _folder(dataset, similarity=sorter.spec.similarity, ctx=ctx), ctx=ctx)


def _keep(known: Settled, folder: Path, *, ctx: RunContext) -> None:
    """Keep an index where that saves time; where the disk is full, the next round reads the rows again."""
    if len(known.ids) < _worth_keeping:
        return
    try:
        known.save(folder)
    except ArtifactError as error:
        ctx.progress.say(f"the index is not kept, the next round reads the rows again: {error.sentence()}")


def _folder(dataset: Dataset, *, similarity: float, ctx: RunContext) -> Path:
    return ctx.work / f"index-{digests.of_json([dataset.id, similarity, _form]).removeprefix('sha256:')[:16]}"


@dataclass(frozen=True)
class Standing:
    """Where a row stands to what is settled."""

    twin: Twin | None = None
    """Why it may not stand in the split that its source fixes (None: in any); None: it may."""
    trained: bool = False
    """Whether the parent trained on the like of it, so that it can only be trained again."""
    like: str | None = None
    """The trained row that is most like it; None: there is none."""


class Guard:
    """Prompts whose split is settled: those of the datasets before, and those that a source fixes.

    Args:
        similarity: from which a row is like another.
        trained: from which it is like one that was trained; None: the same. Never less.
    """

    def __init__(self, similarity: float, *, trained: float | None = None) -> None:
        self.similarity = similarity
        self._trained = max(similarity, trained or similarity)
        self._settled = [Settled(CompleteIndex(similarity))]

    def settle(self, split: Split, rows: Iterable[Row]) -> None:
        """Remember rows that belong to `split`."""
        self._settled[0].add(split, rows)

    def join(self, settled: Settled) -> None:
        """Remember all rows of a dataset before."""
        self._settled.append(settled)

    def snapshot(self) -> Guard:
        """Another guard of what this one knows now; what either is told later, the other does not know."""
        other = Guard(self.similarity, trained=self._trained)
        other._settled += self._settled[1:]
        return other

    def check(self, marks: Prints, fixed: Sequence[Split | None]) -> list[Standing]:
        """Where rows stand, given the fingerprints of what the user asked in them and the splits that sources fix.

        A twin's reason is `leak_test` or `leak_validation` for a row that would be trained though its like is held
        out, `leak_train` for a row that would be tested though the parent was trained on its like.
        """
        like: list[dict[Split, str]] = [{} for _ in fixed]
        best: defaultdict[tuple[int, Split], float] = defaultdict(float)
        for settled in self._settled:
            for new, split, identity, alike in _matches(settled, marks):
                if alike > best[new, split] and (split != "train" or alike >= self._trained):
                    best[new, split] = alike
                    like[new][split] = identity
        return [_standing(*pair) for pair in zip(like, fixed, strict=True)]


def _matches(settled: Settled, marks: Prints) -> Iterator[tuple[int, Split, str, float]]:
    """Place, split, id and likeness of all that is alike; texts with the same key are more alike than any other."""
    if len(settled.index) == 0:
        return
    pairs: Pairs = settled.index.matches(marks)
    splits = settled.index.classes(pairs.old)
    order = np.lexsort((pairs.old, pairs.new))
    for place in order.tolist():
        old = int(pairs.old[place])
        alike = float(pairs.similarity[place]) + float(pairs.exact[place])
        yield int(pairs.new[place]), _splits[int(splits[place])], settled.ids[old], alike


def _standing(like: dict[Split, str], fixed: Split | None) -> Standing:
    reasons = (split for split in _against.get(fixed, ("test", "validation")) if split in like)
    split = next(reasons, None)
    return Standing(None if split is None else Twin(f"leak_{split}", like[split]), "train" in like, like.get("train"))
