"""A source's bytes as text: found, unpacked where gzipped, its encoding told by its bytes."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import BinaryIO, TextIO

from seekloop.system.errors import DataError
from seekloop.text.encoding import Encoding, check, sniff

__all__ = ["TextFile", "inspect", "locate", "open_text"]

_gzip_magic = b"\x1f\x8b"
_block = 1 << 18
_sample_prefix = "sample:"


@dataclass(frozen=True, kw_only=True)
class TextFile:
    """A file that can be read as text."""

    path: Path
    shown: str
    """The path as the user gave it: what errors and rows name."""
    gzipped: bool
    encoding: Encoding

    @property
    def kind(self) -> str:
        """The file's extension without `.gz`, lower-case: `csv`."""
        name = self.path.name.lower()
        return Path(name.removesuffix(".gz")).suffix.removeprefix(".")


def locate(given: str, *, root: Path) -> Path:
    """The place of a source: a file or folder, taken from `root`, or `sample:NAME` for a file of the shipped sample.

    Raises:
        DataError: nothing is there.
    """
    if given.startswith(_sample_prefix):
        path = Path(str(resources.files("seekloop.data"))) / "sample" / given.removeprefix(_sample_prefix)
    else:
        path = root / Path(given).expanduser()
    if not path.exists():
        raise DataError("data.not_found", path=given)
    return path


def inspect(path: Path, *, shown: str, encoding: str | None = None) -> TextFile:
    """Read the file once to learn what it is written in.

    Args:
        path: the file.
        shown: how to name it.
        encoding: name of its encoding; None: told by the bytes.

    Raises:
        DataError: it is not text, it is damaged gzip, or there is no such encoding.
    """
    with path.open("rb") as file:
        gzipped = file.read(2) == _gzip_magic
    if encoding is None:
        found = sniff(_blocks(path, gzipped=gzipped, shown=shown), where=shown)
    else:
        try:
            name = codecs.lookup(encoding).name
            "".encode(name)
        except LookupError as error:
            raise DataError("data.unknown_encoding", encoding=encoding, where=shown) from error
        found = check(_blocks(path, gzipped=gzipped, shown=shown), name)
    return TextFile(path=path, shown=shown, gzipped=gzipped, encoding=found)


@contextlib.contextmanager
def open_text(file: TextFile) -> Iterator[TextIO]:
    """The file's text, line ends as they are; bytes that the encoding does not allow become U+FFFD."""
    with (
        _open(file.path, file.gzipped) as raw,
        io.TextIOWrapper(raw, encoding=file.encoding.name, errors="replace", newline="") as text,
    ):
        yield text


def _open(path: Path, gzipped: bool) -> BinaryIO:
    return gzip.open(path, "rb") if gzipped else path.open("rb")  # type: ignore[return-value]


def _blocks(path: Path, *, gzipped: bool, shown: str) -> Iterator[bytes]:
    with _open(path, gzipped) as file:
        try:
            while block := file.read(_block):
                yield block
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError("data.bad_gzip", problem=str(error), where=shown) from error
