"""Near duplicates and the whole clean pipeline: what is found, how fast, and how the cost grows.

Messages are made from real texts (Banking77, Bitext, Chinese medical questions) with planted twins, seeded. Peers run
on the same files in environments of their own. semhash needs an embedding model; none is to be had offline, so it is
given a static one of the default's shape (29,528 x 256) with random vectors and a tokenizer trained on the file: the
arithmetic of its default at work, which says nothing about what it would find.
"""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from bench.foundation import SEEKLOOP, scratch
from bench.harness import REPOSITORY, Peer, Record
from bench.peers import peer_python
from seekloop.artifact.rows import Message, Row, Source
from seekloop.data.dedupe import Deduper
from seekloop.data.spec import DedupeSpec
from seekloop.system import settings
from seekloop.text.near import Index
from seekloop.text.shingles import prints

__all__ = ["Texts", "measures", "messages", "planted", "strangers"]

SEED, ROWS, CURVE = 7, 100_000, (10_000, 30_000, 100_000, 300_000, 1_000_000)
BATCH, LIMIT_S = 4096, 3_600
SEMHASH, DATA_JUICER = ("semhash==0.5.0", "usearch==2.26.6"), ("py-data-juicer==1.6.1", "aiohttp")
DATA = (
    "banking77, bitext and cmedical sentences, one to three a message; one in ten a twin to the letter, one in ten near"
)
_edited = {"en": "etaoinshrdlu", "zh": "的是了在有我他这中大来上个国和"}
_kept = re.compile(r"[0-9不没无未别非勿莫一二三四五六七八九十百千万亿两半\W]")
_clause = re.compile(r"(?<=[,.!?;，。！？；])\s*")


@dataclass(frozen=True)
class Texts:
    """Sentences that messages are made of."""

    en: tuple[str, ...]
    zh: tuple[str, ...]
    asked_zh: tuple[str, ...]
    """Whole questions."""

    @classmethod
    def of(cls, data: Path) -> Texts:
        """Read them from the shared data folder."""
        banking = gzip.decompress((data / "banking77" / "train.csv.gz").read_bytes()).decode()
        bitext = (data / "bitext_cs" / "Bitext_Sample_Customer_Service_Training_Dataset.csv").read_text("utf-8")
        medical = gzip.decompress(next((data / "cmedical_dialogue_zh").glob("*.csv.gz")).read_bytes()).decode("gb18030")
        rows = list(csv.DictReader(io.StringIO(medical)))
        en = [row["text"].strip() for row in csv.DictReader(io.StringIO(banking))]
        en += [row["utterance"] + "." for row in csv.DictReader(io.StringIO(bitext))]
        zh = [part for row in rows for part in re.split(r"(?<=[。？！])", row["ask"] + row["answer"])]
        short = [part for part in zh if 8 < len(part) < 60]
        return cls(tuple(dict.fromkeys(en)), tuple(dict.fromkeys(short)), tuple(dict.fromkeys(r["ask"] for r in rows)))


def messages(texts: Texts, count: int, *, seed: int = SEED) -> Iterator[str]:
    """`count` messages, two in three English; twins follow within the next ten thousand rows."""
    chance = random.Random(seed)
    recent: list[str] = []
    for _ in range(count):
        draw = chance.random()
        if recent and draw < 0.2:
            text = chance.choice(recent)
            text = (text.upper() if draw < 0.05 else text + "!") if draw < 0.1 else edited(text, chance)
        elif chance.random() < 2 / 3:
            text = " ".join(chance.choice(texts.en) for _ in range(chance.choice((1, 2, 3))))
        else:
            text = "".join(chance.choice(texts.zh) for _ in range(2))
        if chance.random() < 0.05:
            text += f" tel 13{chance.randrange(10**9):09d}"
        if len(recent) < 10_000:
            recent.append(text)
        else:
            recent[chance.randrange(10_000)] = text
        yield text


def edited(text: str, chance: random.Random) -> str:
    """One to three characters inserted, replaced or taken away; no numbers or negations among them."""
    letters = list(text)
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(letters))
        if not _kept.match(letters[place]):
            new = chance.choice(_edited["zh" if letters[place] >= "\u2e80" else "en"])
            letters[place] = chance.choice((new, letters[place] + new, ""))
            letters = [letter for part in letters for letter in part]
    return "".join(letters)


