"""What one caller has asked, in twelve kilobytes: how much, how much of it new, and over how many kinds of answer.

A sketch holds no text: hashes under a secret, folded into bits. Two sketches of the same days, made by two gateways,
add up to one. Windows of six bytes (six Latin letters, two Chinese characters) stand for what was covered.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Features", "Sketch", "fold"]

_width = 6
_longest = 600
"""Bytes of a prompt that are looked at."""
_gram_bits = 1 << 16
_prompt_bits = 1 << 15
_classes = 256
_recent = 512
_salts = (0x0, 0x9E3779B9, 0x7F4A7C15, 0xBF58476D)


def fold(text: str) -> bytes:
    """A prompt without what writers vary without meaning: case and white space."""
    return " ".join(text.casefold().split()).encode()


@dataclass(frozen=True)
class Features:
    """What a caller is judged by."""

    queries: int
    growth: float
    """Logarithm of the number of different windows of text that were covered."""
    fresh: float
    """Share of prompts that were not asked before."""
    even: float
    """Entropy of the kinds of answer over its maximum: 1 is a caller who gets each kind equally often."""
    probing: float
    """Share of prompts that nearly, but not quite, repeat one of the last few hundred."""

    @property
    def values(self) -> tuple[float, float, float, float]:
        """All but the number of queries."""
        return self.growth, self.fresh, self.even, self.probing


class Sketch:
    """The queries of one caller on one day, or of several days together.

    Args:
        secret: seeds the hashes.
    """

    def __init__(self, secret: int) -> None:
        self._secret = secret & 0xFFFFFFFF
        self._grams = bytearray(_gram_bits // 8)
        self._prompts = bytearray(_prompt_bits // 8)
        self._gram_count = self._prompt_count = 0
        self._answers: dict[int, int] = {}
        self._last: dict[tuple[int, int], int] = {}
        self.queries = 0
        self.near = 0

    def knows(self, prompt: bytes) -> bool:
        """Whether a folded prompt was asked before; it errs for one in a hundred where some 300 were asked."""
        place, bit = self._place(prompt)
        return bool(self._prompts[place] & bit)

    def ask(self, prompt: bytes) -> None:
        """Take a folded prompt in."""
        self.queries += 1
        data, secret = prompt[:_longest], self._secret
        crc32 = zlib.crc32
        hashes = {crc32(data[at : at + _width], secret) for at in range(max(1, len(data) - _width + 1))}
        grams = self._grams
        for value in hashes:
            place, bit = (value >> 3) & 0x1FFF, 1 << (value & 7)
            if not grams[place] & bit:
                grams[place] |= bit
                self._gram_count += 1
        place, bit = self._place(prompt)
        if not self._prompts[place] & bit:
            self._prompts[place] |= bit
            self._prompt_count += 1
            self.near += self._resembles(hashes, place << 8 | bit)

    def answered(self, answer: str) -> None:
        """Take the kind of an answer in: its first line, of which labels and opening words are the same each time."""
        kind = zlib.crc32(answer.lstrip()[:48].partition("\n")[0].encode(), self._secret) % _classes
        self._answers[kind] = self._answers.get(kind, 0) + 1

    @property
    def prompts(self) -> float:
        """Different prompts, by linear counting (Whang et al. 1990)."""
        free = max(1, _prompt_bits - self._prompt_count)
        return _prompt_bits * math.log(_prompt_bits / free)

    def features(self) -> Features:
        """What this caller is judged by."""
        queries = max(1, self.queries)
        free = max(1, _gram_bits - self._gram_count)
        covered = _gram_bits * math.log(_gram_bits / free)
        told = sum(self._answers.values())
        kinds = len(self._answers)
        entropy = -sum(count / told * math.log(count / told) for count in self._answers.values()) if told else 0.0
        return Features(
            queries=self.queries,
            growth=math.log(max(1.0, covered)),
            fresh=min(1.0, self.prompts / queries),
            even=entropy / math.log(kinds) if kinds > 1 else 0.0,
            probing=self.near / queries,
        )

    def add(self, other: Sketch) -> None:
        """Take in what another sketch with the same secret has seen."""
        self._grams = _either(self._grams, other._grams)
        self._prompts = _either(self._prompts, other._prompts)
        self._gram_count, self._prompt_count = _ones(self._grams), _ones(self._prompts)
        self.queries += other.queries
        self.near += other.near
        for kind, count in other._answers.items():
            self._answers[kind] = self._answers.get(kind, 0) + count

    def dump(self) -> bytes:
        """The sketch, compressed."""
        head = {"queries": self.queries, "near": self.near, "answers": dict(self._answers)}
        return zlib.compress(json.dumps(head).encode() + b"\n" + self._grams + self._prompts, 1)

    @classmethod
    def load(cls, data: bytes, secret: int) -> Sketch:
        """A sketch that `dump` gave.

        Raises:
            ValueError: it did not.
        """
        sketch = cls(secret)
        try:
            first, _, rest = zlib.decompress(data).partition(b"\n")
        except zlib.error as error:
            raise ValueError("no sketch") from error
        head: Mapping[str, int | dict[str, int]] = json.loads(first)
        if len(rest) != (_gram_bits + _prompt_bits) // 8:
            raise ValueError("a sketch of another size")
        sketch._grams = bytearray(rest[: _gram_bits // 8])
        sketch._prompts = bytearray(rest[_gram_bits // 8 :])
        sketch._gram_count, sketch._prompt_count = _ones(sketch._grams), _ones(sketch._prompts)
        match head:
            case {"queries": int(queries), "near": int(near), "answers": dict(answers)}:
                sketch.queries, sketch.near = queries, near
                sketch._answers = {int(kind): count for kind, count in answers.items()}
            case _:
                raise ValueError("no sketch")
        return sketch

    def _place(self, prompt: bytes) -> tuple[int, int]:
        whole = zlib.crc32(prompt, ~self._secret & 0xFFFFFFFF)
        return (whole >> 3) & 0xFFF, 1 << (whole & 7)

    def _resembles(self, hashes: set[int], whole: int) -> bool:
        """Whether a new prompt shares half of its MinHash (Broder 1997) with a recent one."""
        votes: dict[int, int] = {}
        last = self._last
        for slot, salt in enumerate(_salts):
            entry = slot, min(map(salt.__xor__, hashes))
            before = last.pop(entry, None)
            if before is not None:
                votes[before] = votes.get(before, 0) + 1
            last[entry] = whole
        while len(last) > _recent * len(_salts):
            del last[next(iter(last))]
        return max(votes.values(), default=0) >= len(_salts) // 2


def _either(one: bytearray, other: bytearray) -> bytearray:
    both = int.from_bytes(one, "little") | int.from_bytes(other, "little")
    return bytearray(both.to_bytes(len(one), "little"))


def _ones(bits: bytearray) -> int:
    return int.from_bytes(bits, "little").bit_count()
