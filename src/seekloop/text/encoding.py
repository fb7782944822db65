"""Which encoding a file is in: UTF-8, UTF-16, GB18030, Big5, or a Latin one where nothing else fits.

The file is read once, in blocks. GB18030 and Big5 accept much that was not written in them, so they are taken only
where most characters are in everyday use; and a UTF-8 or GB18030 file with a few
broken bytes is called that, not Latin-1.
"""

from __future__ import annotations

import codecs
import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from seekloop.system.errors import DataError

__all__ = ["Encoding", "check", "sniff"]

_boms = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_containers = {
    b"PK\x03\x04": "zip or xlsx",
    b"%PDF": "pdf",
    b"PAR1": "parquet",
    b"\xd0\xcf\x11\xe0": "xls or doc",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"(\xb5/\xfd": "zstandard",
    b"SQLite format 3": "sqlite",
    b"RIFF": "wav",
    b"fLaC": "flac",
    b"GGUF": "gguf",
}
_everyday = {"gb18030": ("gb2312", 0xB0, 0xD7), "big5": ("big5", 0xA4, 0xC6)}
"""Lead bytes of the first-level characters: the 3,755 most used of GB 2312, the 5,401 most used of Big5."""
_least_share = 0.6
_good_for_each_broken = 20
_sample = 1 << 20


@dataclass(frozen=True)
class Encoding:
    """What a file is written in."""

    name: str
    """`utf-8`, `utf-8-sig`, `utf-16`, `utf-16-le`, `utf-16-be`, `utf-32`, `gb18030`, `big5`, `cp1252` or `latin-1`."""
    broken_line: int | None = None
    """First line with a byte that the encoding does not allow; None: the whole file decodes."""


def sniff(blocks: Iterable[bytes], *, where: object) -> Encoding:
    """The encoding of a file, given as blocks of bytes; `where` is named in errors.

    Raises:
        DataError: the bytes are no text; the container is named where it is known.
    """
    stream = iter(blocks)
    head = next((block for block in stream if block), b"")
    marked = _marked(head, where)
    trials = [_Trial(name) for name in ((marked,) if marked else ("utf-8", "gb18030", "big5", "cp1252"))]
    for block in itertools.chain([head], stream):
        if not marked and b"\0" in block:
            raise DataError("text.binary", container="binary", where=where)
        for trial in trials:
            trial.feed(block)
    for trial in trials:
        trial.feed(b"", final=True)
    return Encoding(marked, trials[0].broken_line) if marked else _choose({trial.name: trial for trial in trials})


def check(blocks: Iterable[bytes], name: str) -> Encoding:
    """The encoding called `name`, with the first line of the file that breaks it."""
    trial = _Trial(name)
    for block in blocks:
        trial.feed(block)
    trial.feed(b"", final=True)
    return Encoding(name, trial.broken_line)


def _marked(head: bytes, where: object) -> str:
    """The Unicode form that a byte-order mark or the places of the NUL bytes give away; empty if neither does."""
    for mark, name in _boms:
        if head.startswith(mark):
            return name
    for magic, container in _containers.items():
        if head.startswith(magic):
            raise DataError("text.binary", container=container, where=where)
    if b"\0" not in head:
        return ""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    for name, zeros, others in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if zeros > len(head) * 0.2 and others < zeros * 0.05:
            return name
    return ""


class _Trial:
    """One encoding tried on the file: strictly up to the first byte that it does not allow, then counting those."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.broken = 0
        self.broken_line: int | None = None
        self.characters: Counter[str] = Counter()
        """Non-ASCII characters of the first megabyte that has any."""
        self._decoder = codecs.getincrementaldecoder(name)()
        self._line = 1
        self._counted = 0

    def feed(self, block: bytes, *, final: bool = False) -> None:
        pending = bytes(self._decoder.getstate()[0])
        try:
            text = self._decoder.decode(block, final)
        except UnicodeDecodeError:
            self._decoder = codecs.getincrementaldecoder(self.name)("replace")
            text = self._decoder.decode(pending + block, final)
        if self._decoder.errors == "replace":
            self.broken += text.count("\ufffd")
            if self.broken_line is None and "\ufffd" in text:
                self.broken_line = self._line + text[: text.index("\ufffd")].count("\n")
        if not text.isascii() and self._counted < _sample:
            self.characters.update(character for character in text if "\x7f" < character != "\ufffd")
            self._counted += len(block)
        self._line += text.count("\n")

    @property
    def mostly_right(self) -> bool:
        return self.characters.total() >= _good_for_each_broken * self.broken

    @property
    def everyday_share(self) -> float:
        """Share of the characters that are everyday characters or punctuation of the encoding, 0 to 1."""
        narrow, low, high = _everyday[self.name]
        good = 0
        for character, count in self.characters.items():
            try:
                lead = character.encode(narrow)[0]
            except UnicodeEncodeError:
                continue
            good += count if low <= lead <= high or 0xA1 <= lead <= 0xA3 else 0
        return good / max(1, self.characters.total())


def _choose(trials: dict[str, _Trial]) -> Encoding:
    if trials["utf-8"].broken_line is None:
        return Encoding("utf-8")
    chinese = [trials[name] for name in _everyday if trials[name].everyday_share >= _least_share]
    whole = [trial for trial in chinese if trial.broken_line is None]
    if whole:
        return Encoding(max(whole, key=lambda trial: trial.everyday_share).name)
    for trial in (trials["utf-8"], *chinese):
        if trial.mostly_right:
            return Encoding(trial.name, trial.broken_line)
    return Encoding("cp1252" if trials["cp1252"].broken_line is None else "latin-1")
