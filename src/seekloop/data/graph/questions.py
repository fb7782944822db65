"""A graph's facts as questions and answers: a plan of light items for each term, rendered by template one at a time."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seekloop.data.graph.closure import Closure
from seekloop.data.graph.model import IS_A, Graph, Term
from seekloop.data.graph.negatives import Negatives
from seekloop.data.graph.spec import GraphSpec, Kind
from seekloop.data.graph.templates import Templates

__all__ = ["Question", "Tally", "questions"]

_letters = "ABCDEFGH"
_named_at_least = 3
"""How many a question asks for where an answer cannot list them all."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One row to be."""

    prompt: str
    answer: str
    group: str
    """The term that it is about: rows of one term stay in one split."""
    line: int
    """Where the term stands in its file."""
    meta: Mapping[str, Any]
    """`kind`, `relation`, `terms` (ids: the one asked about, then those in the answer), `template`; for negatives
    `evidence`, for yes or no `holds`."""


@dataclass
class Tally:
    """What was made, and what could not be."""

    made: Counter[str] = field(default_factory=Counter)
    """Rows by relation; definitions and synonyms count as relations."""
    kinds: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    """`no_negative`: no false object that may be denied; `no_distractor`: the same for a choice; `too_many`: more
    objects than an answer lists."""


@dataclass(frozen=True, slots=True)
class _Item:
    """A question that could be asked, not yet in words."""

    kind: Kind
    relation: str
    term: str
    more: tuple[str, ...] = ()
    """The object, or the two relations of a hop."""


def questions(
    graph: Graph, spec: GraphSpec, *, templates: Templates, seed: int, tally: Tally | None = None
) -> Iterator[Question]:
    """Questions about `graph`, the same ones for the same seed.

    Without `max_rows` they come term by term as they are made; with it, memory holds a light item for each candidate
    and relations take turns.

    Args:
        graph: terms in use.
        spec: kinds, relations and limits.
        templates: the words.
        seed: chooses templates, negatives and what is kept under the limits.
        tally: is told what was made and what was skipped.
    """
    asker = _Asker(graph, spec, templates, seed=seed, tally=tally or Tally())
    if spec.max_rows is None:
        for term in graph.terms.values():
            yield from asker.of_term(term)
    else:
        yield from asker.in_turns(spec.max_rows)


