"""No row that is trained is like one that is held out: brute force over whole datasets, of one round and of two."""

from __future__ import annotations

import random

import numpy as np
import pytest

from seekloop.data.wording import asked
from seekloop.text.shingles import prints
from seekloop.text.similarity import verified

WORDS = {
    "en": (
        "card ",
        "money ",
        "bank ",
        "the ",
        "transfer ",
        "when ",
        "where ",
        "limit ",
        "notice ",
        "counter ",
        "asks ",
    ),
    "zh": (
        "银行卡",
        "转账",
        "到现在",
        "还没有",
        "收到",
        "帮我",
        "查一下",
        "这笔钱",
        "去了",
        "哪里",
        "柜台",
        "昨天",
        "额度",
    ),
}


def near(language: str, *, seed: int) -> list[dict[str, str]]:
    """Rows in chains, each some edits from one before it, so that many pairs are near the threshold."""
    rng = random.Random(seed)
    texts = ["".join(rng.choices(WORDS[language], k=14)) for _ in range(30)]
    for _ in range(120):
        letters = list(rng.choice(texts))
        for _ in range(rng.randint(1, 5)):
            letters[rng.randrange(len(letters))] = rng.choice("xyz的了")
        texts.append("".join(letters))
    return [{"text": text, "reply": f"answer {number}"} for number, text in enumerate(texts)]


def alike(trained, held_out) -> int:
    """Pairs that are alike, every row compared with every other."""
    left, right = (prints([asked(row) for row in rows]) for rows in (trained, held_out))
    new, old = (places.ravel() for places in np.indices((len(left), len(right))))
    return len(verified((left, new), (right, old), threshold=0.9).new)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_trained_is_like_what_any_round_holds_out(write, make, language):
    keys = {"dedupe": {"near": False}, "split": {"test": 0.3}}
    first = make({"sources": [{"path": write("a.jsonl", near(language, seed=1))}], **keys})
    again = make({"sources": [{"path": write("b.jsonl", near(language, seed=2))}], **keys}, parent=first.dataset)
    trained = first.rows["train"] + again.rows["train"]
    held_out = [row for made in (first, again) for name in ("validation", "test") for row in made.rows[name]]
    assert first.rows["train"]
    assert held_out
    assert alike(trained, held_out) == 0
    assert alike(trained, trained) > len(trained)