@dataclass(frozen=True)
class Planted:
    """Rows with what should become of them."""

    texts: list[str]
    twin_of: list[int | None]
    """Place of the row that stands for this one; None: it should stay."""


def planted(language: str, texts: Texts, *, count: int = 1_500, seed: int = SEED) -> Planted:
    """Real messages, each with a twin (edits, clauses in another order, script or case) or a row that only looks so.

    One in five of those only looks so: another number, or a negation more. Messages are 40 to 200 characters long
    (Chinese: 30 to 120), so that three edits leave nine tenths.
    """
    chance = random.Random(seed)
    pool = texts.en if language == "en" else texts.asked_zh
    least, most = (40, 200) if language == "en" else (30, 120)
    base = chance.sample([text for text in pool if least <= len(text) <= most], count)
    twins: list[tuple[str, int | None]] = []
    for place, text in enumerate(base):
        draw = chance.random()
        moved = _moved(text, chance)
        if draw < 0.2:
            twins.append((_other_sense(text, language, chance), None))
        elif draw < 0.4 and moved is not None:
            twins.append((moved, place))
        elif draw < 0.55:
            twins.append((_other_script(text, language), place))
        else:
            while (near := edited(text, chance)) == text:
                continue
            twins.append((near, place))
    order = chance.sample(range(count), count)
    nobody: list[int | None] = [None] * count
    return Planted(base + [twins[i][0] for i in order], nobody + [twins[i][1] for i in order])


def _moved(text: str, chance: random.Random) -> str | None:
    parts = [part for part in _clause.split(text) if part]
    if len(parts) < 2 or min(map(len, parts)) < 4:
        return None
    shift = chance.randrange(1, len(parts))
    joint = "" if any(letter >= "\u2e80" for letter in text) else " "
    return joint.join(parts[shift:] + parts[:shift])


def _other_script(text: str, language: str) -> str:
    if language == "en":
        return text.upper()
    import opencc

    return str(opencc.OpenCC("s2t").convert(text))


