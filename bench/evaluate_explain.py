"""Whether an answer is traced to the row that taught it: planted rows, on SmolLM2-135M, beside searches by words.

Thirty facts and labels stand in one training row each, among rows that look like them (`explain_planted`); the tuned
model is asked in other words. A case counts where its own answer holds what the row teaches: an answer that the row did
not make has no responsible row. The searches by words are given the same question and answer, and the same rows.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench.explain_planted import Case, planted
from bench.foundation import scratch
from bench.harness import Peer, Record, wilson
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.artifact.rows import Message, Row, write_rows
from seekloop.runtime.bases import open_base
from seekloop.system.spec import Spec
from seekloop.tune.spec import TuneInputs, TuneSpec
from seekloop.tune.stage import run as tune

__all__ = ["measures", "ranks", "tuned"]

SEED, ROWS, CASES, TOP = 7, 200, 30, 5
"""The seed whose rows the method was chosen on."""
FRESH = (11, 13)
"""Seeds of other planted rows, names and trainings, which nothing was chosen on."""
BASE = "smollm2-135m"
TUNE = {
    "method": {"type": "lora", "rank": 8},
    "epochs": 10,
    "learning_rate": 1e-3,
    "rows_per_step": 8,
    "optimizer": {"snapshots": True},
}
_word = re.compile(r"[\u3400-\u9fff]|[a-z0-9]+")


class Planted(Spec):
    """A dataset whose rows were planted."""


@dataclass(frozen=True)
class Rank:
    """Where the responsible row of a case stands, from 1, by each method."""

    case: Case
    said: str
    """What the tuned model answered."""
    ours: int
    taught: int
    """By our method, of the answer as the row gives it, whatever the model said."""
    summed: int
    """By the mean over four moments of the training (TracIn), of what the model said."""
    summed_taught: int
    """By the same, of the answer as the row gives it."""
    peers: dict[str, int]

    @property
    def learned(self) -> bool:
        """Whether the model says what the row teaches."""
        return self.case.value.casefold() in self.said.casefold()


def tuned(data: Path, *, ctx: RunContext) -> Checkpoint:
    """The model, tuned on the rows that are planted by the context's seed."""
    rows = planted(data, rows=ROWS, cases=CASES, seed=ctx.seed).rows
    with ctx.job("data", Planted()) as job:
        for split in ("train", "validation", "test", "calibration", "dropped"):
            write_rows(job.path(f"{split}.jsonl"), rows if split == "train" else [])
        splits = {"train": len(rows), "validation": 0, "test": 0}
        dataset = job.commit(Dataset(made_by=job.origin, rows=len(rows), splits=splits, dropped={}))
    spec = TuneSpec.parse(TUNE)
    return tune(spec, TuneInputs(dataset=dataset, checkpoint=open_base(BASE, ctx=ctx)), ctx=ctx)


def ranks(data: Path, checkpoint: Checkpoint, *, ctx: RunContext) -> list[Rank]:
    """The rank of each case's responsible row, by our methods and by the searches; planted by the context's seed."""
    # Here because torch comes with it.
    from seekloop.evaluate.explain.explanation import answer_of
    from seekloop.evaluate.explain.gradients import Gradients
    from seekloop.evaluate.explain.rows import Rows

    made = planted(data, rows=ROWS, cases=CASES, seed=ctx.seed)
    gradients = Gradients(checkpoint, store=ctx.store)
    ways = [Rows(gradients, checkpoint, ctx=ctx, summed=summed) for summed in (False, True)]
    for rows in ways:
        rows.prepare()
    searches = {"bm25": _bm25(made.rows), "tf-idf": _tf_idf(made.rows)}
    found = []
    for case in made.cases:
        asked = [Message(role="user", content=case.question)]
        said = answer_of(gradients, asked)
        taught = Message(role="assistant", content=case.answer)
        own, given, summed, summed_given = (
            [one.row for one in rows.top(asked, answer, count=ROWS)].index(case.row) + 1
            for rows in ways
            for answer in (said, taught)
        )
        text = f"{case.question} {said.content}"
        others = {name: _rank(search(text), made.rows, case.row) for name, search in searches.items()}
        found.append(Rank(case, said.content, own, given, summed, summed_given, others))
    return found


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """All measures of this topic."""
    return [lambda: attribution(data, (SEED,)), lambda: attribution(data, FRESH, name="_fresh")]


def attribution(data: Path, seeds: Sequence[int], *, name: str = "") -> Sequence[Record]:
    """Share of cases whose responsible row is among the first five, beside the better of the searches."""
    return records([one for seed in seeds for one in _of_seed(data, seed)], seeds=seeds, name=name)


def _of_seed(data: Path, seed: int) -> list[Rank]:
    with scratch() as folder, RunContext.in_folder(folder, seed=seed) as ctx:
        return ranks(data, tuned(data, ctx=ctx), ctx=ctx)


