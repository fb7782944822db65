"""OBO files (format 1.2 and 1.4), read a stanza at a time: terms and typedefs, with the format's quotes and escapes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from seekloop.data.graph.model import IS_A, Graph, Relation, Synonym, Term
from seekloop.system.errors import DataError

__all__ = ["Stanza", "read_obo", "stanzas"]

_escapes = {"n": "\n", "W": " ", "t": "\t"}
"""Other escaped characters stand for themselves."""
_quoted = re.compile(r'"((?:[^"\\]|\\.)*)"')
_header = re.compile(r"\[([^\]]+)\]\s*(?:!.*)?")
_scopes = ("EXACT", "BROAD", "NARROW", "RELATED")


@dataclass
class Stanza:
    """One `[Term]`, `[Typedef]` or `[Instance]`, its values still escaped and without trailing comments."""

    kind: str
    line: int
    tags: list[tuple[str, str, int]] = field(default_factory=list)
    """(tag, value, line), in order."""

    def all(self, tag: str) -> list[tuple[str, int]]:
        """Every value of `tag`, each with its line."""
        return [(value, line) for name, value, line in self.tags if name == tag]

    def words(self, tag: str) -> list[str]:
        """The first word of every value of `tag`: the ids of `is_a` and its like."""
        return [_unescape(value.split()[0]) for value, _ in self.all(tag) if value.split()]

    def text(self, tag: str) -> str:
        """The first value of `tag`, unescaped; empty where there is none."""
        return next((_unescape(value) for value, _ in self.all(tag)), "")

    def says(self, tag: str) -> bool:
        """Whether `tag` is true."""
        return self.text(tag).lower() == "true"


def read_obo(lines: Iterable[str], *, shown: str) -> Graph:
    """The graph of an OBO file. Two stanzas of one id are one term, as the format has it.

    Args:
        lines: its lines; memory holds one stanza and the graph.
        shown: name of the file, for errors.

    Raises:
        DataError: a line is no `tag: value`, a quotation mark is not closed, a stanza has no id, or there is no term.
    """
    terms: dict[str, Term] = {}
    relations: list[Relation] = []
    for stanza in stanzas(lines, shown=shown):
        if stanza.kind == "Term":
            term = _term(stanza, shown)
            terms[term.id] = _merged(terms[term.id], term) if term.id in terms else term
        elif stanza.kind == "Typedef":
            relations.append(_relation(stanza, shown))
    if not terms:
        raise DataError("graph.no_terms", where=shown)
    return Graph.of(terms.values(), relations)


def stanzas(lines: Iterable[str], *, shown: str) -> Iterator[Stanza]:
    """The stanzas of an OBO file, one at a time; the header is left out.

    Raises:
        DataError: a line is no `tag: value`.
    """
    current: Stanza | None = None
    for number, line in _joined(lines):
        text = line.strip().removeprefix("\ufeff")
        head = _header.fullmatch(text)
        if head:
            if current is not None:
                yield current
            current = Stanza(head[1], number)
        elif text and not text.startswith("!"):
            tag, colon, value = text.partition(":")
            if not colon or not tag.strip():
                raise DataError("graph.bad_line", text=text[:80], where=f"{shown}:{number}")
            if current is not None:
                current.tags.append((tag.strip(), _bare(value, f"{shown}:{number}"), number))
    if current is not None:
        yield current


def _joined(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Lines with those that end in a lone backslash joined to the next; each with the number of its first."""
    begun, held = 0, ""
    for number, line in enumerate(lines, start=1):
        text = line.rstrip("\r\n")
        begun = begun or number
        if (len(text) - len(text.rstrip("\\"))) % 2:
            held += text[:-1]
            continue
        yield begun, held + text
        begun, held = 0, ""
    if held:
        yield begun, held


def _bare(value: str, where: str) -> str:
    """The value without its trailing comment (`! name`) and qualifiers (`{…}`), neither of which counts in quotes."""
    at = 0
    while at < len(value):
        character = value[at]
        if character == "\\":
            at += 2
        elif character == '"':
            quoted = _quoted.match(value, at)
            if quoted is None:
                raise DataError("graph.open_quote", where=where)
            at = quoted.end()
        elif character in "!{" and (at == 0 or value[at - 1] == " "):
            return value[:at].strip()
        else:
            at += 1
    return value.strip()


def _unescape(value: str) -> str:
    return re.sub(r"\\(.)", lambda match: _escapes.get(match[1], match[1]), value)


def _quote(value: str, where: str) -> tuple[str, str]:
    """The quoted text that a value begins with, unescaped, and what comes after it.

    Raises:
        DataError: it does not begin with one.
    """
    quoted = _quoted.match(value)
    if quoted is None:
        raise DataError("graph.open_quote", where=where)
    return " ".join(_unescape(quoted[1]).split()), value[quoted.end() :].strip()


def _id(stanza: Stanza, shown: str) -> str:
    identity = stanza.text("id")
    if not identity:
        raise DataError("graph.no_id", kind=stanza.kind, where=f"{shown}:{stanza.line}")
    return identity


def _term(stanza: Stanza, shown: str) -> Term:
    identity = _id(stanza, shown)
    definition = next((_quote(value, f"{shown}:{line}")[0] for value, line in stanza.all("def")), "")
    links = [(IS_A, target) for target in stanza.words(IS_A)]
    for value, line in stanza.all("relationship"):
        parts = value.split()
        if len(parts) < 2:
            raise DataError("graph.bad_line", text=value[:80], where=f"{shown}:{line}")
        links.append((_unescape(parts[0]), _unescape(parts[1])))
    return Term(
        id=identity,
        name=stanza.text("name") or identity,
        line=stanza.line,
        definition=definition,
        synonyms=tuple(_synonym(value, f"{shown}:{line}") for value, line in stanza.all("synonym")),
        links=tuple(links),
        alt_ids=tuple(stanza.words("alt_id")),
        xrefs=tuple(stanza.words("xref")),
        comment=stanza.text("comment"),
        disjoint=tuple(stanza.words("disjoint_from")),
        obsolete=stanza.says("is_obsolete"),
    )


def _synonym(value: str, where: str) -> Synonym:
    text, rest = _quote(value, where)
    scope = next(iter(rest.split()), "")
    return Synonym(text, scope if scope in _scopes else "RELATED")


def _relation(stanza: Stanza, shown: str) -> Relation:
    identity = _id(stanza, shown)
    pairs = [value.split() for value, _ in stanza.all("holds_over_chain")]
    return Relation(
        id=identity,
        name=stanza.text("name") or identity,
        transitive=stanza.says("is_transitive"),
        symmetric=stanza.says("is_symmetric"),
        inverse=next(iter(stanza.words("inverse_of")), None),
        parents=tuple(stanza.words(IS_A)),
        over=tuple(stanza.words("transitive_over")),
        chains=tuple((pair[0], pair[1]) for pair in pairs if len(pair) >= 2),
    )


def _merged(first: Term, second: Term) -> Term:
    return Term(
        id=first.id,
        name=first.name if first.name != first.id else second.name,
        line=first.line,
        definition=first.definition or second.definition,
        synonyms=tuple(dict.fromkeys((*first.synonyms, *second.synonyms))),
        links=tuple(dict.fromkeys((*first.links, *second.links))),
        alt_ids=tuple(dict.fromkeys((*first.alt_ids, *second.alt_ids))),
        xrefs=tuple(dict.fromkeys((*first.xrefs, *second.xrefs))),
        comment=first.comment or second.comment,
        disjoint=tuple(dict.fromkeys((*first.disjoint, *second.disjoint))),
        obsolete=first.obsolete or second.obsolete,
    )
