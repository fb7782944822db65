"""Taxonomies: the classes of a project, in levels, with what each means and what else it is called.

A class is written as its path, `billing/refund/delay`; a flat list of classes is a taxonomy of one level.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from seekloop.system.errors import DataError
from seekloop.text.labelled import SEPARATOR
from seekloop.text.normalize import key, normalize

__all__ = ["Entry", "Label", "Taxonomy", "ancestors", "suggestion"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One class as a file gives it."""

    name: str
    """Its name or its path."""
    parent: str | None = None
    """Name or path of the class above; None: the path says it."""
    description: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    where: str = ""
    """`file:line`."""


@dataclass(frozen=True, kw_only=True)
class Label:
    """One class."""

    path: str
    description: Mapping[str, str] = field(default_factory=dict)
    """Language (`en`, `zh`) -> what it means."""
    aliases: tuple[str, ...] = ()
    """What else it is called, in any language."""

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def parent(self) -> str | None:
        """Path of the class above; None: it is at the top."""
        return self.path.rpartition("/")[0] or None

    @property
    def level(self) -> int:
        """1 at the top."""
        return self.path.count("/") + 1


def ancestors(path: str) -> tuple[str, ...]:
    """The paths above, the nearest first: `a/b/c` -> `a/b`, `a`."""
    parts = path.split("/")
    return tuple("/".join(parts[:count]) for count in range(len(parts) - 1, 0, -1))


def suggestion(given: str, known: Sequence[str]) -> str:
    """`; did you mean …?`, or nothing where nothing is near."""
    by_key = {key(name): name for name in known}
    close = difflib.get_close_matches(key(given), list(by_key), n=1)
    return f"; did you mean {by_key[close[0]]}?" if close else ""


@dataclass(frozen=True)
class Taxonomy:
    """The classes in the order given, each after the one above it."""

    labels: tuple[Label, ...]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Taxonomy:
        """Check the entries and put them together; classes that only stand in paths are added.

        Raises:
            DataError: a class twice, a parent that is not there, parents in a circle, a name that cannot stand in an
                answer, or an alias of two classes.
        """
        given = list(entries)
        paths = _paths(given)
        merged: dict[str, Label] = {}
        first: dict[str, str] = {}
        for entry, path in zip(given, paths, strict=True):
            if path in first:
                raise DataError("labels.duplicate", path=path, first=first[path] or path, where=entry.where)
            first[path] = entry.where
            for above in reversed(ancestors(path)):
                merged.setdefault(above, Label(path=above))
            merged[path] = Label(path=path, description=dict(entry.description), aliases=entry.aliases)
        made = cls(tuple(merged.values()))
        made._check_aliases(first)
        return made

    @classmethod
    def flat(cls, names: Iterable[str]) -> Taxonomy:
        """A taxonomy of names or paths without more."""
        return cls.of(Entry(name=name) for name in names)

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """Every class, those above others included."""
        return tuple(label.path for label in self.labels)

    @cached_property
    def leaves(self) -> tuple[str, ...]:
        """The classes that have none below them."""
        inner = {label.parent for label in self.labels}
        return tuple(path for path in self.paths if path not in inner)

    @property
    def depth(self) -> int:
        """Levels; 0 where there is no class."""
        return max((label.level for label in self.labels), default=0)

    def order(self, path: str) -> int:
        """The place of a class among all."""
        return self._order[path]

    def find(self, text: str) -> str | None:
        """The path that `text` means: a path, an alias, or a name that only one class has; None: none."""
        return text if text in self._order else self._known.get(key(text))

    def suggest(self, text: str) -> str:
        """`; did you mean …?` for a text that means no class."""
        aliases = [alias for label in self.labels for alias in label.aliases]
        return suggestion(text, [*self.paths, *(label.name for label in self.labels), *aliases])

    @cached_property
    def _order(self) -> dict[str, int]:
        return {path: place for place, path in enumerate(self.paths)}

    @cached_property
    def _known(self) -> dict[str, str]:
        """Key of each path, alias, and name of one class only -> path; paths win over aliases, aliases over names."""
        owners: dict[str, set[str]] = {}
        for label in self.labels:
            owners.setdefault(key(label.name), set()).add(label.path)
        names = {name: next(iter(paths)) for name, paths in owners.items() if len(paths) == 1}
        aliases = {key(alias): label.path for label in self.labels for alias in label.aliases}
        return names | aliases | {key(path): path for path in reversed(self.paths)}

    def _check_aliases(self, where: Mapping[str, str]) -> None:
        owner = {key(path): path for path in self.paths}
        for label in self.labels:
            for alias in label.aliases:
                held = owner.setdefault(key(alias), label.path)
                if held != label.path:
                    place = where.get(label.path, "")
                    raise DataError("labels.alias_twice", alias=alias, first=held, second=label.path, where=place)


def _paths(entries: Sequence[Entry]) -> list[str]:
    """The path of each entry, its parents followed to the top."""
    by_name: dict[str, list[int]] = {}
    for place, entry in enumerate(entries):
        by_name.setdefault(_clean(entry.name, entry.where), []).append(place)
    known: dict[int, str] = {}

    def path(place: int, below: tuple[int, ...]) -> str:
        if place in known:
            return known[place]
        entry = entries[place]
        name = _clean(entry.name, entry.where)
        if place in below:
            circle = " -> ".join([*(entries[one].name for one in below[below.index(place) :]), entry.name])
            raise DataError("labels.cycle", chain=circle, where=entry.where)
        if entry.parent:
            name = f"{above(entry, (*below, place))}/{name}"
        known[place] = name
        return name

    def above(entry: Entry, below: tuple[int, ...]) -> str:
        parent = _clean(entry.parent or "", entry.where)
        places = by_name.get(parent, [])
        if len(places) == 1:
            return path(places[0], below)
        # A path, or a name that several classes have: only a class whose whole path it is can be meant.
        others = [p for p, other in enumerate(entries) if p not in below and other.name.endswith(parent.split("/")[-1])]
        if not any(path(p, below) == parent for p in others):
            hint = suggestion(parent, list(by_name))
            raise DataError("labels.no_parent", parent=parent, suggestion=hint, where=entry.where)
        return parent

    return [path(place, ()) for place in range(len(entries))]


def _clean(name: str, where: str) -> str:
    """A name in one written form, its parts without blanks."""
    parts = [normalize(part).strip() for part in name.split("/")]
    if not all(parts) or "\n" in name or SEPARATOR.strip() in name:
        raise DataError("labels.bad_name", name=name.strip() or '""', where=where)
    return "/".join(parts)