def records(found: Sequence[Rank], *, seeds: Sequence[int], name: str = "") -> list[Record]:
    """The figures of some ranks, each beside the better of the searches; `name` ends each record's name."""
    learned, others = [one for one in found if one.learned], [one for one in found if not one.learned]
    told = f"{ROWS} rows, {len(found) // len(seeds)} planted, one in five in Chinese; asked in other words"
    told += f"; seeds {', '.join(map(str, seeds))}"
    facts: dict[str, Any] = {"unit": "share", "model": BASE, "seed": seeds[0]}
    made = [
        _record(
            f"attribution_top5{name}",
            learned,
            data=f"{told}; answers of the model that hold what the row teaches",
            **facts,
        ),
        _record(
            f"attribution_false_top5{name}",
            others,
            data=f"{told}; answers of the model that hold something else: the row is among the first five though it "
            "did not make them",
            better="lower",
            **facts,
        ),
    ]
    shares = [
        _share(
            f"attribution_top5_taught{name}",
            [one.taught for one in found],
            data=f"{told}; answers as the rows give them, whatever the model says",
            **facts,
        ),
        _share(
            f"attribution_top5_taught_summed{name}",
            [one.summed_taught for one in found],
            data=f"{told}; the same, by the mean over four moments of the training",
            **facts,
        ),
    ]
    if learned:
        shares.append(
            _share(
                f"attribution_top5_summed{name}",
                [one.summed for one in learned],
                data=f"{told}; answers of the model that hold what the row teaches, by the mean over four moments",
                **facts,
            )
        )
    return [*(one for one in made if one is not None), *shares]


def _share(name: str, ranks: Sequence[int], **facts: Any) -> Record:
    right = sum(one <= TOP for one in ranks)
    return Record(
        name=name, value=right / len(ranks), n=len(ranks), ci=wilson(right, len(ranks)), better="higher", **facts
    )


def _record(
    name: str, found: Sequence[Rank], *, better: Literal["higher", "lower"] = "higher", **facts: Any
) -> Record | None:
    """The share of cases whose row is among the first five; None where there is no case."""
    if not found:
        return None
    shares = {peer: sum(one.peers[peer] <= TOP for one in found) / len(found) for peer in found[0].peers}
    best = (max if better == "higher" else min)(shares, key=lambda peer: shares[peer])
    right = sum(one.ours <= TOP for one in found)
    return Record(
        name=name,
        value=right / len(found),
        n=len(found),
        ci=wilson(right, len(found)),
        peer=Peer(name=f"{best}, over the same rows", version="ours", value=shares[best]),
        better=better,
        **facts,
    )


def _rank(scores: Sequence[float], rows: Sequence[Row], wanted: str) -> int:
    """Ties count against the search, as anybody would have to look at them all."""
    own = scores[[row.id for row in rows].index(wanted)]
    return sum(score >= own for score in scores)


def _words(text: str) -> list[str]:
    return _word.findall(text.casefold())


def _texts(rows: Sequence[Row]) -> list[Counter[str]]:
    return [Counter(_words(" ".join(turn.content for turn in row.messages))) for row in rows]


def _weights(texts: Sequence[Counter[str]]) -> dict[str, float]:
    """Inverse document frequency, as in BM25."""
    n, held = len(texts), Counter(word for text in texts for word in text)
    return {word: math.log(1 + (n - count + 0.5) / (count + 0.5)) for word, count in held.items()}


def _bm25(rows: Sequence[Row], *, k: float = 1.2, b: float = 0.75) -> Callable[[str], list[float]]:
    """Okapi BM25 (Robertson and Zaragoza 2009) over the rows' texts."""
    texts = _texts(rows)
    weights, mean = _weights(texts), float(np.mean([text.total() for text in texts]))

    def score(text: Counter[str], words: Sequence[str]) -> float:
        room = k * (1 - b + b * text.total() / mean)
        return sum(weights[word] * text[word] * (k + 1) / (text[word] + room) for word in words if word in text)

    return lambda query: [score(text, sorted(set(_words(query)))) for text in texts]


def _tf_idf(rows: Sequence[Row]) -> Callable[[str], list[float]]:
    """Cosine of the words' weighted counts."""
    texts = _texts(rows)
    weights = _weights(texts)

    def length(text: Counter[str]) -> float:
        return math.sqrt(sum((count * weights.get(word, 0.0)) ** 2 for word, count in text.items())) or 1.0

    def search(query: str) -> list[float]:
        words = Counter(_words(query))
        products = (
            sum(count * text[word] * weights.get(word, 0.0) ** 2 for word, count in words.items()) for text in texts
        )
        return [product / length(text) / length(words) for product, text in zip(products, texts, strict=True)]

    return search


def main() -> None:
    """Tune and rank in a folder that is kept: `python -m bench.evaluate_explain DATA FOLDER [SEED]`; 11 by default."""
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else FRESH[0]
    with RunContext.in_folder(Path(sys.argv[2]), seed=seed) as ctx:
        found = ranks(Path(sys.argv[1]), tuned(Path(sys.argv[1]), ctx=ctx), ctx=ctx)
    for one in found:
        told = {"row": one.case.row, "said": one.said, "ours": one.ours, "taught": one.taught}
        summed = {"summed": one.summed, "summed_taught": one.summed_taught}
        print(json.dumps({**told, **summed, **one.peers}, ensure_ascii=False))
    for record in records(found, seeds=(seed,)):
        print(record.name, record.value, record.n, record.ci, record.peer)


if __name__ == "__main__":
    main()