class _Asker:
    def __init__(self, graph: Graph, spec: GraphSpec, templates: Templates, *, seed: int, tally: Tally) -> None:
        self.graph = graph
        self.spec = spec
        self.templates = templates
        self.seed = seed
        self.tally = tally
        self.negatives = Negatives(graph, Closure(graph), seed=seed)

    def of_term(self, term: Term) -> Iterator[Question]:
        """The rows about one term: its kinds in turn, up to the limit."""
        by_kind: defaultdict[str, list[_Item]] = defaultdict(list)
        for item in self._items(term):
            by_kind[item.kind].append(item)
        left = self.spec.max_per_term
        for item in _turns([self._ordered(by_kind[kind]) for kind in self.spec.kinds if kind in by_kind]):
            rows = self._rendered(item)
            if left is not None:
                rows = rows if len(rows) <= left else []
                left -= len(rows)
            yield from self._counted(item, rows)
            if left == 0:
                return

    def in_turns(self, limit: int) -> Iterator[Question]:
        """Rows of all relations in turn, up to `limit`, each term within its own limit."""
        by_relation: defaultdict[str, list[_Item]] = defaultdict(list)
        for term in self.graph.terms.values():
            for item in self._items(term):
                by_relation[item.relation].append(item)
        spent: Counter[str] = Counter()
        most = self.spec.max_per_term
        for item in _turns([self._ordered(by_relation[relation]) for relation in sorted(by_relation)]):
            if most is not None and spent[item.term] >= most:
                continue
            rows = self._rendered(item)
            if len(rows) > limit or (most is not None and spent[item.term] + len(rows) > most):
                continue
            spent[item.term] += len(rows)
            limit -= len(rows)
            yield from self._counted(item, rows)
            if limit == 0:
                return

    def _counted(self, item: _Item, rows: Sequence[Question]) -> Iterator[Question]:
        self.tally.made[item.relation] += len(rows)
        self.tally.kinds[item.kind] += len(rows)
        yield from rows

    def _items(self, term: Term) -> Iterator[_Item]:
        kinds = self.spec.kinds
        if "definition" in kinds and term.definition:
            yield _Item("definition", "definition", term.id)
        if "synonym" in kinds and self._exact_names(term):
            yield _Item("synonym", "synonym", term.id)
        mine = [relation for relation in self.graph.links(term.id) if self._wanted(relation)]
        for relation in mine:
            objects = self.graph.objects(term.id, relation)
            if "forward" in kinds:
                yield _Item("forward", relation, term.id)
            if "choice" in kinds:
                yield _Item("choice", relation, term.id, (min(objects, key=self._hash),))
            if "yes_no" in kinds:
                yield from (_Item("yes_no", relation, term.id, (one,)) for one in objects)
            if "hops" in kinds:
                thens = dict.fromkeys(then for one in objects for then in self.graph.links(one) if self._wanted(then))
                yield from (_Item("hops", f"{relation}/{then}", term.id, (relation, then)) for then in thens)
        if "reverse" in kinds:
            yield from (_Item("reverse", one, term.id) for one in self.graph.back(term.id) if self._wanted(one))

    def _wanted(self, relation: str) -> bool:
        return not self.spec.relations or relation in self.spec.relations

    def _rendered(self, item: _Item) -> list[Question]:
        term = self.graph.terms[item.term]
        if item.kind == "definition":
            return [self._definition(item, term)]
        if item.kind == "synonym":
            return [self._synonym(item, term)]
        if item.kind == "reverse":
            return [self._reverse(item, term)]
        if item.kind == "forward":
            return self._forward(item, term)
        if item.kind == "hops":
            return self._hops(item, term)
        return self._yes_no(item, term) if item.kind == "yes_no" else self._choice(item, term)

    def _definition(self, item: _Item, term: Term) -> Question:
        prompt, place = self._picked(item, "definition.questions", subject=term.name)
        answer = self.templates.one("definition.answer").format(subject=term.name, definition=term.definition)
        return self._question(item, prompt=prompt, answer=answer, template=place)

    def _synonym(self, item: _Item, term: Term) -> Question:
        prompt, place = self._picked(item, "synonym.questions", subject=term.name)
        names = self.templates.listed(self._exact_names(term)[: self.spec.max_listed])
        answer = self.templates.one("synonym.answer").format(subject=term.name, objects=names)
        return self._question(item, prompt=prompt, answer=answer, template=place)

    def _forward(self, item: _Item, term: Term) -> list[Question]:
        objects = self.graph.objects(term.id, item.relation)
        if len(objects) > self.spec.max_listed:
            self.tally.skipped["too_many"] += 1
            return []
        prompt, place = self._picked(item, "forward", relation=item.relation, subject=term.name)
        answer = self._statement(term.id, item.relation, objects=objects)
        return [self._question(item, prompt=prompt, answer=answer, template=place, terms=objects)]

    def _reverse(self, item: _Item, term: Term) -> Question:
        subjects = self.graph.subjects(term.id, item.relation)
        some = len(subjects) > self.spec.max_listed
        count = min(_named_at_least, self.spec.max_listed) if some else len(subjects)
        chosen = sorted(subjects, key=self._hash)[:count] if some else subjects
        place = "reverse_some" if some else "reverse"
        prompt, place = self._picked(item, place, relation=item.relation, object=term.name, count=count)
        names = self.templates.listed([self.graph.name(one) for one in chosen])
        words = {"object": term.name, "objects": names, "relation": self._phrase(item.relation), "count": count}
        answer = self.templates.one("reverse_answer", item.relation).format(**words)
        return self._question(item, prompt=prompt, answer=answer, template=place, terms=chosen)

    def _hops(self, item: _Item, term: Term) -> list[Question]:
        first, then = item.more
        middles = [m for m in self.graph.objects(term.id, first) if self.graph.objects(m, then)]
        ends = dict.fromkeys(o for m in middles for o in self.graph.objects(m, then) if o != term.id)
        if not ends or len(ends) > self.spec.max_listed or len(middles) > self.spec.max_listed:
            self.tally.skipped["too_many"] += bool(ends)
            return []
        nouns = {
            f"noun{number}": self.templates.one("noun", relation).format(relation=self._phrase(relation))
            for number, relation in ((1, first), (2, then))
        }
        prompt, place = self._picked(item, "hops", relation=first, subject=term.name, **nouns)
        steps = [self._statement(term.id, first, objects=middles)]
        steps += [self._statement(middle, then, objects=self.graph.objects(middle, then)) for middle in middles]
        answer = ("" if self.templates.language == "zh" else " ").join(steps)
        return [self._question(item, prompt=prompt, answer=answer, template=place, terms=(*middles, *ends))]

    def _yes_no(self, item: _Item, term: Term) -> list[Question]:
        """A fact and its contrastive negative, both or none, so that yes is as frequent as no."""
        false = next(iter(self.negatives.of(term.id, item.relation, near=item.more[0], count=1)), None)
        if false is None:
            self.tally.skipped["no_negative"] += 1
            return []
        made = []
        for object, holds in ((item.more[0], True), (false.object, False)):
            words = {"subject": term.name, "object": self.graph.name(object)}
            prompt, place = self._picked(item, "yes_no", relation=item.relation, **words)
            statement = self._statement(term.id, item.relation, objects=item.more)
            answer = self.templates.one("yes" if holds else "no").format(statement=statement)
            facts: dict[str, Any] = {"holds": holds} if holds else {"holds": holds, "evidence": false.evidence}
            made.append(
                self._question(item, prompt=prompt, answer=answer, template=place, terms=(object,), facts=facts)
            )
        return made

    def _choice(self, item: _Item, term: Term) -> list[Question]:
        true = item.more[0]
        wrong = self.negatives.of(term.id, item.relation, near=true, count=self.spec.options - 1)
        if not wrong:
            self.tally.skipped["no_distractor"] += 1
            return []
        terms = sorted([true, *(one.object for one in wrong)], key=lambda one: self._hash(f"{term.id}\x1f{one}"))
        form = self.templates.one("choice.option")
        lettered = zip(_letters, map(self.graph.name, terms), strict=False)
        options = "\n".join(form.format(letter=letter, name=name) for letter, name in lettered)
        asked, place = self._picked(item, "choice", relation=item.relation, subject=term.name)
        prompt = self.templates.one("choice.question").format(question=asked, options=options)
        letter = _letters[terms.index(true)]
        answer = self.templates.one("choice.answer").format(letter=letter, object=self.graph.name(true))
        facts = {"evidence": [one.evidence for one in wrong], "distractors": [one.object for one in wrong]}
        return [self._question(item, prompt=prompt, answer=answer, template=place, terms=(true,), facts=facts)]

    def _question(
        self,
        item: _Item,
        *,
        prompt: str,
        answer: str,
        template: str,
        terms: Iterable[str] = (),
        facts: Mapping[str, Any] | None = None,
    ) -> Question:
        meta = {"kind": item.kind, "relation": item.relation, "terms": [item.term, *terms], "template": template}
        line = self.graph.terms[item.term].line
        return Question(prompt=prompt, answer=answer, group=item.term, line=line, meta={**meta, **(facts or {})})

    def _picked(self, item: _Item, place: str, *, relation: str | None = None, **words: object) -> tuple[str, str]:
        """One of the templates at a place, filled in, and its name: `en/is_a.forward/1`."""
        options = self.templates.options(place, relation)
        chosen = self._number(item) % len(options)
        if relation is not None:
            words["relation"] = self._phrase(relation)
        shown = place if relation is None else f"{relation}.{place}"
        return options[chosen].format(**words), f"{self.templates.language}/{shown}/{chosen}"

    def _statement(self, subject: str, relation: str, *, objects: Iterable[str]) -> str:
        names = self.templates.listed([self.graph.name(one) for one in objects])
        words = {"subject": self.graph.name(subject), "relation": self._phrase(relation), "objects": names}
        return self.templates.one("statement", relation).format(**words)

    def _phrase(self, relation: str) -> str:
        """The relation in words: its Typedef's name without underscores."""
        return IS_A if relation == IS_A else self.graph.relations[relation].name.replace("_", " ")

    def _exact_names(self, term: Term) -> list[str]:
        exact = dict.fromkeys(synonym.text for synonym in term.synonyms if synonym.scope == "EXACT")
        return [name for name in exact if name.casefold() != term.name.casefold()]

    def _ordered(self, items: Iterable[_Item]) -> list[_Item]:
        return sorted(items, key=self._number)

    def _number(self, item: _Item) -> int:
        return int.from_bytes(self._hash("\x1f".join((item.kind, item.relation, item.term, *item.more))), "big")

    def _hash(self, text: str) -> bytes:
        return hashlib.blake2b(f"{self.seed}\x1f{text}".encode(), digest_size=8).digest()


def _turns(lists: Sequence[Sequence[_Item]]) -> Iterator[_Item]:
    """The first of each list, the second of each, and so on."""
    for depth in range(max(map(len, lists), default=0)):
        yield from (items[depth] for items in lists if depth < len(items))
