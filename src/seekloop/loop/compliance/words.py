"""What cards say, in English and Chinese: the sentences are data in `words.yaml`; and small pieces of Markdown."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from typing import Any

from seekloop.system.errors import UsageError
from seekloop.system.plain import parse_yaml

__all__ = ["Words", "cell", "interval", "named", "number", "sentences", "table"]

_shown = 40


@functools.cache
def sentences() -> Mapping[str, Mapping[str, str]]:
    """Key -> language -> sentence."""
    text = resources.files("seekloop.loop.compliance").joinpath("words.yaml").read_text("utf-8")
    found: Mapping[str, Mapping[str, str]] = parse_yaml(text, where="words.yaml")
    return found


class Words:
    """The sentences of one language.

    Args:
        language: `en` or `zh`.

    Raises:
        UsageError: another one.
    """

    def __init__(self, language: str) -> None:
        if language not in ("en", "zh"):
            raise UsageError("compliance.language", language=language)
        self.language = language

    def __call__(self, key: str, **facts: Any) -> str:
        """The sentence called `key`, with its facts."""
        return sentences()[key][self.language].format_map(facts)

    def or_unmeasured(self, value: Any) -> str:
        """A number for people; of what is not there, that it was not measured."""
        return self("unmeasured") if value is None else number(value)


def table(head: str, rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Lines of a table under a head line such as `| a | b |`."""
    yield ""
    yield head
    yield "|" + "---|" * (head.count("|") - 1)
    for row in rows:
        yield "| " + " | ".join(cell(one) for one in row) + " |"


def cell(value: Any) -> str:
    """Text that cannot break a table or become markup: names of labels and files are somebody's data."""
    text = " ".join(str(value).split())
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "\\`")


def number(value: Any) -> str:
    """A number for people."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def interval(ci: Sequence[float] | None, words: Words) -> str:
    """For people; some figures, such as counts, have none."""
    return words("none") if ci is None else f"[{ci[0]:.4g}, {ci[1]:.4g}]"


def named(counts: Mapping[str, int], words: Words) -> str:
    """`a 3, b 2`, the most first; of many the first."""
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    told = [f"{cell(name)} {count}" for name, count in ordered[:_shown]]
    more = [f"… ({len(ordered)})"] if len(ordered) > _shown else []
    return ", ".join(told + more) or words("none")