def _other_sense(text: str, language: str, chance: random.Random) -> str:
    if language == "en":
        return text + (f" {chance.randrange(2, 99)}" if chance.random() < 0.5 else " not")
    place = chance.randrange(len(text) // 2, len(text))
    return text[:place] + ("不" if chance.random() < 0.5 else str(chance.randrange(2, 99))) + text[place:]


def f1(language: str, texts: Texts) -> Sequence[Record]:
    """F1 of the rows that are dropped, against those that were planted to be."""
    case = planted(language, texts)
    rows = [_row(place, text) for place, text in enumerate(case.texts)]
    twins = Deduper(DedupeSpec(compare="prompt")).check(rows, prints(case.texts))
    found = [None if twin is None else int(twin.id) for twin in twins]
    outcomes = np.array([_outcome(*pair) for pair in zip(found, case.twin_of, strict=True)])
    chance = np.random.default_rng(SEED)
    draws = [_f1(outcomes[chance.integers(0, len(outcomes), len(outcomes))]) for _ in range(1_000)]
    low, high = np.quantile(draws, [0.025, 0.975]).tolist()
    return [
        Record(
            name=f"near_dup_f1_{language}",
            value=_f1(outcomes),
            unit="share",
            better="higher",
            n=len(rows),
            ci=(low, high),
            data="banking77 and bitext" if language == "en" else "cmedical questions",
            seed=SEED,
            threads=1,
        )
    ]


def _row(place: int, text: str) -> Row:
    source = Source(file="bench", line=place + 1)
    return Row(id=str(place), messages=(Message(role="user", content=text),), source=source)


def _outcome(found: int | None, wanted: int | None) -> tuple[int, int, int]:
    """True positives, false positives, false negatives."""
    if found is not None:
        return (1, 0, 0) if found == wanted else (0, 1, int(wanted is not None))
    return 0, 0, int(wanted is not None)


def _f1(outcomes: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> float:
    right, wrong, missed = outcomes.sum(axis=0).tolist()
    return float(2 * right / max(1, 2 * right + wrong + missed))


def throughput(texts: Texts) -> Sequence[Record]:
    """Rows a second of exact and near deduplication of 100,000 messages, beside semhash."""
    with scratch() as folder:
        path = _written(folder, texts)
        command = [str(peer_python("semhash", SEMHASH)), "-c", SEMHASH_RUN, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=LIMIT_S)
    value = _timed(messages(texts, ROWS)).wall_s
    peer = Peer(name="semhash", version="0.5.0", value=ROWS / float(done.stdout))
    facts: dict[str, Any] = {"unit": "rows/s", "data": DATA, "seed": SEED, "threads": 1}
    return [Record(name="dedup_rows_per_s", value=ROWS / value, better="higher", n=ROWS, peer=peer, **facts)]


def pipeline(texts: Texts) -> Sequence[Record]:
    """Rows a second from a file to a file, whole processes: ours beside Data-Juicer with two processes."""
    with scratch() as folder:
        path = _written(folder, texts)
        theirs, deduplication = _data_juicer(folder, path)
        spec = {"sources": [{"path": str(path)}], "dedupe": {"compare": "prompt"}, "compose": {"answer": "text"}}
        (folder / "data.json").write_text(json.dumps(spec), "utf-8")
        start = time.perf_counter()
        command = [
            str(SEEKLOOP),
            "data",
            str(folder / "data.json"),
            "--project",
            str(folder),
            "--out",
            str(folder / "out"),
        ]
        subprocess.run(command, capture_output=True, check=True, cwd=folder)
        ours = time.perf_counter() - start
    value = _timed(messages(texts, ROWS)).wall_s
    facts: dict[str, Any] = {"unit": "rows/s", "better": "higher", "n": ROWS, "data": DATA, "seed": SEED, "threads": 1}
    juicer: dict[str, Any] = {"name": "data-juicer (2 processes)", "version": "1.6.1"}
    return [
        Record(name="pipeline_rows_per_s", value=ROWS / ours, peer=Peer(value=ROWS / theirs, **juicer), **facts),
        Record(
            name="dedup_rows_per_s_data_juicer",
            value=ROWS / value,
            peer=Peer(value=ROWS / deduplication, **juicer),
            **facts,
        ),
    ]


def _written(folder: Path, texts: Texts) -> Path:
    path = folder / "messages.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number, text in enumerate(messages(texts, ROWS)):
            file.write(json.dumps({"text": text, "reply": f"answer {number}"}, ensure_ascii=False) + "\n")
    return path


def _data_juicer(folder: Path, path: Path) -> tuple[float, float]:
    """Seconds of the whole process, and of its two deduplicators."""
    config = folder / "juicer.yaml"
    head: dict[str, Any] = {
        "project_name": "bench",
        "dataset_path": str(path),
        "export_path": str(folder / "juicer" / "out.jsonl"),
    }
    head |= {"np": 2, "text_keys": "text", "open_tracer": False, "use_cache": False, "process": JUICER}
    config.write_text(json.dumps(head), "utf-8")
    python = peer_python("data-juicer", DATA_JUICER)
    environment = settings.child_environment(
        HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1", HF_DATASETS_CACHE=str(folder / "hf")
    )
    start = time.perf_counter()
    done = subprocess.run(
        [python.with_name("dj-process"), "--config", str(config)],
        capture_output=True, text=True, check=True, timeout=LIMIT_S, env=environment, cwd=folder,
    )  # fmt: skip
    whole = time.perf_counter() - start
    spent = re.findall(r"OP \[document_\w*deduplicator\] Done in ([0-9.]+)s", done.stdout + done.stderr)
    return whole, sum(map(float, spent))


def strangers(texts: Texts, count: int, *, seed: int = SEED) -> Iterator[str]:
    """As many messages of about the same lengths that share no sentence: words drawn one by one, no twins planted."""
    chance = random.Random(seed)
    words = [sentence.split() for sentence in texts.en]
    for _ in range(count):
        if chance.random() < 2 / 3:
            yield " ".join(chance.choice(chance.choice(words)) for _ in range(chance.randint(4, 30)))
        else:
            drawn = (chance.choice(texts.zh) for _ in range(chance.randint(6, 24)))
            yield "".join(sentence[: chance.randint(1, 3)] for sentence in drawn)


_corpora: Mapping[str, Callable[[Texts, int], Iterator[str]]] = MappingProxyType(
    {"messages": messages, "strangers": strangers}
)


def curve(data: Path, corpus: str, *, told: str) -> Sequence[Record]:
    """Slope of log CPU time over log rows from 10^4 to 10^6, each size in a process of its own.

    Peak memory and the pairs that met, for each row, stand in `data`. Messages are made of a fixed stock of sentences,
    so that the more there are, the more others a message shares one with; strangers share none, and their curve is that
    of the index itself.
    """
    spent = []
    for rows in CURVE:
        command = [sys.executable, "-m", "bench.data_dedupe", str(data), str(rows), corpus]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=LIMIT_S)
        seconds, peak, met = map(float, done.stdout.split())
        spent.append((rows, seconds, peak, met / rows))
        print(f"{rows} {corpus}: {seconds:.2f} s, peak {peak:.0f} MiB, {met / rows:.1f} pairs met a row", flush=True)
    slope = float(np.polyfit(np.log(CURVE), np.log([seconds for _, seconds, *_ in spent]), 1)[0])
    points = ", ".join(f"{n:,} rows {s:.1f} s {p:.0f} MiB {m:.1f} pairs met a row" for n, s, p, m in spent)
    facts: dict[str, Any] = {"unit": "exponent", "data": f"{told}: {points}", "seed": SEED, "threads": 1}
    name = "dedup_cost_exponent" if corpus == "messages" else f"dedup_cost_exponent_{corpus}"
    return [Record(name=name, value=slope, better="lower", n=len(CURVE), **facts)]


@dataclass(frozen=True)
class _Spent:
    """What a run cost; making the texts is not counted."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    met: int
    """Pairs of texts that shared a band."""


def _timed(stream: Iterator[str]) -> _Spent:
    """The cost of fingerprints and comparisons."""
    import resource

    prints(["warm"])
    index, wall, cpu = Index(0.9), 0.0, 0.0
    while some := list(itertools.islice(stream, BATCH)):
        start = time.perf_counter(), time.process_time()
        index.compare(prints(some), np.zeros(len(some), dtype=np.int64))
        wall, cpu = wall + time.perf_counter() - start[0], cpu + time.process_time() - start[1]
    return _Spent(wall, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, index.met)


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """The figures of this file, on the shared data folder."""
    texts = Texts.of(data)
    return [
        lambda: f1("zh", texts),
        lambda: f1("en", texts),
        lambda: throughput(texts),
        lambda: pipeline(texts),
        lambda: curve(data, "messages", told=DATA),
        lambda: curve(data, "strangers", told="words of banking77, bitext and cmedical drawn one by one, no twins"),
    ]


JUICER = [
    {"fix_unicode_mapper": None},
    {"punctuation_normalization_mapper": None},
    {"whitespace_normalization_mapper": None},
    {"pii_redaction_mapper": None},
    {"text_length_filter": {"min_len": 2, "max_len": 20_000}},
    {"character_repetition_filter": None},
    {"document_deduplicator": {"lowercase": True}},
    {
        "document_minhash_deduplicator": {
            "tokenization": "character",
            "window_size": 3,
            "lowercase": True,
            "jaccard_threshold": 0.8,
        }
    },
]
"""What our pipeline does, by their names; `ignore_non_character`, which ours does too, would make theirs slower."""

SEMHASH_RUN = """
import json, sys, time
import numpy as np
from model2vec import StaticModel
from semhash import SemHash
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
texts = [json.loads(line)["text"] for line in open(sys.argv[1], encoding="utf-8")]
tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
trainer = trainers.WordPieceTrainer(vocab_size=29528, special_tokens=["[PAD]", "[UNK]"], show_progress=False)
tokenizer.train_from_iterator(texts[:20000], trainer)
vectors = np.random.default_rng(0).standard_normal((tokenizer.get_vocab_size(), 256), dtype=np.float32)
model = StaticModel(vectors, tokenizer, normalize=True)
start = time.perf_counter()
SemHash.from_records(texts, model=model).self_deduplicate(threshold=0.9)
print(time.perf_counter() - start)
"""


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[3] not in _corpora:
        sys.exit("error: which folder, how many rows, of which corpus?\nhint: make bench-data DATA=FOLDER measures all")
    spent = _timed(_corpora[sys.argv[3]](Texts.of(Path(sys.argv[1])), int(sys.argv[2])))
    print(spent.cpu_s, spent.peak_mib, spent.met)
