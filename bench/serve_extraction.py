"""Extraction defence: simulated copiers against simulated customers, on real questions.

Customers ask in sessions: intents by a Zipf law of the key's own, wordings of an intent by another, some asked again,
some with a greeting, a typo or other capitals. Copiers ask random words; sweep Banking77's train set, half of it
reworded; spread that sweep over ten keys of 400 queries; creep (the same, hidden among four times as many customers'
queries); or walk between pairs of questions to where the answer changes. The model under attack is a nearest-centroid
classifier of the intents. The baseline is fitted on other customers than those that false positives are counted on;
`other_domain` takes one of Bitext's shop, to show why no baseline is shipped. Real customers may be less regular than
these: watch before you block. The watermark is measured on answers of SmolLM2-135M, quality as the unmarked model sees
it.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import random
import statistics
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.foundation import scratch
from bench.harness import Record, median_record, wilson
from seekloop.artifact.context import RunContext
from seekloop.artifact.rows import Message
from seekloop.model.codec import Codec
from seekloop.runtime.bases import open_base
from seekloop.runtime.generate.backend import Backend, Prompt
from seekloop.runtime.generate.greenlist import GreenList, detect
from seekloop.runtime.generate.open import open_backend
from seekloop.runtime.models import codec_of
from seekloop.serve.guard.baseline import LOOKS, Baseline, fit
from seekloop.serve.guard.sketch import Features, Sketch, fold
from seekloop.serve.guard.spec import GuardOptions
from seekloop.system import seeds

__all__ = ["Domain", "customer", "measures", "moments"]

SEED, CUSTOMERS, COPIERS, QUERIES = 7, 200, 20, 4000
ANSWERS, TOKENS, DELTAS, P_AT = 48, 96, (1.0, 2.0, 4.0), 0.001
_width = 4096
Asked = Iterator[str]


@dataclass(frozen=True)
class Domain:
    """Questions by intent, for customers and for copiers, and the model that answers."""

    name: str
    asked: dict[str, list[str]]
    """Intent -> customers' questions."""
    known: list[str]
    """What a copier has."""
    centroids: np.ndarray
    labels: list[str]

    @classmethod
    def of(cls, name: str, *, asked: Sequence[tuple[str, str]], known: Sequence[tuple[str, str]]) -> Domain:
        """From (text, intent) of customers and of copiers; the model is trained on the latter."""
        by_intent: dict[str, list[str]] = defaultdict(list)
        for text, intent in asked:
            by_intent[intent].append(text)
        sums: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(_width))
        for text, intent in known:
            sums[intent] += _vector(text)
        labels = sorted(sums)
        centroids = np.stack([sums[label] / np.linalg.norm(sums[label]) for label in labels])
        return cls(name, dict(by_intent), [text for text, _ in known], centroids, labels)

    def answer(self, text: str) -> str:
        """The intent that the model sees."""
        return self.labels[int(np.argmax(self.centroids @ _vector(text)))]


def _vector(text: str) -> np.ndarray:
    vector = np.zeros(_width)
    words = text.casefold().split()
    for word in [*words, *map(" ".join, itertools.pairwise(words))]:
        vector[zlib.crc32(word.encode()) % _width] += 1.0
    return vector


def banking(data: Path) -> Domain:
    """Banking77: customers ask the test questions, copiers have the train ones."""
    folder = data / "banking77"
    with (folder / "test.csv").open(encoding="utf-8", newline="") as file:
        asked = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    with gzip.open(folder / "train.csv.gz", "rt", encoding="utf-8", newline="") as file:
        known = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    return Domain.of("banking77", asked=asked, known=known)


