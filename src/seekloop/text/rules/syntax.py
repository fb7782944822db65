r"""How a pattern is written, and what it becomes.

Plain text is looked for as people disguise it: other width and case, accents, look-alikes, l33t, s p a c e d letters,
marks between Chinese characters. A blank is one to three characters between words, `...` is anything within the
sentence. `(a|b)`, `[a-z]`, `[^a]`, `.`, `\d`, `\w`, `\s`, `?`, `{2}` and `{2,4}` are those of regular expressions.
`*`, `+`, `^`, `$`, look-arounds and back-references are refused: every pattern has a longest match, and is found in
time linear in the text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from seekloop.text.rules.folds import ENDERS, LEET, fold, kind_of

__all__ = ["Alt", "Chars", "Edge", "Node", "PatternProblem", "Repeat", "Seq", "literals", "parse", "widths"]

_all = frozenset({"word", "wide", "gap"})
_digits = frozenset("0123456789")
_most_repeats, _most_places, _spaced_from = 200, 20_000, 3
_meant = frozenset("()[]{}|?*+^$\\.")


class PatternProblem(ValueError):
    """Why a pattern cannot be read."""


@dataclass(frozen=True)
class Chars:
    """One character."""

    chars: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()

    def takes(self, symbol: str) -> bool:
        """Whether a folded character, or what stands for its kind, is one of these."""
        return symbol not in self.without and (symbol in self.chars or kind_of(symbol) in self.kinds)


@dataclass(frozen=True)
class Edge:
    """Not between two characters of one word."""


@dataclass(frozen=True)
class Seq:
    """One after the other."""

    items: tuple[Node, ...]


@dataclass(frozen=True)
class Alt:
    """One of them."""

    items: tuple[Node, ...]


@dataclass(frozen=True)
class Repeat:
    """From `least` to `most` times."""

    item: Node
    least: int
    most: int


Node = Chars | Edge | Seq | Alt | Repeat
_between = Chars(kinds=frozenset({"gap"}), without=ENDERS)
_within = Chars(kinds=_all, without=ENDERS - {";"})


def parse(pattern: str, *, gap: int = 40, exact: bool = False) -> Node:
    """The tree of a pattern, at whose ends no word is cut.

    Args:
        pattern: as people write it.
        gap: most characters that `...` stands for.
        exact: plain text is only folded, not looked for in disguise.

    Raises:
        PatternProblem: it cannot be read, can be empty, or has no longest match.
    """
    node = Seq((Edge(), _Parser(pattern, gap=gap, exact=exact).whole(), Edge()))
    if not widths(node)[0]:
        raise PatternProblem("it matches where nothing stands")
    if _places(node) > _most_places:
        raise PatternProblem("it is too large: its repeats are nested too deep")
    return node


def widths(node: Node) -> tuple[int, int]:
    """Fewest and most folded characters that a node takes."""
    match node:
        case Chars():
            return 1, 1
        case Edge():
            return 0, 0
        case Seq():
            each = [widths(item) for item in node.items]
            return sum(low for low, _ in each), sum(high for _, high in each)
        case Alt():
            each = [widths(item) for item in node.items]
            return min(low for low, _ in each), max(high for _, high in each)
        case Repeat():
            low, high = widths(node.item)
            return low * node.least, high * node.most


def literals(node: Node) -> frozenset[str]:
    """Every character that a node names."""
    match node:
        case Chars():
            return node.chars | node.without
        case Edge():
            return frozenset()
        case Seq() | Alt():
            return frozenset().union(*map(literals, node.items))
        case Repeat():
            return literals(node.item)


class _Parser:
    """Recursive descent, one method a level."""

    def __init__(self, text: str, *, gap: int, exact: bool) -> None:
        self._text, self._at = text.strip(), 0
        self._gap, self._exact = gap, exact

    def whole(self) -> Node:
        node = self._choice()
        if self._at < len(self._text):
            raise PatternProblem(f"a ')' too many at character {self._at + 1}")
        return node

    def _choice(self) -> Node:
        options = [self._sequence()]
        while self._next("|"):
            options.append(self._sequence())
        return options[0] if len(options) == 1 else Alt(tuple(options))

    def _sequence(self) -> Node:
        items: list[Node] = []
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            node = self._repeated(self._atom())
            if items and not self._exact and _is_wide(items[-1], last=True) and _is_wide(node, last=False):
                items.append(Repeat(_between, 0, 2))
            items.append(node)
        return items[0] if len(items) == 1 else Seq(tuple(items))

    def _atom(self) -> Node:
        rest = self._text[self._at :]
        blank = len(rest) - len(rest.lstrip(" "))
        if rest[blank:].startswith("..."):
            self._at += blank + 3
            while self._next(" "):
                pass
            return Seq((Edge(), Repeat(_within, 0, self._gap), Edge()))
        if blank:
            self._at += blank
            return Repeat(Chars(frozenset(" \n")) if self._exact else _between, 1, 3)
        first = rest[0]
        if first in _meant:
            self._at += 1
            return self._meaning(first)
        return self._run()

    def _meaning(self, first: str) -> Node:
        match first:
            case "(":
                return self._group()
            case "[":
                return self._set()
            case ".":
                return _within
            case "\\":
                return self._escaped()
            case "*" | "+":
                raise PatternProblem(f"'{first}' has no end; write {{0,40}} or {{1,40}}")
            case "?" | "{":
                raise PatternProblem(f"'{first}' at character {self._at} repeats nothing")
            case _:
                raise PatternProblem(
                    f"'{first}' at character {self._at} means nothing here; write \\{first} for the mark"
                )

    def _group(self) -> Node:
        if self._text.startswith("?", self._at) and not self._text.startswith("?:", self._at):
            raise PatternProblem("look-arounds and named groups are not part of a pattern")
        self._at += 2 * self._text.startswith("?:", self._at)
        node = self._choice()
        if not self._next(")"):
            raise PatternProblem("a '(' is not closed")
        return node

    def _escaped(self) -> Chars:
        if self._at >= len(self._text):
            raise PatternProblem("a '\\' stands at the end")
        letter = self._text[self._at]
        self._at += 1
        match letter:
            case "d":
                return Chars(_digits)
            case "w":
                return Chars(kinds=frozenset({"word", "wide"}))
            case "s":
                return Chars(frozenset(" \n"))
            case _ if letter.isalnum():
                raise PatternProblem(f"'\\{letter}' is not part of a pattern")
            case _:
                return Chars(frozenset(fold(letter)))

    def _set(self) -> Chars:
        negated = self._next("^")
        chars: set[str] = set()
        kinds: set[str] = set()
        while not self._next("]"):
            if self._at >= len(self._text):
                raise PatternProblem("a '[' is not closed")
            low = self._text[self._at]
            self._at += 1
            if low == "\\":
                one = self._escaped()
                chars, kinds = chars | one.chars, kinds | one.kinds
            elif self._text.startswith("-", self._at) and not self._text.startswith("-]", self._at):
                chars |= self._range(low)
            else:
                chars |= set(fold(low))
        if negated:
            return Chars(kinds=_all - kinds, without=frozenset(chars))
        return Chars(frozenset(chars), frozenset(kinds))

    def _range(self, low: str) -> set[str]:
        high = self._text[self._at + 1 : self._at + 2]
        self._at += 2
        if not low <= high or ord(high) - ord(low) > 1000:
            raise PatternProblem(f"'{low}-{high}' is no range")
        return {part for code in range(ord(low), ord(high) + 1) for part in fold(chr(code))}

    def _repeated(self, node: Node) -> Node:
        if self._next("?"):
            return Repeat(node, 0, 1)
        if self._text[self._at : self._at + 1] in ("*", "+"):
            raise PatternProblem(f"'{self._text[self._at]}' has no end; write {{0,40}} or {{1,40}}")
        if not self._next("{"):
            return node
        inside, closed, _ = self._text[self._at :].partition("}")
        least, comma, most = inside.partition(",")
        most = most if comma else least
        if not closed or not least.isdecimal() or not most.isdecimal():
            raise PatternProblem(f"'{{{inside}' is no count; write {{2}} or {{2,4}}")
        if int(least) > int(most) or not 0 < int(most) <= _most_repeats:
            raise PatternProblem(f"'{{{inside}}}' must go up, and to {_most_repeats} at most")
        self._at += len(inside) + 1
        return Repeat(node, int(least), int(most))

    def _next(self, mark: str) -> bool:
        found = self._text.startswith(mark, self._at)
        self._at += len(mark) * found
        return found

    def _run(self) -> Node:
        """Plain characters up to the next mark; one that is repeated stands alone."""
        begin = self._at
        while self._at < len(self._text) and self._text[self._at] not in _meant and self._text[self._at] != " ":
            self._at += 1
        if self._at - begin > 1 and self._text[self._at : self._at + 1] in ("?", "{"):
            self._at -= 1
        return _plain(self._text[begin : self._at], exact=self._exact)


def _plain(text: str, *, exact: bool) -> Node:
    folded = "".join(map(fold, text))
    if exact:
        return Seq(tuple(Chars(frozenset(char)) for char in folded))
    items: list[Node] = []
    at = 0
    while at < len(folded):
        kind, end = kind_of(folded[at]), at + 1
        while end < len(folded) and kind_of(folded[end]) == kind:
            end += 1
        items += _disguised[kind](folded[at:end])
        at = end
    return Seq(tuple(items))


def _word(text: str) -> list[Node]:
    """As it is, with digits for some letters but not for both of the first two, or with a mark between any two."""
    leet = [Chars(frozenset(char + LEET.get(char, ""))) for char in text]
    bare = [Chars(frozenset(char)) for char in text]
    ways = [Seq((bare[0], *leet[1:]))]
    if len(text) > 1 and leet[0] != bare[0]:
        ways.append(Seq((leet[0], bare[1], *leet[2:])))
    if len(text) >= _spaced_from and text.isalpha():
        marks = [Repeat(_between, 1, 2)] * len(text)
        ways.append(Seq(tuple(part for pair in zip(leet, marks, strict=True) for part in pair)[:-1]))
    return [Alt(tuple(ways)) if len(ways) > 1 else ways[0]]


def _joined(text: str) -> list[Node]:
    between = Repeat(_between, 0, 2)
    parts: list[Node] = [part for char in text for part in (Chars(frozenset(char)), between)]
    return parts[:-1]


def _marks(text: str) -> list[Node]:
    return [Repeat(_between, 0 if text in ("'", "’", "-") else 1, 3)]


_disguised: Mapping[str, Callable[[str], list[Node]]] = MappingProxyType(
    {"word": _word, "wide": _joined, "gap": _marks}
)


def _is_wide(node: Node, *, last: bool) -> bool:
    """Whether a node begins, or ends, with characters of a script without spaces, and nothing else."""
    match node:
        case Chars():
            return bool(node.chars) and not node.kinds and all(kind_of(char) == "wide" for char in node.chars)
        case Edge():
            return False
        case Seq():
            return bool(node.items) and _is_wide(node.items[-1 if last else 0], last=last)
        case Alt():
            return all(_is_wide(item, last=last) for item in node.items)
        case Repeat():
            return _is_wide(node.item, last=last)


def _places(node: Node) -> int:
    """About how many places it takes in an automaton."""
    match node:
        case Chars() | Edge():
            return 1
        case Seq() | Alt():
            return 1 + sum(map(_places, node.items))
        case Repeat():
            return node.most * (1 + _places(node.item))
