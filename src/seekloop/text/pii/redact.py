"""What is done with what was found: mask, replace, hash, encrypt, drop the row, or keep."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from seekloop.text.pii.fakes import canonical, fake
from seekloop.text.pii.kinds import PERSONAL, Finding
from seekloop.text.pii.names import Recognizer
from seekloop.text.pii.seal import seal
from seekloop.text.pii.search import find_all
from seekloop.text.pii.stream import tag

__all__ = ["ACTIONS", "Action", "Redacted", "Redactor", "mask"]

Action = Literal["mask", "replace", "hash", "encrypt", "drop", "keep"]
ACTIONS: tuple[Action, ...] = ("mask", "replace", "hash", "encrypt", "drop", "keep")
"""`[PHONE]`; a stand-in; `[PHONE#…]`; `[PHONE~…]`, which the key opens; masked, and the row left out; counted only."""


@dataclass(frozen=True)
class Redacted:
    """A text without its personal data."""

    text: str
    counts: Counter[str]
    """By kind; what was not masked by kind and action, such as `phone:hash`."""
    drop: bool = False
    """Whether it held something for which its row is to be left out."""


def _no_key() -> bytes:
    raise ValueError("replace, hash and encrypt need a key")


class Redactor:
    """Finds personal data and acts on it, the same way in every text.

    Args:
        actions: what to do, by kind; other kinds stay as they are.
        allow: values that stay, such as the house's own hotline.
        key: gives 32 secret bytes; called once, and only if an action needs them.
        recognizers: for names, places and organisations.
        least: confidence under which a finding stays as it is, 0 to 1.
    """

    def __init__(
        self,
        actions: Mapping[str, Action],
        *,
        allow: Collection[str] = (),
        key: Callable[[], bytes] = _no_key,
        recognizers: Sequence[Recognizer] = (),
        least: float = 0.5,
    ) -> None:
        self.actions = dict(actions)
        self._kinds = frozenset(kind for kind, action in actions.items() if action != "keep")
        self._kept = frozenset(self.actions) - self._kinds
        self._allow = frozenset(allow)
        self._key = key
        self._secret: bytes | None = None
        self._recognizers = tuple(recognizers)
        self._least = least

    def redact(self, text: str) -> Redacted:
        """`text` with every finding acted on, and how many there were."""
        found = self.find(text)
        if not found and not self._kept:
            return Redacted(text, Counter())
        counts: Counter[str] = Counter()
        if self._kept:
            counts.update(f"{one.kind}:keep" for one in find_all(text, kinds=self._kept, least=self._least))
        avoid = {canonical(one.kind, text[one.start : one.end]) for one in found} if self._replaces else set()
        pieces: list[str] = []
        place = 0
        for one in found:
            action = self.actions[one.kind]
            counts[one.kind if action == "mask" else f"{one.kind}:{action}"] += 1
            pieces += (text[place : one.start], self._shown(one.kind, text[one.start : one.end], avoid=avoid))
            place = one.end
        drop = any(self.actions[one.kind] == "drop" for one in found)
        return Redacted("".join((*pieces, text[place:])), counts, drop)

    def find(self, text: str) -> list[Finding]:
        """What `redact` acts on, in order and without overlaps; names give way to structured kinds."""
        found = find_all(text, kinds=self._kinds, allow=self._allow, least=self._least)
        for recognizer in self._recognizers:
            for one in recognizer.find([text])[0]:
                free = all(one.end <= other.start or one.start >= other.end for other in found)
                if free and one.kind in self._kinds and text[one.start : one.end] not in self._allow:
                    found.append(one)
        return sorted(found, key=lambda one: one.start)

    def pseudonym(self, subject: str) -> str:
        """A person's id that only the holder of the key can work out from `subject`; the same every time."""
        return f"subject:{tag(self.secret, 'subject', subject, length=26)}"

    @property
    def secret(self) -> bytes:
        """The key, asked for when it is first needed."""
        if self._secret is None:
            self._secret = self._key()
        return self._secret

    @property
    def _replaces(self) -> bool:
        return "replace" in self.actions.values()

    def _shown(self, kind: str, value: str, *, avoid: Collection[str]) -> str:
        match self.actions[kind]:
            case "replace":
                return fake(kind, value, key=self.secret, avoid=avoid)
            case "hash":
                return f"[{kind.upper()}#{tag(self.secret, 'hash', kind, canonical(kind, value))}]"
            case "encrypt":
                return seal(kind, value, key=self.secret)
            case _:
                return f"[{kind.upper()}]"


def mask(text: str, *, kinds: Collection[str] = PERSONAL, allow: Collection[str] = ()) -> tuple[str, Counter[str]]:
    """`text` with each finding replaced by `[KIND]`, and how many there were of each kind.

    Masking a masked text changes nothing. `allow` holds values that stay, such as the house's own hotline.
    """
    done = _masker(tuple(kinds), tuple(allow)).redact(text)
    return done.text, done.counts


@functools.lru_cache(maxsize=64)
def _masker(kinds: tuple[str, ...], allow: tuple[str, ...]) -> Redactor:
    return Redactor(dict.fromkeys(kinds, "mask"), allow=allow)
