"""Many patterns as one automaton, built while it runs: each character of a text costs one look into a table.

Thompson's construction, then subsets of its states made when they are first met (Thompson, 1968; the lazy form is that
of Cox, "Regular Expression Matching in the Wild", 2010). Nothing is ever tried twice, so no pattern and no text is
slow: at worst a character costs the number of states of all patterns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from seekloop.text.rules.folds import GAP, WIDE, WORD, Kind, fold, kind_of
from seekloop.text.rules.syntax import Alt, Chars, Edge, Node, Repeat, Seq, literals, widths

__all__ = ["Alphabet", "Machine", "State"]

_many = 4
_stand_in: Mapping[Kind, str] = MappingProxyType({"word": WORD, "wide": WIDE, "gap": GAP})


class Alphabet(dict[int, str]):
    """Code point -> the symbols that the automaton reads: a table for `str.translate`, filled as it is used.

    Args:
        named: folded characters that some pattern names; all others are told apart by their kind only.
    """

    def __init__(self, named: Iterable[str]) -> None:
        super().__init__()
        self._named = frozenset(named)

    def __missing__(self, code: int) -> str:
        symbols = "".join(one if one in self._named else _stand_in[kind_of(one)] for one in fold(chr(code)))
        self[code] = symbols
        return symbols


class State(dict[str, "State"]):
    """A set of places in the patterns; symbol -> the set that comes next.

    Args:
        machine: that made it.
        live: places that something has led to.
        word: whether the symbol before was part of a word.
        hits: numbers of the patterns that ended before the symbol that led here, as that symbol shows.
    """

    __slots__ = ("_machine", "ended", "hits", "live", "word")

    def __init__(self, machine: Machine, *, live: frozenset[int], word: bool, hits: tuple[int, ...]) -> None:
        super().__init__()
        self._machine = machine
        self.live = live
        self.word = word
        self.hits = hits
        self.ended: tuple[int, ...] | None = None
        """Numbers of the patterns that end where the text does; None: nobody has asked yet."""

    def __missing__(self, symbol: str) -> State:
        return self._machine.made(self, symbol)


class _Fork:
    """Where the ways of a choice begin.

    Args:
        moves: the first character of each way by its number, and the place behind it.
        sets: characters by number.
    """

    def __init__(self, moves: Iterable[tuple[int, int]], sets: Sequence[Chars]) -> None:
        self.named: dict[str, list[int]] = {}
        """Symbol -> places that it leads to, for ways that name their characters."""
        self.wide: list[tuple[int, int]] = []
        """The others."""
        for number, target in moves:
            chars = sets[number]
            if chars.kinds:
                self.wide.append((number, target))
            else:
                for char in chars.chars - chars.without:
                    self.named.setdefault(char, []).append(target)


class _Taken(dict[int, bool]):
    """Number of a set of characters -> whether a symbol is one of them."""

    def __init__(self, symbol: str, sets: Sequence[Chars]) -> None:
        super().__init__()
        self._symbol, self._sets = symbol, sets

    def __missing__(self, number: int) -> bool:
        taken = self[number] = self._sets[number].takes(self._symbol)
        return taken


class Machine:
    """The automaton of some patterns.

    Args:
        patterns: trees of `syntax.parse`; each ends with an edge, so the character behind a match shows it.
        most: states that are kept; then all are forgotten and made anew.
    """

    def __init__(self, patterns: Sequence[Node], *, most: int = 50_000) -> None:
        self._most = most
        self.alphabet = Alphabet(frozenset().union(*map(literals, patterns)) | {" ", "\n"})
        self.width = max((widths(node)[1] for node in patterns), default=0)
        """Folded characters of the longest possible match."""
        self._sets: dict[Chars, int] = {}
        self._moves: list[tuple[int, int] | None] = []
        """Number of a set of characters, and the place behind it."""
        self._free: list[tuple[int, ...]] = []
        self._edge: list[int] = []
        """Place behind an edge; -1: there is none here."""
        self._ends: list[int] = []
        """Number of the pattern that ends here; -1: none does."""
        self._forks: dict[int, _Fork] = {}
        """Choices with many ways, by place: looked into by symbol, not way by way."""
        self._chars: list[Chars] = []
        self._takes: dict[str, _Taken] = {}
        self._closures: dict[int, frozenset[int]] = {}
        self._begins: dict[tuple[str, bool], State] = {}
        self._entries = [self._entry(number, node) for number, node in enumerate(patterns)]
        self._restart = frozenset().union(*map(self._closure, self._entries))
        self._known: dict[tuple[frozenset[int], bool, tuple[int, ...]], State] = {}
        self.start = self._state(frozenset(), word=False)
        """Before any text."""

    def found(self, text: str) -> frozenset[int]:
        """Numbers of the patterns that stand in a whole text."""
        state = self.start
        hits: set[int] = set()
        for symbol in text.translate(self.alphabet):
            state = state[symbol]
            if state.hits:
                hits.update(state.hits)
        return frozenset(hits.union(self.ended(state)))

    def ended(self, state: State) -> tuple[int, ...]:
        """Numbers of the patterns that end where the text does."""
        if state.ended is None:
            state.ended = tuple(sorted(self._ended(self._past_edges(state.live, open_=True))))
        return state.ended

    def followed(self, rule: int, places: Mapping[int, int], *, symbol: str, index: int, word: bool) -> dict[int, int]:
        """Where one pattern stands behind a symbol: each place with the earliest beginning that leads to it.

        Args:
            rule: its number.
            places: where it stood before.
            symbol: that comes.
            index: the number that a match beginning with this symbol begins at.
            word: whether the symbol before was part of a word.
        """
        here = dict(places)
        for place in self._closure(self._entries[rule]):
            here.setdefault(place, index)
        open_ = not (word and kind_of(symbol) == "word")
        moved: dict[int, int] = {}
        for place, since in self._spread(here, open_=open_).items():
            for target in self._targets((place,), symbol):
                for new in self._closure(target):
                    moved[new] = min(since, moved.get(new, since))
        return moved

    def began(self, rule: int, places: Mapping[int, int], *, open_: bool) -> int:
        """Where the longest match of a pattern begins that ends at `places`; `open_`: no word goes on behind it."""
        last = self._spread(places, open_=open_)
        return min(since for place, since in last.items() if self._ends[place] == rule)

    def made(self, state: State, symbol: str) -> State:
        """The state behind `state` and a symbol, made and kept there."""
        open_ = not (state.word and kind_of(symbol) == "word")
        before = self._past_edges(state.live, open_=open_)
        targets = self._targets(before, symbol)
        reached = self._begun(symbol, open_=open_)
        if targets or len(before) > len(state.live):  # else nothing goes on, as behind most characters
            live = reached.live.union(*map(self._closure, targets))
            reached = self._state(live, word=reached.word, hits=tuple(sorted(self._ended(before))))
        state[symbol] = reached
        return reached

    def _state(self, live: frozenset[int], *, word: bool, hits: tuple[int, ...] = ()) -> State:
        key = (live, word, hits)
        if key not in self._known:
            if len(self._known) >= self._most:
                self._forget()
            self._known[key] = State(self, live=live, word=word, hits=hits)
        return self._known[key]

    def _forget(self) -> None:
        for known in self._known.values():
            known.clear()
        self._begins.clear()
        # What all texts begin at stays known: else it would hold on to what is forgotten next.
        self._known = {(self.start.live, self.start.word, self.start.hits): self.start}

    def _begun(self, symbol: str, *, open_: bool) -> State:
        """Where the patterns that begin with a symbol are after it."""
        key = (symbol, open_)
        if key not in self._begins:
            targets = self._targets(self._past_edges(self._restart, open_=open_), symbol)
            live = frozenset().union(*map(self._closure, targets))
            self._begins[key] = self._state(live, word=kind_of(symbol) == "word")
        return self._begins[key]

    def _targets(self, places: Iterable[int], symbol: str) -> set[int]:
        """Where a symbol leads from places. What a new state costs is spent here: no call for any of them."""
        if symbol not in self._takes:
            self._takes[symbol] = _Taken(symbol, self._chars)
        moves, forks, takes = self._moves, self._forks, self._takes[symbol]
        reached: set[int] = set()
        for place in places:
            move = moves[place]
            if move is not None:
                if takes[move[0]]:
                    reached.add(move[1])
            elif place in forks:
                fork = forks[place]
                reached.update(fork.named.get(symbol, ()))
                reached.update([target for number, target in fork.wide if takes[number]])
        return reached

    def _past_edges(self, places: frozenset[int], *, open_: bool) -> set[int]:
        """The places, and where edges lead that stand open now."""
        reached = set(places)
        edge = self._edge
        waiting = [place for place in places if edge[place] >= 0] if open_ else []
        while waiting:
            new = self._closure(edge[waiting.pop()]) - reached
            reached |= new
            waiting += [place for place in new if edge[place] >= 0]
        return reached

    def _spread(self, places: Mapping[int, int], *, open_: bool) -> dict[int, int]:
        """As `_past_edges`, with the earliest beginning of each place."""
        reached = dict(places)
        waiting = list(places) if open_ else []
        while waiting:
            place = waiting.pop()
            target = self._edge[place]
            if target < 0:
                continue
            for new in self._closure(target):
                if reached.get(new, reached[place] + 1) > reached[place]:
                    reached[new] = reached[place]
                    waiting.append(new)
        return reached

    def _ended(self, places: Iterable[int]) -> set[int]:
        ends = self._ends
        return {ends[place] for place in places if ends[place] >= 0}

    def _closure(self, place: int) -> frozenset[int]:
        """Where one is at a place without reading anything; choices with many ways stay whole."""
        if place not in self._closures:
            reached, waiting = {place}, [place]
            while waiting:
                one = waiting.pop()
                new = set() if self._is_fork(one) else set(self._free[one]) - reached
                reached |= new
                waiting += new
            self._closures[place] = frozenset(one for one in reached if not self._free[one] or one in self._forks)
        return self._closures[place]

    def _is_fork(self, place: int) -> bool:
        """Whether a place is a choice with many ways, all of which begin with a character."""
        if place in self._forks:
            return True
        if len(self._free[place]) < _many:
            return False
        reached, waiting = set(self._free[place]), list(self._free[place])
        while waiting:
            new = set(self._free[waiting.pop()]) - reached
            reached |= new
            waiting += new
        moves = [self._moves[one] for one in reached if not self._free[one]]
        if any(move is None for move in moves):
            return False
        self._forks[place] = _Fork([move for move in moves if move is not None], self._chars)
        return True

    def _entry(self, number: int, node: Node) -> int:
        return self._add(node, self._place(end=number))

    def _place(
        self, *, move: tuple[int, int] | None = None, free: tuple[int, ...] = (), edge: int = -1, end: int = -1
    ) -> int:
        self._moves.append(move)
        self._free.append(free)
        self._edge.append(edge)
        self._ends.append(end)
        return len(self._moves) - 1

    def _add(self, node: Node, behind: int) -> int:
        """The place where `node` begins that goes on at `behind`."""
        match node:
            case Chars():
                if node not in self._sets:
                    self._sets[node] = len(self._chars)
                    self._chars.append(node)
                return self._place(move=(self._sets[node], behind))
            case Edge():
                return self._place(edge=behind)
            case Seq():
                for item in reversed(node.items):
                    behind = self._add(item, behind)
                return behind
            case Alt():
                return self._place(free=tuple(self._add(item, behind) for item in node.items))
            case Repeat():
                end = behind
                for _ in range(node.most - node.least):
                    behind = self._place(free=(self._add(node.item, behind), end))
                for _ in range(node.least):
                    behind = self._add(node.item, behind)
                return behind
