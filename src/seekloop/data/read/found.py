"""The files of a source that is one file or a folder with everything in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path

from seekloop.data.read.files import locate
from seekloop.data.read.stream import Desk
from seekloop.system.errors import DataError

__all__ = ["files_of"]


def files_of(given: str, *, suffixes: Collection[str], desk: Desk) -> list[tuple[Path, str]]:
    """Each file and how it is named: the one that is given, or those of a folder by their extension, in order of name.

    Hidden files are not looked at; others of a folder that are left out are counted aloud.

    Raises:
        DataError: nothing is there, or the folder holds no such file.
    """
    path = locate(given, root=desk.ctx.root)
    if path.is_file():
        return [(path, given)]
    every = sorted(one for one in path.rglob("*") if one.is_file())
    seen = [one for one in every if not any(part.startswith(".") for part in one.relative_to(path).parts)]
    chosen = [one for one in seen if one.suffix.lower() in suffixes]
    left = Counter(one.suffix.lower() or "no extension" for one in seen if one.suffix.lower() not in suffixes)
    if left:
        counts = ", ".join(f"{count} {suffix}" for suffix, count in sorted(left.items()))
        desk.say(f"{given}: left out, of another kind: {counts}")
    if not chosen:
        raise DataError("data.none_of_kind", kinds=" ".join(sorted(suffixes)), where=given)
    return [(one, f"{given.rstrip('/')}/{one.relative_to(path).as_posix()}") for one in chosen]
