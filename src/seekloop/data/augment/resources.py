"""The kit that operators work with: words, sentences, neighbours of characters, gathered once from lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seekloop.data.augment.lexicon import Lexicon, read_groups, read_lines, shipped
from seekloop.data.augment.spec import AugmentSpec

__all__ = ["Kit"]


@dataclass(frozen=True, kw_only=True)
class Kit:
    """Everything beside the row that an operator needs; frozen, so that it can be sent to any worker."""

    spec: AugmentSpec = field(default_factory=AugmentSpec)
    lexicon: Lexicon
    distractors: tuple[str, ...]
    pairs: Mapping[str, str]
    """Word -> the same in the other language, both ways."""
    homophones: Mapping[str, str]
    """Character -> characters that are typed for it by mistake."""

    @classmethod
    def of(cls, spec: AugmentSpec, *, synonyms: Sequence[Path] = (), distractors: Path | None = None) -> Kit:
        """The shipped lists and the user's own.

        Raises:
            DataError: a list cannot be read.
        """
        groups = [line.split(",") for line in shipped("en.txt")]
        for line in shipped("zh.txt"):
            words = line.split("，")
            groups += [[word, *words[:place], *words[place + 1 :]] for place, word in enumerate(words)]
        for path in synonyms:
            groups += read_groups(path)
        pairs = [line.split("|") for line in shipped("mixed.txt")]
        alike = shipped("homophones.txt")
        return cls(
            spec=spec,
            lexicon=Lexicon.of(groups),
            distractors=read_lines(distractors) if distractors is not None else tuple(shipped("distractors.txt")),
            pairs={one: other for pair in pairs for one, other in (pair, pair[::-1])},
            homophones={one: line.replace(one, "") for line in alike for one in line},
        )
