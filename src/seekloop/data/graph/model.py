"""A knowledge graph in memory: terms, the relations between them, and links by name in both directions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

__all__ = ["IS_A", "Graph", "Relation", "Synonym", "Term"]

IS_A = "is_a"


@dataclass(frozen=True, slots=True)
class Synonym:
    """Another name of a term."""

    text: str
    scope: str = "EXACT"
    """OBO's `EXACT`, `BROAD`, `NARROW` or `RELATED`: only an exact one means the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One node."""

    id: str
    name: str
    line: int = 0
    """Where it stands in its file."""
    definition: str = ""
    synonyms: tuple[Synonym, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    """(relation, id of the object), `is_a` among them, in the file's order."""
    alt_ids: tuple[str, ...] = ()
    xrefs: tuple[str, ...] = ()
    comment: str = ""
    disjoint: tuple[str, ...] = ()
    """Terms that share no instance with it."""
    obsolete: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The name and every synonym, whatever its scope."""
        return (self.name, *(synonym.text for synonym in self.synonyms))


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """What is known of a kind of link (OBO's Typedef)."""

    id: str
    name: str
    transitive: bool = False
    symmetric: bool = False
    inverse: str | None = None
    parents: tuple[str, ...] = ()
    """More general relations: what this one links, they link too."""
    over: tuple[str, ...] = ()
    """`transitive_over`: this relation, then one of these, is this relation."""
    chains: tuple[tuple[str, str], ...] = ()
    """`holds_over_chain`: the first relation, then the second, is this relation."""


@dataclass
class Graph:
    """Terms and relations by id. Obsolete terms and links that lead nowhere are left out of all questions."""

    terms: dict[str, Term] = field(default_factory=dict)
    """Terms in use, in the file's order."""
    relations: dict[str, Relation] = field(default_factory=dict)
    obsolete: int = 0
    """Terms left out because they are obsolete."""
    dangling: int = 0
    """Links left out because no term in use has the id that they lead to."""
    _links: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    _back: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)

    @classmethod
    def of(cls, terms: Iterable[Term], relations: Iterable[Relation] = ()) -> Graph:
        """The graph of these terms and relations; what has no Typedef gets one with nothing known about it."""
        graph = cls(relations={relation.id: relation for relation in relations})
        for term in terms:
            if term.obsolete:
                graph.obsolete += 1
            else:
                graph.terms[term.id] = term
        graph._index()
        return graph

    def objects(self, subject: str, relation: str) -> tuple[str, ...]:
        """Terms that `subject` is linked to by `relation` itself, in the file's order."""
        return self._links.get(subject, {}).get(relation, ())

    def subjects(self, object: str, relation: str) -> tuple[str, ...]:
        """Terms that are linked to `object` by `relation` itself."""
        return self._back.get(object, {}).get(relation, ())

    def links(self, subject: str) -> dict[str, tuple[str, ...]]:
        """Relation -> objects, for the relations that `subject` has."""
        return self._links.get(subject, {})

    def back(self, object: str) -> dict[str, tuple[str, ...]]:
        """Relation -> subjects, for the relations that lead to `object`."""
        return self._back.get(object, {})

    def name(self, term: str) -> str:
        """The name of a term in use."""
        return self.terms[term].name

    def triples(self) -> Iterator[tuple[str, str, str]]:
        """Every link between terms in use: subject, relation, object."""
        for subject, by_relation in self._links.items():
            for relation, objects in by_relation.items():
                for object in objects:
                    yield subject, relation, object

    def _index(self) -> None:
        known_as = {alt: term.id for term in self.terms.values() for alt in term.alt_ids}
        links: defaultdict[str, defaultdict[str, dict[str, None]]] = defaultdict(lambda: defaultdict(dict))
        back: defaultdict[str, defaultdict[str, dict[str, None]]] = defaultdict(lambda: defaultdict(dict))
        for term in self.terms.values():
            for relation, given in term.links:
                target = given if given in self.terms else known_as.get(given)
                if target is None or target == term.id:
                    self.dangling += target is None
                    continue
                links[term.id][relation][target] = None
                back[target][relation][term.id] = None
                if relation not in self.relations:
                    self.relations[relation] = Relation(id=relation, name=relation)
        self._links = {s: {r: tuple(o) for r, o in by.items()} for s, by in links.items()}
        self._back = {o: {r: tuple(s) for r, s in by.items()} for o, by in back.items()}
