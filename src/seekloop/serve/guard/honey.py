"""Honeytokens: marks in answers that are unique to a key and a release, and the search for them in other texts."""

from __future__ import annotations

import base64
import hmac
from collections import Counter
from collections.abc import Iterable

from seekloop.serve.guard.sketch import fold
from seekloop.serve.guard.spec import HoneyOptions

__all__ = ["Honey", "tokens_in"]

_bytes = 5
"""A mark has 40 random bits, which eight letters and digits hold."""


class Honey:
    """Which prompts are marked, and with what.

    Args:
        options: how many.
        secret: makes both.
    """

    def __init__(self, options: HoneyOptions, *, secret: bytes) -> None:
        self._options = options
        self._secret = secret
        self._traps = frozenset(fold(prompt) for prompt in options.prompts)

    def token(self, caller: str, release: str) -> str:
        """The mark of a caller's answers from a release: `XXXX-XXXX`."""
        drawn = hmac.digest(self._secret, f"token\x1f{caller}\x1f{release}".encode(), "sha256")
        text = base64.b32encode(drawn[:_bytes]).decode()
        return f"{text[:4]}-{text[4:]}"

    def planted(self, prompt: bytes, *, caller: str, release: str) -> str:
        """What is added to the answer of a folded prompt: mostly nothing."""
        if prompt not in self._traps and not self._drawn(prompt):
            return ""
        return self._options.text.format(token=self.token(caller, release))

    def _drawn(self, prompt: bytes) -> bool:
        if not self._options.share:
            return False
        drawn = hmac.digest(self._secret, b"prompt\x1f" + prompt, "sha256")
        return int.from_bytes(drawn[:4], "little") < self._options.share * 2**32


def tokens_in(texts: Iterable[str], known: dict[str, tuple[str, str]]) -> Counter[tuple[str, str]]:
    """How often each known mark is in texts.

    Args:
        texts: what a suspect model said.
        known: mark -> (caller, release).

    Returns:
        (caller, release) -> texts with their mark. A mark is there by chance in one text of 2^40 a place at most.
    """
    found: Counter[tuple[str, str]] = Counter()
    for text in texts:
        upper = text.upper()
        for token, whose in known.items():
            if token in upper:
                found[whose] += 1
    return found
