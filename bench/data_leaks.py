"""Leaks that the guard misses, against brute force: every row to be trained beside every row held out.

Rows held out are real questions (Banking77 and Bitext in English, medical ones in Chinese). Rows to be trained are the
questions of the public train files, and each question held out again with up to one character in twelve edited, most
of them right at the threshold or below it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from bench.data_dedupe import Texts
from bench.harness import Record
from seekloop.text.complete import CompleteIndex
from seekloop.text.shingles import Prints, prints
from seekloop.text.similarity import verified

__all__ = ["measures"]

SEED, HELD_OUT, TRAINED, THRESHOLD = 7, 3_000, 6_000, 0.9
_rows = 50
_letters = {"en": "etaoinshrdlu", "zh": "的是了在有我他这中大来上个国和"}


def missed(language: str, texts: Texts) -> Sequence[Record]:
    """Pairs of a trained and a held-out row that are alike and that the guard does not find; n: all such pairs."""
    chance = random.Random(SEED)
    pool = list(texts.en if language == "en" else texts.asked_zh)
    chance.shuffle(pool)
    held_out, trained = pool[:HELD_OUT], pool[HELD_OUT : HELD_OUT + TRAINED]
    trained += [_edited(text, chance, letters=_letters[language]) for text in held_out]
    index = CompleteIndex(THRESHOLD)
    old, new = prints(held_out), prints(trained)
    index.add(old)
    matches = index.matches(new)
    found = set(zip(matches.new.tolist(), matches.old.tolist(), strict=True))
    alike = _brute_force(new, old)
    compared = f"{len(new):,} rows beside {len(old):,}, all pairs, similarity of {THRESHOLD} or more"
    return [
        Record(
            name=f"leak_missed_{language}",
            value=float(len(alike - found)),
            unit="pairs",
            better="lower",
            n=len(alike),
            data=f"{'banking77 and bitext' if language == 'en' else 'cmedical'} questions: {compared}",
            seed=SEED,
            threads=1,
        )
    ]


def _edited(text: str, chance: random.Random, *, letters: str) -> str:
    result = list(text)
    for _ in range(chance.randint(1, max(1, len(text) // 12))):
        result[chance.randrange(len(result))] = chance.choice(letters)
    return "".join(result)


def _brute_force(new: Prints, old: Prints) -> set[tuple[int, int]]:
    """All pairs that are alike, told by the measure itself."""
    found: set[tuple[int, int]] = set()
    columns = np.arange(len(old))
    for at in range(0, len(new), _rows):
        rows = np.arange(at, min(at + _rows, len(new)))
        pairs = np.repeat(rows, len(old)), np.tile(columns, len(rows))
        alike = verified((new, pairs[0]), (old, pairs[1]), threshold=THRESHOLD)
        found |= set(zip(alike.new.tolist(), alike.old.tolist(), strict=True))
    return found


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """The figures of this file, on the shared data folder."""
    texts = Texts.of(data)
    return [lambda: missed("zh", texts), lambda: missed("en", texts)]
