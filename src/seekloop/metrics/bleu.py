"""BLEU with the tokenisation in its name, `bleu_en` and `bleu_zh`, in sacrebleu's numbers, from counts a row.

Papineni et al. (2002), "BLEU: a method for automatic evaluation of machine translation": the geometric mean of the
precisions of 1- to 4-grams (so this is what others call BLEU-4), times a brevity penalty. An order without a match is
smoothed as NIST's mteval-v13a does (method 3 of Chen and Cherry 2014). Counts of rows add up to those of a corpus, so
a bootstrap needs no string twice. `en` is mteval's `13a`, `zh` splits every Chinese character and punctuation mark off
before the same rules; both are the tokenisers of that name in sacrebleu, case kept.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seekloop.metrics.overlap import Tokenisation

__all__ = ["COUNTS", "bleu", "bleu_counts", "bleu_tokens"]

_order = 4
COUNTS = 2 + 2 * _order
"""Length of what `bleu_counts` gives."""

_entities = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
_alone = re.compile(f"([{re.escape(''.join(sorted(set(string.punctuation) - set(chr(39) + ',-.'))))}])")
_mark_after = re.compile(r"([^0-9])([.,])")
_mark_before = re.compile(r"([.,])([^0-9])")
_dash = re.compile(r"([0-9])(-)")
_han = re.compile(
    # U+2001 to U+2A6D is how sacrebleu's table, written with four hex digits, reads its extension B.
    "([\u2001-\u2a6d\u2e80-\u2eff\u2f00-\u2fdf\u2ff0-\u2fff\u3000-\u303f\u3100-\u312f\u31a0-\u31ef\u3200-\u4db5"
    "\u4e00-\u9fbb\uf900-\ufa2d\ufa30-\ufa6a\ufa70-\ufad9\ufe10-\ufe1f\ufe30-\ufe4f\uff00-\uffef])"
)


def bleu_tokens(text: str, tokenisation: Tokenisation) -> list[str]:
    """The tokens that BLEU counts."""
    if tokenisation == "zh":
        return _western(_han.sub(r" \1 ", text.strip()))
    line = text.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, sign in _entities:
        line = line.replace(entity, sign)
    return _western(f" {line} ")


def bleu_counts(reference: str, answer: str, *, tokenisation: Tokenisation) -> tuple[int, ...]:
    """What one answer adds to a corpus: its length, the reference's, n-grams of 1 to 4 shared, and given."""
    wanted, given = (bleu_tokens(text, tokenisation) for text in (reference, answer))
    shared, total = [], []
    for n in range(1, _order + 1):
        left, right = _ngrams(wanted, n), _ngrams(given, n)
        shared.append((left & right).total())
        total.append(right.total())
    return (len(given), len(wanted), *shared, *total)


def bleu(counts: NDArray[np.float64], *, effective_order: bool = False) -> NDArray[np.float64]:
    """BLEU, 0 to 100, of summed counts.

    Args:
        counts: shape (..., COUNTS), sums of what `bleu_counts` gives, weighted as one likes.
        effective_order: leave out orders that the answer is too short for, as sacrebleu does for single sentences;
            without it an answer of fewer than four tokens has 0.

    Returns:
        Shape (...). 0 where nothing is shared.
    """
    length, wanted = counts[..., 0], counts[..., 1]
    shared, total = counts[..., 2 : 2 + _order], counts[..., 2 + _order :]
    # Orders count up to the first one that has no n-grams.
    there = np.cumprod(total > 0, axis=-1).astype(bool)
    missed = there & (shared == 0)
    smoothed = 0.5 ** np.cumsum(missed, axis=-1)
    share = np.divide(np.where(missed, smoothed, shared), total, out=np.ones(total.shape), where=there)
    orders = there.sum(axis=-1) if effective_order else np.full(length.shape, _order)
    logs = np.log(100 * share) * there
    mean = np.divide(logs.sum(axis=-1), orders, out=np.zeros(length.shape), where=orders > 0)
    ratio = np.divide(wanted, length, out=np.ones(length.shape), where=length > 0)
    penalty = np.exp(np.minimum(0.0, 1 - ratio))
    whole = (shared > 0).any(axis=-1) & (effective_order | there.all(axis=-1))
    return np.asarray(np.where(whole, penalty * np.exp(mean), 0.0))


def _western(line: str) -> list[str]:
    """mteval-v13a: punctuation stands alone, a full stop or comma does unless digits are on both its sides."""
    line = _alone.sub(r" \1 ", line)
    line = _mark_after.sub(r"\1 \2 ", line)
    line = _mark_before.sub(r" \1 \2", line)
    return _dash.sub(r"\1 \2 ", line).split()


def _ngrams(tokens: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[at : at + n]) for at in range(len(tokens) - n + 1))
