"""Fingerprints of many texts at once: hashed shingles place by place, MinHash signatures and their bands.

A shingle is two characters where Chinese stands and three elsewhere, so that mixed text needs no decision. Signatures
are MinHash (Broder 1997) on 32-bit hashes: texts of about one length stand side by side in a matrix, padded with a
shingle of their own, which changes no minimum. Bands (Leskovec, Rajaraman, Ullman: Mining of Massive Datasets, section
3.4) say which texts are worth a comparison. Everything is deterministic, and no text depends on its neighbours.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seekloop.text.folding import Folded, fold, is_wide

__all__ = ["ENTRIES", "Hashes", "Prints", "bands", "keys", "prints", "spans"]

Hashes = NDArray[np.uint32]

ENTRIES = 140
"""Entries of a signature."""

_odd = np.uint64(0x9E3779B97F4A7C15)
_low = np.uint64(0xFFFFFFFF)
_block = 1 << 16
"""Matrix entries that are worked on at a time, so that they stay in the cache."""


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection that spreads close values apart."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = values ^ (values >> np.uint64(31))
    return mixed


_counted = _mix(np.arange(1, 2 * ENTRIES + 1, dtype=np.uint64) * _odd)
_multipliers: Hashes = (_counted[:ENTRIES] >> np.uint64(32)).astype(np.uint32) | np.uint32(1)
_offsets: Hashes = (_counted[ENTRIES:] >> np.uint64(32)).astype(np.uint32)


@dataclass(frozen=True, kw_only=True)
class Prints:
    """Fingerprints of texts: all that comparisons need of them."""

    keys: NDArray[np.uint64]
    """Two halves of a digest of the folded text, equal for exact duplicates; shape (texts, 2)."""
    lengths: NDArray[np.int32]
    """Characters of each folded text."""
    shingles: Hashes
    """Hashes of all texts' shingles, place by place; the lowest bit says that the shingle has three characters."""
    starts: NDArray[np.int64]
    """Where each text's shingles begin, and where the last one's end; shape (texts + 1,)."""
    signatures: NDArray[np.uint8]
    """Low bytes of the MinHash signature; shape (texts, 140)."""

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, index: NDArray[np.int64]) -> Prints:
        """The fingerprints of some of the texts."""
        starts = np.zeros(len(index) + 1, dtype=np.int64)
        np.cumsum(np.diff(self.starts)[index], out=starts[1:])
        return Prints(
            keys=self.keys[index],
            lengths=self.lengths[index],
            shingles=self.shingles[spans(self.starts, index)],
            starts=starts,
            signatures=self.signatures[index],
        )


def prints(texts: Sequence[str]) -> Prints:
    """The fingerprints of texts; each is what it would be alone."""
    folded = fold(texts)
    shingles, starts = _shingles(folded)
    return Prints(
        keys=_digests(folded),
        lengths=folded.lengths.astype(np.int32),
        shingles=shingles,
        starts=starts,
        signatures=_signatures(shingles, starts),
    )


def bands(batch: Prints, rows: int) -> Hashes:
    """Hashes of each signature's bands of `rows` entries and, last, of the key; shape (texts, 140 // rows + 1)."""
    count = ENTRIES // rows
    parts = batch.signatures[:, : count * rows].reshape(len(batch), count, rows).astype(np.uint64)
    packed = parts[:, :, 0]
    for column in range(1, rows):
        packed = (packed << np.uint64(8) if column % 8 else _mix(packed)) ^ parts[:, :, column]
    mixed = _mix(packed + np.arange(1, count + 1, dtype=np.uint64) * _odd)
    result = np.empty((len(batch), count + 1), dtype=np.uint32)
    result[:, :count] = mixed >> np.uint64(32)
    result[:, count] = batch.keys[:, 0] & _low
    return result


def keys(texts: Sequence[str]) -> list[bytes]:
    """A digest of each text's folded form: equal for texts that count as the same."""
    return [row.tobytes() for row in _digests(fold(texts))]


def spans(starts: NDArray[np.int64], index: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places of the entries of some of the texts, one text behind the other."""
    sizes = starts[index + 1] - starts[index]
    ends = np.cumsum(sizes)
    places = np.arange(ends[-1] if len(ends) else 0, dtype=np.int64)
    result: NDArray[np.int64] = places + np.repeat(starts[index] - (ends - sizes), sizes)
    return result


def _digests(folded: Folded) -> NDArray[np.uint64]:
    data, ends = folded.codes.astype("<u4").tobytes(), (folded.starts * 4).tolist()
    marks = [hashlib.blake2b(data[a:b], digest_size=16).digest() for a, b in itertools.pairwise(ends)]
    return np.frombuffer(b"".join(marks), dtype="<u8").astype(np.uint64).reshape(-1, 2)


def _shingles(folded: Folded) -> tuple[Hashes, NDArray[np.int64]]:
    """Hashed shingles of all texts, and where each text's begin.

    A text of n characters has n - 2 of them, one more where its last pair stands in none, and one where it is shorter.
    """
    codes, lengths = folded.codes.astype(np.uint64), folded.lengths
    if len(codes) == 0:
        return np.zeros(0, dtype=np.uint32), np.zeros(len(folded) + 1, dtype=np.int64)
    wide = is_wide(folded.codes)
    padded = np.concatenate((codes, np.zeros(2, dtype=np.uint64)))
    left = np.repeat(folded.starts[1:], lengths) - np.arange(len(codes))  # characters from here to the text's end
    three = ~wide & (left > 2)
    packed = codes | np.where(left > 1, padded[1:-1] << np.uint64(21), np.uint64(0))
    packed |= np.where(three, padded[2:] << np.uint64(42), np.uint64(0))
    before = np.concatenate((np.zeros(1, dtype=bool), wide[:-1]))
    first = np.zeros(len(codes), dtype=bool)
    first[folded.starts[:-1][lengths > 0]] = True
    stays = (left > 2) | ((left == 2) & (wide | before | first)) | (first & (left == 1))
    hashes = (_mix(packed[stays]) >> np.uint64(32)).astype(np.uint32)
    hashes = (hashes & ~np.uint32(1)) | three[stays]
    starts = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(stays)))[folded.starts]
    return hashes, starts


def _signatures(shingles: Hashes, starts: NDArray[np.int64]) -> NDArray[np.uint8]:
    """MinHash of each text's shingles, shape (texts, 140); zeros for a text without any."""
    sizes = np.diff(starts)
    result = np.zeros((len(sizes), ENTRIES), dtype=np.uint8)
    order = np.argsort(sizes, kind="stable")
    order = order[sizes[order] > 0]
    at = 0
    while at < len(order):
        longest = at
        while longest < len(order) and (longest - at + 1) * sizes[order[longest]] <= max(_block, sizes[order[at]]):
            longest += 64
        some = order[at : max(at + 1, min(longest, len(order)))]
        result[some] = _minima(shingles, first=starts[some], sizes=sizes[some])
        at += len(some)
    return result


def _minima(shingles: Hashes, *, first: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.uint32]:
    places = np.minimum(np.arange(sizes.max())[:, None], sizes - 1) + first
    matrix = shingles[places]  # shape (longest, texts); padded with each text's last shingle
    hashed = np.empty_like(matrix)
    result = np.empty((ENTRIES, len(sizes)), dtype=np.uint32)
    for row, (multiplier, offset) in enumerate(zip(_multipliers, _offsets, strict=True)):
        np.multiply(matrix, multiplier, out=hashed)
        np.add(hashed, offset, out=hashed)
        np.min(hashed, axis=0, out=result[row])
    return result.T
