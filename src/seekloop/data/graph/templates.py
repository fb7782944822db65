"""Question templates as data: ours in English and Chinese, and a user's own laid over them, relation by relation."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from seekloop.data.graph.spec import Language
from seekloop.system.errors import DataError
from seekloop.system.plain import parse_yaml, read_yaml

__all__ = ["Templates", "load"]

_fields: Mapping[str, frozenset[str]] = {
    "definition.questions": frozenset({"subject"}),
    "definition.answer": frozenset({"subject", "definition"}),
    "synonym.questions": frozenset({"subject"}),
    "synonym.answer": frozenset({"subject", "objects"}),
    "choice.question": frozenset({"question", "options"}),
    "choice.option": frozenset({"letter", "name"}),
    "choice.answer": frozenset({"letter", "object"}),
    "yes": frozenset({"statement"}),
    "no": frozenset({"statement"}),
    "list.between": frozenset(),
    "list.last": frozenset(),
    "relation.statement": frozenset({"subject", "relation", "objects"}),
    "relation.noun": frozenset({"relation"}),
    "relation.forward": frozenset({"subject", "relation"}),
    "relation.reverse": frozenset({"object", "relation"}),
    "relation.reverse_some": frozenset({"object", "relation", "count"}),
    "relation.reverse_answer": frozenset({"object", "objects", "relation", "count"}),
    "relation.hops": frozenset({"subject", "noun1", "noun2"}),
    "relation.yes_no": frozenset({"subject", "object", "relation"}),
    "relation.choice": frozenset({"subject", "relation"}),
}
"""What a template may name in braces, by its place; plain names only."""
_any = "any"


@dataclass(frozen=True)
class Templates:
    """The templates of one language."""

    language: Language
    texts: Mapping[str, tuple[str, ...]]
    """Place -> templates: `definition.questions`, `is_a.forward`."""

    def options(self, place: str, relation: str | None = None) -> tuple[str, ...]:
        """The templates at a place; for a relation its own, or those for any relation."""
        if relation is None:
            return self.texts[place]
        return self.texts.get(f"{relation}.{place}") or self.texts[f"{_any}.{place}"]

    def one(self, place: str, relation: str | None = None) -> str:
        """The first template at a place."""
        return self.options(place, relation)[0]

    def listed(self, names: Sequence[str]) -> str:
        """Names as this language lists them: `a, b and c`, `甲、乙和丙`."""
        if len(names) < 2:
            return "".join(names)
        return self.one("list.between").join(names[:-1]) + self.one("list.last") + names[-1]


def load(language: Language, own: Path | None = None, *, shown: str = "") -> Templates:
    """Our templates of a language with `own` over them: what it leaves out stays ours.

    Args:
        language: of ours.
        own: a YAML file with the same keys; new relations need only the keys that differ from `any`.
        shown: how to name it in errors.

    Raises:
        DataError: a key that means nothing, a template that is no text, or one that names an unknown field.
    """
    ours = resources.files("seekloop.data.graph").joinpath("templates", f"{language}.yaml")
    texts = _flat(parse_yaml(ours.read_text("utf-8"), where=ours), shown=str(ours))
    if own is not None:
        texts |= _flat(read_yaml(own), shown=shown or str(own))
    return Templates(language, texts)


def _flat(value: Mapping[str, Any], *, shown: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for key, inner in value.items():
        if key == "relations" and isinstance(inner, Mapping):
            for relation, places in inner.items():
                for place, texts in _mapping(places, f"relations.{relation}", shown=shown).items():
                    found[f"{relation}.{place}"] = _checked(texts, f"relation.{place}", shown=shown)
        elif key in ("yes", "no"):
            found[key] = _checked(inner, key, shown=shown)
        else:
            for place, texts in _mapping(inner, key, shown=shown).items():
                found[f"{key}.{place}"] = _checked(texts, f"{key}.{place}", shown=shown)
    return found


def _mapping(value: object, key: str, *, shown: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise DataError("graph.bad_template", key=key, problem="it is no mapping", where=shown)
    return value


def _checked(texts: object, place: str, *, shown: str) -> tuple[str, ...]:
    allowed = _fields.get(place)
    if allowed is None:
        raise DataError("graph.bad_template", key=place, problem="there is no such key", where=shown)
    several = (texts,) if isinstance(texts, str) else tuple(texts) if isinstance(texts, list) else ()
    if not several or not all(isinstance(text, str) for text in several):
        raise DataError("graph.bad_template", key=place, problem="it is no text and no list of texts", where=shown)
    for text in several:
        try:
            named = {name for _, name, spec, turned in string.Formatter().parse(text) if name is not None}
        except ValueError as error:
            raise DataError("graph.bad_template", key=place, problem=error, where=shown) from error
        if named - allowed:
            known = ", ".join(sorted(allowed)) or "no field"
            problem = f"{{{sorted(named - allowed)[0]}}} is unknown, it may name {known}"
            raise DataError("graph.bad_template", key=place, problem=problem, where=shown)
    return tuple(several)
