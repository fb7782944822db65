"""The values of one free-text answer: what it shares with the right one, how long it is, whether it repeats itself."""

from __future__ import annotations

from seekloop.metrics import bleu, chrf, overlap, repetition
from seekloop.text import garbled, segment

__all__ = ["TextValues", "language_tokenisation", "text_values"]

TextValues = tuple[dict[str, float], dict[str, tuple[float, ...]]]
"""Values of a row by the name of their figure, and counts that are summed over rows before they are a value."""


def language_tokenisation(language: str) -> overlap.Tokenisation | None:
    """The tokenisation that overlap in `language` is counted in; None where we have none for it."""
    known: dict[str, overlap.Tokenisation] = {"zh": "zh", "en": "en", "und": "en"}
    return known.get(language)


def text_values(reference: str, text: str, *, whole: str, language: str) -> TextValues:
    """What one answer is worth.

    Args:
        reference: the free text of the right answer; empty: it has none, and nothing is compared.
        text: the free text of the answer.
        whole: all of the answer, a label included.
        language: of the right answer.
    """
    scores: dict[str, float] = {
        "empty_answers": float(not whole.strip()),
        "garbled_answers": float("\ufffd" in whole or garbled.is_garbled(whole)),
        "looping_answers": float(repetition.ends_in_loop(whole)),
    }
    counts: dict[str, tuple[float, ...]] = {}
    said = segment.tokens(text)
    again = repetition.repeated(said)
    if again is not None:
        scores["repetition_4"] = round(again, 10)
    if not reference.split():
        return scores, counts
    counts["chrf"] = chrf.chrf_counts(reference, text)
    counts["length_ratio"] = (len(said), len(segment.tokens(reference)))
    tokenisation = language_tokenisation(language)
    if tokenisation is not None and overlap.tokens(reference, tokenisation):
        for n in (1, 2):
            f1 = overlap.rouge_n(reference, text, n=n, tokenisation=tokenisation).f1
            scores[f"rouge{n}_{tokenisation}"] = round(f1, 10)
        counts[f"bleu_{tokenisation}"] = bleu.bleu_counts(reference, text, tokenisation=tokenisation)
    return scores, counts
