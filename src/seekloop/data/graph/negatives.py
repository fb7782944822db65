"""Contrastive negatives: what is true of a sibling and not of the term, never what the graph implies to be true.

A graph says what is true and not what is false, so a negative is a guess under a closed world: what is neither stated
nor implied is taken for false. The guess is kept narrow by `Closure.undeniable`, and each negative says where it is
from.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from seekloop.data.graph.closure import Closure
from seekloop.data.graph.model import IS_A, Graph

__all__ = ["Negative", "Negatives"]

_looked_at = 256
"""Candidates that are looked at for one fact, so that a class with 100,000 members costs no more than another."""


@dataclass(frozen=True, slots=True)
class Negative:
    """An object that the subject is not linked to."""

    object: str
    evidence: str
    """`sibling_fact`: it is true of a sibling; `sibling`: it is a sibling; `sibling_of_object`: it is a sibling of the
    true object; `same_relation`: others are linked to it. With `+disjoint` where the graph itself says that the two
    exclude each other."""


class Negatives:
    """Finds negatives in a graph, the hardest kind first, each kind in the order of a seeded hash."""

    def __init__(self, graph: Graph, closure: Closure, *, seed: int) -> None:
        self.graph = graph
        self.closure = closure
        self.seed = seed
        self._objects: dict[str, tuple[str, ...]] = {}
        self._excluded = functools.lru_cache(maxsize=64)(self._work_out)

    def of(self, subject: str, relation: str, *, near: str, count: int) -> list[Negative]:
        """Up to `count` false objects for `subject relation …`, like the true object `near`."""
        undeniable, true_names = self._excluded(subject, relation)
        found: dict[str, Negative] = {}
        used: set[str] = set()
        for candidate, evidence in self._candidates(subject, relation, near=near):
            name = self.graph.name(candidate).casefold()
            taken = candidate in found or name in used
            if taken or candidate in undeniable or not true_names.isdisjoint(map(str.casefold, self._names(candidate))):
                continue
            excluded = relation == IS_A and self.closure.disjoint(subject, candidate)
            found[candidate] = Negative(candidate, f"{evidence}+disjoint" if excluded else evidence)
            used.add(name)
            if len(found) == count:
                break
        return list(found.values())

    def _work_out(self, subject: str, relation: str) -> tuple[frozenset[str], frozenset[str]]:
        """What may not be denied of a subject, and the names of what is true of it."""
        true = (subject, *self.closure.implied(subject, relation))
        names = frozenset(name.casefold() for one in true for name in self._names(one))
        return self.closure.undeniable(subject, relation), names

    def _candidates(self, subject: str, relation: str, *, near: str) -> Iterator[tuple[str, str]]:
        siblings = self._mixed(self._near(subject), salt=subject)
        for sibling in siblings:
            for one in self._mixed(self.graph.objects(sibling, relation), salt=subject):
                yield one, "sibling_fact"
        for one in self._mixed(self._near(near), salt=subject):
            yield one, "sibling_of_object"
        if relation == IS_A:
            for one in siblings:
                yield one, "sibling"
        else:
            for one in self._mixed(self._all_objects(relation), salt=subject):
                yield one, "same_relation"

    def _near(self, term: str) -> Iterator[str]:
        """Siblings: other terms of the same direct class."""
        for parent in self.graph.objects(term, IS_A):
            yield from (one for one in self.graph.subjects(parent, IS_A) if one != term)

    def _mixed(self, terms: Iterable[str], *, salt: str) -> list[str]:
        """The terms in the order of a hash that differs from subject to subject, so that no object is always the no."""

        def order(term: str) -> bytes:
            return hashlib.blake2b(f"{self.seed}\x1f{salt}\x1f{term}".encode(), digest_size=8).digest()

        return sorted(itertools.islice(dict.fromkeys(terms), 8 * _looked_at), key=order)[:_looked_at]

    def _all_objects(self, relation: str) -> tuple[str, ...]:
        if relation not in self._objects:
            self._objects[relation] = tuple(dict.fromkeys(o for _, r, o in self.graph.triples() if r == relation))
        return self._objects[relation]

    def _names(self, term: str) -> tuple[str, ...]:
        return self.graph.terms[term].names
