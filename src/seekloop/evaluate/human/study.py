"""A study on the disk: its spec, its secret, its book of ratings, in a folder of the project's state."""

from __future__ import annotations

import contextlib
import hmac
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seekloop.artifact.context import RunContext
from seekloop.evaluate.human.book import Book
from seekloop.evaluate.human.spec import StudySpec
from seekloop.evaluate.human.tasks import Task, tasks_of
from seekloop.system.errors import UsageError
from seekloop.system.files import write_whole

__all__ = ["ASKED", "JUDGED", "Study", "folder_of", "make", "open_study"]

_spec, _secret, _book = "study.json", "secret", "ratings.sqlite"
JUDGED = "judge.sqlite"
"""File of a study with a judge's answers."""
ASKED = "judge.json"
"""File of a study that says which judge was asked, and what that took."""


def folder_of(name: str, *, ctx: RunContext) -> Path:
    """Where the study called `name` lies: beside the folder of work, which may be swept."""
    return ctx.work.parent / "studies" / name


def make(spec: StudySpec, *, ctx: RunContext) -> list[Task]:
    """Make a study, or find the same one again; its tasks.

    Raises:
        UsageError: there is another study of that name.
        DataError: the reports share no row.
        ArtifactError: a report is missing or damaged, or the disk is full.
    """
    tasks = tasks_of(spec, store=ctx.store)
    folder = folder_of(spec.name, ctx=ctx)
    if (folder / _spec).exists():
        if _read(folder) != spec:
            raise UsageError("human.other_study", name=spec.name, path=folder)
        return tasks
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    secret = folder / _secret
    if not secret.exists():
        write_whole(secret, secrets.token_hex(32).encode())
        secret.chmod(0o600)
    write_whole(folder / _spec, json.dumps(spec.model_dump(mode="json"), ensure_ascii=False, indent=1).encode())
    return tasks


@contextlib.contextmanager
def open_study(name: str, *, ctx: RunContext) -> Iterator[Study]:
    """The study called `name`, its book closed with the block.

    Raises:
        UsageError: there is none; those that are there are named.
        ArtifactError: a report is missing or damaged.
    """
    folder = folder_of(name, ctx=ctx)
    if not (folder / _spec).is_file():
        known = sorted(path.parent.name for path in folder.parent.glob(f"*/{_spec}"))
        raise UsageError("human.no_study", name=name, known=", ".join(known) or "-")
    spec = _read(folder)
    with Book(folder / _book) as book:
        (folder / _book).chmod(0o600)
        secret = bytes.fromhex((folder / _secret).read_text("ascii"))
        yield Study(spec=spec, folder=folder, tasks=tasks_of(spec, store=ctx.store), book=book, secret=secret)


@dataclass(frozen=True, kw_only=True)
class Study:
    """An open study."""

    spec: StudySpec
    folder: Path
    tasks: list[Task]
    """Of the people; in no rater's order."""
    book: Book
    secret: bytes

    def token(self, rater: str) -> str:
        """What stands in a rater's link: 128 bits that nobody can guess and that need not be stored."""
        text = f"rate\x1f{self.spec.name}\x1f{rater}"
        return hmac.new(self.secret, text.encode(), "sha256").hexdigest()[:32]

    def rater(self, token: str) -> str | None:
        """Whose link it is; None: nobody's. Every rater is compared, in constant time."""
        given = token.encode()
        found = [name for name in self.spec.raters if hmac.compare_digest(self.token(name).encode(), given)]
        return found[0] if found else None


def _read(folder: Path) -> StudySpec:
    return StudySpec.parse(json.loads((folder / _spec).read_text("utf-8")))
