"""A uniform sample of a stream of ids in bounded memory, whose content depends on nothing but the seed and the ids.

Bottom-k sampling (Cohen and Kaplan 2007, "Summarizing data using bottom-k sketches"): of all ids the k with the lowest
hashes are kept. Whatever order they come in, however often one comes, and however the stream was cut up and merged, the
sample is the same; and as hashes are spread evenly, every id is in it with the same chance. Vitter's algorithm R (1985)
is as uniform, but its content depends on the order, and two of its samples cannot be merged.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable

__all__ = ["Reservoir"]


class Reservoir:
    """The ids with the lowest hashes under a seed.

    Args:
        size: most ids that are held.
        seed: draws another sample.
        ids: to begin with.
    """

    def __init__(self, size: int, *, seed: int, ids: Iterable[str] = ()) -> None:
        self.size = size
        self.seed = seed
        self._highest: list[tuple[int, str]] = []
        """Negated hashes, so that the highest hash is first."""
        self._held: set[str] = set()
        for identity in ids:
            self.offer(identity)

    def __len__(self) -> int:
        return len(self._held)

    def offer(self, identity: str) -> None:
        """Take an id into account; one that is held already changes nothing."""
        if identity in self._held or not self.size:
            return
        entry = (-self._hash(identity), identity)
        if len(self._held) < self.size:
            heapq.heappush(self._highest, entry)
        else:
            _, out = heapq.heappushpop(self._highest, entry)
            if out == identity:
                return
            self._held.remove(out)
        self._held.add(identity)

    def merged(self, other: Reservoir) -> Reservoir:
        """The sample of both streams together.

        Raises:
            ValueError: the two have another size or seed.
        """
        if (self.size, self.seed) != (other.size, other.seed):
            raise ValueError("samples of another size or seed do not merge")
        return Reservoir(self.size, seed=self.seed, ids=[*self._held, *other._held])

    def ids(self) -> list[str]:
        """What is held, the lowest hash first: any beginning of it is the sample of that size."""
        return [identity for _, identity in sorted(self._highest, reverse=True)]

    def _hash(self, identity: str) -> int:
        digest = hashlib.sha256(f"{self.seed}\x1f{identity}".encode()).digest()
        return int.from_bytes(digest[:16], "big")