def bitext(data: Path) -> Domain:
    """Bitext's shop: customers ask one half of the questions, copiers have the other."""
    rows = []
    for path in sorted((data / "bitext_cs").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows += [(row["utterance"], row["intent"]) for row in csv.DictReader(file)]
    return Domain.of("bitext", asked=rows[::2], known=rows[1::2])


def customer(domain: Domain, seed: int) -> Asked:
    """The questions of one key with many people behind it, without end."""
    rng = random.Random(seed)
    intents = sorted(domain.asked)
    rng.shuffle(intents)
    steep = rng.uniform(0.7, 1.3)
    weights = [1 / (rank + 1) ** steep for rank in range(len(intents))]
    wordings = {intent: rng.sample(texts, len(texts)) for intent, texts in domain.asked.items()}
    again, varied = rng.uniform(0.02, 0.15), rng.uniform(0.1, 0.5)
    last = ""
    while True:
        if last and rng.random() < again:
            yield last
            continue
        texts = wordings[rng.choices(intents, weights)[0]]
        place = min(int(rng.paretovariate(0.9)) - 1, len(texts) - 1)
        if place == len(texts) - 1:
            place = rng.randrange(len(texts))
        last = _varied(texts[place], rng) if rng.random() < varied else texts[place]
        yield last


def _varied(text: str, rng: random.Random) -> str:
    way = rng.randrange(4)
    if way == 0:
        return f"{rng.choice(['Hi, ', 'hello ', 'Please help: ', 'hey, '])}{text}"
    if way == 1:
        return f"{text} {rng.choice(['thanks', 'thank you', 'please', 'asap!'])}"
    if way == 2:
        place = rng.randrange(len(text))
        return text[:place] + text[place + 1 :]
    return text.upper() if rng.random() < 0.2 else text.lower()


def dictionary(domain: Domain, seed: int) -> Asked:
    """Random words of the domain."""
    rng = random.Random(seed)
    words = sorted({word for text in domain.known for word in text.split()})
    while True:
        yield " ".join(rng.choices(words, k=rng.randint(3, 12)))


def sweep(domain: Domain, seed: int) -> Asked:
    """Every known question once, half of them reworded; then again, reworded."""
    rng = random.Random(seed)
    while True:
        for text in rng.sample(domain.known, len(domain.known)):
            words = text.split()
            if rng.random() < 0.5 and len(words) > 3:
                place = rng.randrange(1, len(words))
                words = (
                    [*words[place:], *words[:place]] if rng.random() < 0.5 else [*words[:place], *words[place + 1 :]]
                )
            yield " ".join(words)


def spread(domain: Domain, seed: int) -> Asked:
    """One of ten keys that share the sweep, 400 queries each."""
    return itertools.islice(sweep(domain, seed // 10), seed % 10, 4000, 10)


def creeping(domain: Domain, seed: int) -> Asked:
    """One of ten keys: a fifth is a part of the sweep, the rest is a customer's."""
    rng, part = random.Random(seed), seed % 10
    normal, mine = customer(domain, seed + 1), itertools.islice(sweep(domain, seed // 10), part, None, 10)
    while True:
        yield next(mine) if rng.random() < 0.2 else next(normal)


def boundary(domain: Domain, seed: int) -> Asked:
    """Walks from one question to another, halving where the answer changes."""
    rng = random.Random(seed)
    while True:
        one, two = (text.split() for text in rng.sample(domain.known, 2))
        low, high = 0, len(one)
        first = domain.answer(" ".join(one))
        yield " ".join(one)
        while high - low > 0:
            middle = (low + high) // 2
            text = " ".join([*one[: len(one) - middle], *two[len(two) - middle :]])
            yield text
            low, high = (middle + 1, high) if domain.answer(text) == first else (low, middle)
        yield " ".join(two)


STRATEGIES: dict[str, Callable[[Domain, int], Asked]] = {
    "dictionary": dictionary,
    "sweep": sweep,
    "spread": spread,
    "creeping": creeping,
    "boundary": boundary,
}


def moments(domain: Domain, asked: Asked, *, queries: int, secret: int = SEED) -> Iterator[Features]:
    """What a key looks like every sixteen queries."""
    sketch = Sketch(secret)
    for number, text in enumerate(itertools.islice(asked, queries), start=1):
        sketch.ask(fold(text))
        sketch.answered(domain.answer(text))
        if number % 16 == 0 or number in LOOKS:
            yield sketch.features()


def customers(domain: Domain, purpose: str) -> list[list[Features]]:
    """The moments of keys with 200 to 4,000 queries in their window."""
    found = []
    for number in range(CUSTOMERS):
        seed = seeds.derive(SEED, "extraction", purpose, number)
        queries = int(200 * 20 ** random.Random(seed).random())
        found.append(list(moments(domain, customer(domain, seed), queries=queries)))
    return found


def baseline_of(keys: Sequence[Sequence[Features]]) -> Baseline:
    """The baseline of keys, each looked at a few times so that long ones do not outweigh the others."""
    return fit([[one for one in key if one.queries in LOOKS] for key in keys])


def first_above(baseline: Baseline, key: Sequence[Features], *, options: GuardOptions) -> int | None:
    """Queries of a key when its score first reached a threshold."""
    return next(
        (one.queries for one in key if one.queries >= options.least and baseline.score(one) >= options.throttle_at),
        None,
    )


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """Every measure of this topic."""
    return [lambda: detection(data), lambda: watermark(data)]


def detection(data: Path) -> Sequence[Record]:
    """Copiers that are slowed down within 4,000 queries, after how many, and customers that are."""
    domain, options = banking(data), GuardOptions()
    own = baseline_of(customers(domain, "baseline"))
    shop = baseline_of(customers(bitext(data), "baseline"))
    held_out = customers(domain, "held out")
    records: list[Record] = []
    records += [
        _false_positives(own, held_out, options=options, told="own"),
        _false_positives(shop, held_out, options=options, told="other_domain"),
    ]
    caught_of_all = 0
    for name in STRATEGIES:
        found = [_caught(domain, own, name=name, number=number, options=options) for number in range(COPIERS)]
        caught = [each for each in found if each is not None]
        caught_of_all += len(caught)
        records += _detected(f"_{name}", caught=len(caught), n=COPIERS, options=options)
        if caught:
            records.append(
                median_record(
                    f"extraction_queries_until_throttled_{name}",
                    caught,
                    unit="queries",
                    better="lower",
                    data=f"of those that were slowed down; nobody is judged before {options.least} queries",
                    seed=SEED,
                )
            )
    return records + _detected("", caught=caught_of_all, n=COPIERS * len(STRATEGIES), options=options)


def _caught(domain: Domain, baseline: Baseline, *, name: str, number: int, options: GuardOptions) -> int | None:
    """Queries of a copier when it was slowed down."""
    seed = seeds.derive(SEED, "extraction", name, number) // 10 * 10 + number % 10
    key = list(moments(domain, STRATEGIES[name](domain, seed), queries=QUERIES))
    return first_above(baseline, key, options=options)


def _false_positives(
    baseline: Baseline, held_out: Sequence[Sequence[Features]], *, options: GuardOptions, told: str
) -> Record:
    wrong = sum(first_above(baseline, key, options=options) is not None for key in held_out)
    n = len(held_out)
    return Record(
        name="extraction_false_positive" + ("" if told == "own" else f"_{told}"),
        value=wrong / n,
        unit="keys",
        better="lower",
        n=n,
        ci=wilson(wrong, n),
        data=f"banking77 customers, 200 to 4,000 queries, baseline of {told}, throttle_at {options.throttle_at:g}",
        seed=SEED,
    )


def _detected(suffix: str, *, caught: int, n: int, options: GuardOptions) -> list[Record]:
    return [
        Record(
            name=f"extraction_detection{suffix}",
            value=caught / n,
            unit="keys",
            better="higher",
            n=n,
            ci=wilson(caught, n),
            data=f"banking77 copiers, {QUERIES} queries a key, own baseline, throttle_at {options.throttle_at:g}",
            seed=SEED,
        )
    ]


def watermark(data: Path) -> Sequence[Record]:
    """Answers found to be marked, one by one, at one false positive in a thousand; and what the mark costs."""
    with scratch() as folder, RunContext.in_folder(Path(folder), seed=SEED) as ctx:
        base = open_base("smollm2-135m", ctx=ctx)
        codec = codec_of(base, store=ctx.store)
        questions = random.Random(SEED).sample(
            [text for texts in banking(data).asked.values() for text in texts], ANSWERS
        )
        asked = [codec.prompt_ids([Message(role="user", content=text)]) for text in questions]
        with open_backend(base, store=ctx.store, engine="torch", streams=8) as backend:
            said = {delta: _said(backend, asked, codec=codec, delta=delta) for delta in (0.0, *DELTAS)}
    plain = [ids for ids, _ in said[0.0]]
    wrong = [detect([ids], GreenList(secret)).p < P_AT for secret in range(1000, 1100) for ids in plain]
    facts: dict[str, Any] = {"model": "smollm2-135m", "seed": SEED}
    about = f"banking77 questions, answers of at most {TOKENS} tokens at temperature 1, gamma 0.25"
    records = [
        Record(
            name="watermark_false_positive",
            value=statistics.fmean(wrong),
            unit="answers",
            better="lower",
            n=len(wrong),
            ci=wilson(sum(wrong), len(wrong)),
            data=f"unmarked, 100 secrets, p < {P_AT:g}; {about}",
            **facts,
        )
    ]
    clean = _nats(said[0.0])
    for delta in DELTAS:
        found = sum(detect([ids], GreenList(SEED)).p < P_AT for ids, _ in said[delta])
        told = f"delta {delta:g}, p < {P_AT:g}; {about}"
        records += [
            Record(
                name=f"watermark_detection_delta{delta:g}",
                value=found / ANSWERS,
                unit="answers",
                better="higher",
                n=ANSWERS,
                ci=wilson(found, ANSWERS),
                data=told,
                **facts,
            ),
            Record(
                name=f"watermark_cost_delta{delta:g}",
                value=_nats(said[delta]) - clean,
                unit="nats/token",
                better="lower",
                n=ANSWERS,
                data=f"surprise of the unmarked model above that of unmarked answers; {told}",
                **facts,
            ),
        ]
    return records


def _said(
    backend: Backend, asked: Sequence[tuple[int, ...]], *, codec: Codec, delta: float
) -> list[tuple[tuple[int, ...], list[float]]]:
    """Ids of each answer, and what the unmarked model gives each of them."""
    mark = GreenList(SEED, delta=delta) if delta else None
    prompts = [
        Prompt(ids=ids, stop_ids=codec.stop_ids, max_tokens=TOKENS, temperature=1.0, seed=number, mark=mark)
        for number, ids in enumerate(asked)
    ]
    answers = {index: done.ids for index, done in backend.generate(prompts)}
    found = []
    for number, prompt in enumerate(prompts):
        read = backend.read([*prompt.ids, *answers[number]], top=0)
        found.append((answers[number], [chance.logprob for chance in read[len(prompt.ids) - 1 :]]))
    return found


def _nats(said: Sequence[tuple[tuple[int, ...], list[float]]]) -> float:
    return -statistics.fmean(logprob for _, logprobs in said for logprob in logprobs)
