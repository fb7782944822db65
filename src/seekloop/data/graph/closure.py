"""What a graph implies: the facts that follow from its links, and those that may not be denied.

Terms are classes: `S r O` reads "every S is r some O" (the all-some reading of OBO relations, Smith et al. 2005, Genome
Biology 6:R46). So a fact is inherited by what is below S, and holds of what is above O.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable

from seekloop.data.graph.model import IS_A, Graph

__all__ = ["Closure"]


class Closure:
    """Facts that follow from a graph, worked out when they are asked for."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._above = functools.lru_cache(maxsize=65_536)(self._walk_up)
        self._narrower = functools.lru_cache(maxsize=1_024)(self._narrower_relations)

    def ancestors(self, term: str) -> frozenset[str]:
        """The term itself and everything that it is a kind of."""
        return self._above(term)

    def descendants(self, term: str) -> frozenset[str]:
        """The term itself and everything that is a kind of it."""
        return frozenset(_reach([term], lambda one: self.graph.subjects(one, IS_A)))

    def implied(self, subject: str, relation: str) -> frozenset[str]:
        """Every object for which `subject relation object` follows from the graph.

        It follows by inheritance along `is_a` on both sides, by narrower relations, and where the relation's Typedef
        says so by transitivity, symmetry, its inverse, `transitive_over` and `holds_over_chain`.
        """
        if relation == IS_A:
            return self.ancestors(subject)
        start = self._stated(subject, relation) | self._chained(subject, relation)
        kind = self.graph.relations.get(relation)
        further = (relation, *kind.over) if kind and kind.transitive else kind.over if kind else ()

        def next_ones(one: str) -> Iterable[str]:
            yield from self.graph.objects(one, IS_A)
            for through in further:
                yield from self._stated(one, through)

        return frozenset(_reach(start, next_ones))

    def undeniable(self, subject: str, relation: str) -> frozenset[str]:
        """Objects for which `subject relation object` must not be denied: implied, or true of a part of the subject.

        Beside what is implied, these are kinds of an implied object, what is implied for kinds of the subject, and the
        subject with its own kinds: a reader could rightly call a "no" wrong there.
        """
        below = self.descendants(subject)
        implied = self.implied(subject, relation)
        denied = set(implied) | below
        for narrower in below - {subject}:
            denied |= self.implied(narrower, relation)
        if relation != IS_A:
            for object in implied:
                denied |= self.descendants(object)
        return frozenset(denied)

    def disjoint(self, left: str, right: str) -> bool:
        """Whether the graph says that nothing is a kind of both."""
        ours, theirs = self.ancestors(left), self.ancestors(right)
        return any(theirs.intersection(self.graph.terms[one].disjoint) for one in ours) or any(
            ours.intersection(self.graph.terms[one].disjoint) for one in theirs
        )

    def _walk_up(self, term: str) -> frozenset[str]:
        return frozenset(_reach([term], lambda one: self.graph.objects(one, IS_A)))

    def _stated(self, subject: str, relation: str) -> set[str]:
        """Objects of the relation, a narrower one or an inverse, stated for the subject or what it is a kind of."""
        found: set[str] = set()
        for name in self._narrower(relation):
            kind = self.graph.relations.get(name)
            inverses = {other.id for other in self.graph.relations.values() if other.inverse == name}
            inverses |= {kind.inverse} if kind is not None and kind.inverse is not None else set()
            inverses |= {name} if kind is not None and kind.symmetric else set()
            for one in self.ancestors(subject):
                found.update(self.graph.objects(one, name))
                for inverse in inverses:
                    found.update(self.graph.subjects(one, inverse))
        return found

    def _chained(self, subject: str, relation: str) -> set[str]:
        kind = self.graph.relations.get(relation)
        found: set[str] = set()
        for first, then in kind.chains if kind is not None else ():
            for middle in self._stated(subject, first):
                found |= self._stated(middle, then)
        return found

    def _narrower_relations(self, relation: str) -> frozenset[str]:
        def below(one: str) -> Iterable[str]:
            return (other.id for other in self.graph.relations.values() if one in other.parents)

        return frozenset(_reach([relation], below))


def _reach(start: Iterable[str], next_ones: Callable[[str], Iterable[str]]) -> set[str]:
    """Everything that can be reached, the start included; cycles do no harm."""
    found, waiting = set(start), list(start)
    while waiting:
        for one in next_ones(waiting.pop()):
            if one not in found:
                found.add(one)
                waiting.append(one)
    return found
