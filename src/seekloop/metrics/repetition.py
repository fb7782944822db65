"""Answers that say the same again: the share of repeated n-grams, and answers that end in a loop."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["ends_in_loop", "repeated"]

_longest = 200
_times = 4
_least = 24


def repeated(tokens: Sequence[str], *, n: int = 4) -> float | None:
    """Share of n-grams that stood in the text before: 1 - distinct / all; None where there is no n-gram.

    seq-rep-n of Welleck et al. (2020), "Neural text generation with unlikelihood training".

    Raises:
        ValueError: n is below 1.
    """
    if n < 1:
        raise ValueError(f"n-grams of {n} tokens")
    runs = [tuple(tokens[at : at + n]) for at in range(len(tokens) - n + 1)]
    return 1 - len(set(runs)) / len(runs) if runs else None


def ends_in_loop(text: str) -> bool:
    """Whether the end of `text` is one piece of up to 200 characters, four times or more, 24 characters at least.

    The last time may be cut in the middle, as an answer that was stopped is.
    """
    text = text.rstrip()
    return any(_is_loop(text, period) for period in range(1, min(_longest, len(text) // _times) + 1))


def _is_loop(text: str, period: int) -> bool:
    """Whether the tail repeats with this period, four times and 24 characters long."""
    tail = max(_times * period, _least)
    return len(text) >= tail and text[-tail + period :] == text[-tail:-period]
