"""Zip archives: their files are unpacked one at a time and read as if they lay there."""

from __future__ import annotations

import fnmatch
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from seekloop.data.read.stream import Desk
from seekloop.system.errors import DataError

__all__ = ["is_workbook", "unpacked"]

_read = frozenset({".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt", ".xml", ".parquet", ".xlsx", ".gz"})
_utf8_flag = 0x800
_encrypted_flag = 0x1


def is_workbook(path: Path, *, shown: str) -> bool:
    """Whether a zip archive is an XLSX workbook.

    Raises:
        DataError: it is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except zipfile.BadZipFile as error:
        raise DataError("data.damaged", container="zip", problem=error, where=shown) from error


def unpacked(path: Path, *, pattern: str | None, shown: str, desk: Desk) -> Iterator[tuple[Path, str]]:
    """Each file of the archive, in the order of their names, in a temporary folder of its own, and how to name it.

    Args:
        path: the archive.
        pattern: which files, `*.csv`; None: all that can be read, the others being said aloud.
        shown: how the archive is named.
        desk: for what is left out.

    Raises:
        DataError: it is damaged or encrypted, or nothing in it fits.
    """
    with zipfile.ZipFile(path) as archive:
        members = sorted((_name(info), info) for info in archive.infolist() if not info.is_dir())
        members = [(name, info) for name, info in members if not name.startswith(("__MACOSX/", "."))]
        fits = [(name, info) for name, info in members if _fits(name, pattern)]
        left_out = [name for name, _ in members if not _fits(name, pattern)]
        if left_out:
            desk.say(f"{shown}: left out: {', '.join(left_out)}")
        if not fits:
            raise DataError("data.empty", where=shown)
        for name, info in fits:
            if info.flag_bits & _encrypted_flag:
                raise DataError("data.encrypted", where=f"{shown}!{name}")
            with tempfile.TemporaryDirectory() as folder:
                target = Path(folder) / PurePosixPath(name).name
                try:
                    with archive.open(info) as packed, target.open("wb") as file:
                        shutil.copyfileobj(packed, file)
                except (zipfile.BadZipFile, zlib.error, EOFError) as error:
                    raise DataError("data.damaged", container="zip", problem=error, where=f"{shown}!{name}") from error
                yield target, f"{shown}!{name}"


def _fits(name: str, pattern: str | None) -> bool:
    if pattern is None:
        return PurePosixPath(name).suffix.lower() in _read
    return fnmatch.fnmatch(name, pattern) or fnmatch.fnmatch(PurePosixPath(name).name, pattern)


def _name(info: zipfile.ZipInfo) -> str:
    """The name of a file; where it is not marked as UTF-8, Chinese Windows wrote it in GB18030."""
    if info.flag_bits & _utf8_flag or info.filename.isascii():
        return info.filename
    try:
        return info.filename.encode("cp437").decode("gb18030")
    except UnicodeError:
        return info.filename
