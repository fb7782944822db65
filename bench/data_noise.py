"""The noise filter on planted noise, and the readings of numbers and times, beside the peers that read them."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import json
import random
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench import harness
from bench.harness import REPOSITORY, Peer, Record
from bench.peers import peer_python
from seekloop.artifact.rows import Message, Row, Source
from seekloop.data.judge.features import WIDTH, hashed
from seekloop.data.judge.head import train
from seekloop.data.judge.judging import Judged, learn
from seekloop.data.noise import noise
from seekloop.data.relevance import Relevance
from seekloop.data.spec import FilterSpec, PlantedClassifier
from seekloop.metrics.calibration import calibration_error
from seekloop.text.levels import Normaliser, NormaliseSpec
from seekloop.text.normalize import key

__all__ = ["OWN_LISTS", "SEED", "measures"]

OWN_LISTS = "lists of our own that the code was corrected against (what is covered, not accuracy on unseen text)"

SEED = 7
GOLD = (REPOSITORY / "tests" / "text" / "normalise_gold.jsonl", REPOSITORY / "bench" / "normalise_heldout.jsonl")
"""Written by us, by our conventions; of the second list 78 of 82 were right the first time."""
NOW = dt.datetime(2026, 11, 22, 10)
ROWS, PLANTED, THRESHOLD = 3_000, 600, 0.7
PEERS = ("cn2an==0.5.24", "WeTextProcessing==1.2.0", "dateparser==1.5.0")

CLEANLAB = ("cleanlab==2.9.0", "datasets==5.2.0", "scikit-learn==1.9.1")
"""A peer that is run beside ours, never a part of it: it is AGPL."""
HAND_WRITTEN = REPOSITORY / "bench" / "noise_heldout.jsonl"
"""Noise written by hand before the classifier was, and never trained on."""
OUTLIER_SCRIPT = """
import contextlib, io, json, sys
from cleanlab import Datalab
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
texts = json.load(sys.stdin)
words = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True).fit_transform(texts)
features = TruncatedSVD(100, random_state=0).fit_transform(words)
with contextlib.redirect_stdout(io.StringIO()):
    lab = Datalab(data={"text": texts})
    lab.find_issues(features=features, issue_types={"outlier": {}})
print(json.dumps(lab.get_issues("outlier")["is_outlier_issue"].tolist()))
"""

FLUFF = ("haha nice{}", "good morning everyone{}", "who won the game{}", "my dog ate it lol{}", "brb{}", "im bored{}")
FLUFF_ZH = ("哈哈{}", "早上好啊{}", "吃了吗{}", "今天天气不错{}", "收到谢谢{}", "在吗{}", "打游戏吗{}", "晚安{}")
ADS = (
    "cheap followers {} now",
    "make {} a week from home, ask me",
    "free gifts {} limited offer",
    "win {} today, click",
)
ADS_ZH = ("加微信{}领取优惠", "兼职刷单日赚{}元", "高价回收礼品{}", "代开发票{}价格优惠", "点击链接{}免费领")

PEER_SCRIPT = """
import datetime, json, logging, sys
logging.disable(logging.CRITICAL)
tool, rows, out = sys.argv[1], json.load(sys.stdin), []
if tool == "cn2an":
    import cn2an
    read = lambda row: cn2an.transform(row["text"], "cn2an")
elif tool == "WeTextProcessing":
    from itn.chinese.inverse_normalizer import InverseNormalizer
    chinese = InverseNormalizer()
    read = lambda row: chinese.normalize(row["text"])
else:
    from dateparser.search import search_dates
    now = datetime.datetime.fromisoformat("2026-11-22T10:00")
    def read(row):
        found = search_dates(row["text"], languages=[row["language"]], settings={"RELATIVE_BASE": now}) or []
        return " ".join(moment.isoformat(timespec="minutes") for _, moment in found)
for row in rows:
    try:
        out.append(read(row))
    except Exception as error:
        out.append("failed: " + type(error).__name__)
json.dump(out, sys.stdout)
"""


@dataclass(frozen=True)
class Corpus:
    """Texts of one public set, and whether they are Chinese."""

    name: str
    texts: tuple[str, ...]
    chinese: bool


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """What is measured, given the folder of the public sets."""
    corpora = (partial(_classifier, data, name) for name in ("banking77", "bitext", "cmedical_zh"))
    unmarked = (partial(_unmarked, data, name) for name in ("banking77", "bitext", "cmedical_zh"))
    return [*corpora, *unmarked, partial(_rules, data), partial(_replies, data), _numbers, _times]


def _corpus(data: Path, name: str) -> Corpus:
    if name == "banking77":
        with gzip.open(data / "banking77/train.csv.gz", "rt", encoding="utf-8") as file:
            return Corpus(name, tuple(row["text"] for row in csv.DictReader(file)), chinese=False)
    if name == "bitext":
        path = data / "bitext_cs/Bitext_Sample_Customer_Service_Training_Dataset.csv"
        with path.open(encoding="utf-8") as file:
            return Corpus(name, tuple(row["utterance"] for row in csv.DictReader(file)), chinese=False)
    return Corpus(name, tuple(ask for ask, _ in _dialogues(data)), chinese=True)


def _dialogues(data: Path) -> list[tuple[str, str]]:
    """Questions and answers of the Chinese medical sample."""
    path = next((data / "cmedical_dialogue_zh").glob("*.csv.gz"))
    with gzip.open(path, "rt", encoding="gb18030", errors="replace") as file:
        return [(f"{row['title']}\n{row['ask']}", row["answer"]) for row in csv.DictReader(file)]


def _planted(corpus: Corpus, chance: random.Random) -> list[str]:
    """Noise that no rule finds: advertisements, chat, the corpus' own words in disorder, and letters at random."""
    ads, fluff = (ADS_ZH, FLUFF_ZH) if corpus.chinese else (ADS, FLUFF)
    found = []
    for number in range(PLANTED):
        kind = number % 20
        if kind < 7:
            found.append(chance.choice(ads).format(chance.randrange(10 ** chance.randrange(2, 7))))
        elif kind < 13:
            found.append(chance.choice(fluff).format(chance.choice(("", "~", " :)", f" {chance.randrange(100)}"))))
        elif kind < 17:
            text = chance.choice(corpus.texts)[:60]
            parts = list(text) if corpus.chinese else text.split()
            chance.shuffle(parts)
            found.append(("" if corpus.chinese else " ").join(parts))
        else:
            letters = "abcdefghijklmnopqrstuvwxyz     "
            found.append("".join(chance.choice(letters) for _ in range(chance.randrange(8, 40))))
    return found


def _classifier(data: Path, name: str) -> Sequence[Record]:
    """Precision, recall and calibration of the n-gram classifier at 0.7, each row judged unseen."""
    corpus, chance = _corpus(data, name), random.Random(SEED)
    texts = chance.sample(corpus.texts, ROWS) + _planted(corpus, chance)
    is_noise = np.arange(len(texts)) >= ROWS
    keys = [key(text) for text in texts]
    found = train([hashed(text) for text in texts], is_noise, keys=keys, width=WIDTH).probabilities
    dropped = found >= THRESHOLD
    right, all_dropped = int((dropped & is_noise).sum()), int(dropped.sum())
    facts: dict[str, Any] = {"data": f"{name}, {ROWS} rows and {PLANTED} planted", "seed": SEED}
    shares = (
        ("noise_precision", right, all_dropped, "higher"),
        ("noise_recall", right, PLANTED, "higher"),
        ("noise_good_rows_dropped", all_dropped - right, ROWS, "lower"),
    )
    records = [
        Record(
            name=f"{what}_{name}",
            value=k / n,
            unit="share",
            better="lower" if better == "lower" else "higher",
            n=n,
            ci=harness.wilson(k, n),
            **facts,
        )
        for what, k, n, better in shares
    ]
    error = calibration_error(found, is_noise)
    return [
        *records,
        Record(name=f"noise_ece_{name}", value=error, unit="share", better="lower", n=len(texts), **facts),
    ]


def _unmarked(data: Path, name: str) -> Sequence[Record]:
    """The planted classifier on rows that nobody marked, hand-written noise among them that no code here was fitted to.

    The peer is cleanlab's outlier check (Datalab) on the same texts, with TF-IDF and 100 singular values as features.
    """
    corpus, chance = _corpus(data, name), random.Random(SEED)
    good = list(dict.fromkeys(chance.sample(corpus.texts, ROWS)))
    language = "zh" if corpus.chinese else "en"
    lines = [json.loads(line) for line in HAND_WRITTEN.read_text("utf-8").splitlines()]
    written = [line["text"] for line in lines if line["language"] == language]
    repeated = list(dict.fromkeys(_planted(corpus, chance)[:100]))
    dropped = _judged_unmarked([*good, *written])
    theirs = _outliers([*good, *written])
    again = _judged_unmarked([*good, *repeated])
    found, lost = len(dropped & set(written)), len(dropped & set(good))
    peer = {"name": "cleanlab", "version": CLEANLAB[0].partition("==")[2]}
    theirs_found, theirs_lost = len(theirs & set(written)), len(theirs & set(good))
    facts: dict[str, Any] = {
        "unit": "share",
        "seed": SEED,
        "data": f"{name}, {len(good)} rows, {len(written)} written by hand among them, none marked",
    }
    figures = (
        ("precision", found, found + lost, "higher", theirs_found / max(1, theirs_found + theirs_lost)),
        ("recall", found, len(written), "higher", theirs_found / len(written)),
        ("good_rows_dropped", lost, len(good), "lower", theirs_lost / len(good)),
    )
    records = [
        Record(
            name=f"noise_unmarked_{what}_{name}",
            value=k / max(1, n),
            better="lower" if better == "lower" else "higher",
            n=n,
            ci=harness.wilson(k, max(1, n)),
            peer=Peer(value=value, **peer),
            **facts,
        )
        for what, k, n, better, value in figures
    ]
    k, n = len(again & set(repeated)), len(repeated)
    facts["data"] = f"{name}, {len(good)} rows, {n} of a few patterns that repeat among them, none marked"
    return [
        *records,
        Record(
            name=f"noise_unmarked_recall_repeated_{name}",
            value=k / n,
            better="higher",
            n=n,
            ci=harness.wilson(k, n),
            **facts,
        ),
    ]


def _judged_unmarked(texts: Sequence[str]) -> set[str]:
    rows = [_row(text, "", number) for number, text in enumerate(texts)]
    judge = learn(
        PlantedClassifier(), (Judged(row, None, False) for row in rows), noise=(), clean=(), root=REPOSITORY, seed=SEED
    )
    return {text for text, row in zip(texts, rows, strict=True) if judge.is_noise(row) is not None}


def _outliers(texts: Sequence[str]) -> set[str]:
    command = [str(peer_python("cleanlab", CLEANLAB)), "-c", OUTLIER_SCRIPT]
    done = subprocess.run(command, input=json.dumps(list(texts)), capture_output=True, text=True, check=True)
    return {
        text for text, is_outlier in zip(texts, json.loads(done.stdout.splitlines()[-1]), strict=True) if is_outlier
    }


def _row(question: str, answer: str, number: int) -> Row:
    replies = (Message(role="assistant", content=answer),) if answer else ()
    messages = (Message(role="user", content=question), *replies)
    return Row(id=f"row:{number}", messages=messages, source=Source(file="bench", line=number + 1))


def _rules(data: Path) -> Sequence[Record]:
    """Real rows that the rules drop which are on by default."""
    pairs = [(text, "") for name in ("banking77", "bitext") for text in _corpus(data, name).texts] + _dialogues(data)
    spec = FilterSpec()
    reasons = [noise(_row(question, answer, n), spec) for n, (question, answer) in enumerate(pairs)]
    lost = sum(reason is not None for reason in reasons)
    record = Record(
        name="noise_rules_good_rows_dropped",
        value=lost / len(pairs),
        unit="share",
        better="lower",
        n=len(pairs),
        ci=harness.wilson(lost, len(pairs)),
        data="banking77, bitext, cmedical_zh",
    )
    return [record]


def _replies(data: Path) -> Sequence[Record]:
    """The rule for irrelevant replies, with one answer in twenty moved to another question."""
    pairs, chance = _dialogues(data), random.Random(SEED)
    moved = sorted(chance.sample(range(len(pairs)), len(pairs) // 20))
    answers = {here: pairs[there][1] for here, there in zip(moved, [*moved[1:], moved[0]], strict=True)}
    rows = [_row(question, answers.get(n, answer), n) for n, (question, answer) in enumerate(pairs)]
    relevance = Relevance(share=FilterSpec().irrelevant_share)
    for row in rows:
        relevance.count(row)
    for row in rows:
        relevance.relate(row)
    relevance.settle()
    found = [n for n, row in enumerate(rows) if relevance.is_irrelevant(row)]
    right = len(set(found) & set(moved))
    figures = (
        ("irrelevant_reply_recall", right, len(moved), "higher"),
        ("irrelevant_reply_good_rows_dropped", len(found) - right, len(rows) - len(moved), "lower"),
    )
    return [
        Record(
            name=f"{name}_cmedical_zh",
            value=k / n,
            unit="share",
            better="lower" if better == "lower" else "higher",
            n=n,
            ci=harness.wilson(k, n),
            data=f"cmedical_zh, {len(moved)} answers moved",
            seed=SEED,
        )
        for name, k, n, better in figures
    ]


def _gold(*, times: bool) -> list[dict[str, str]]:
    rows = [json.loads(line) for path in GOLD for line in path.read_text("utf-8").splitlines()]
    return [row for row in rows if row["kind"].startswith("time") == times]


def _peer(tool: str, rows: Sequence[dict[str, str]]) -> list[str]:
    python = peer_python("normalise", PEERS)
    command = [str(python), "-c", PEER_SCRIPT, tool]
    done = subprocess.run(command, input=json.dumps(rows), capture_output=True, text=True, check=True)
    answers: list[str] = json.loads(done.stdout)
    return answers


def _values(text: str) -> list[str]:
    """The numbers of a text in order, as values, with % and /: what counts, however the rest is written."""
    numbers = re.findall(r"-?\d+(?:\.\d+)?(?:/\d+)?[%‰]?", text)
    return [re.sub(r"\d+\.\d+", lambda match: f"{Decimal(match[0]).normalize():f}", number) for number in numbers]


def _numbers() -> Sequence[Record]:
    """Share of the gold texts whose numbers are read right; leaving alone what is none counts."""
    level = Normaliser(NormaliseSpec(numbers="digits"))
    records = []
    for language, tools in (("zh", ("cn2an", "WeTextProcessing")), ("en", ())):
        rows = [row for row in _gold(times=False) if row["language"] == language]
        right = sum(_values(level(row["text"])[0]) == _values(row["expected"]) for row in rows)
        facts: dict[str, Any] = {
            "data": f"{OWN_LISTS}, numbers",
            "unit": "share",
            "better": "higher",
        }
        n, interval = len(rows), harness.wilson(right, len(rows))
        for tool in tools or ("",):
            peer = None
            if tool:
                theirs = sum(
                    _values(said) == _values(row["expected"]) for said, row in zip(_peer(tool, rows), rows, strict=True)
                )
                peer = Peer(name=tool, version=_version(tool), value=theirs / n)
            name = f"number_accuracy_{language}" + (f"_{tool.lower()}" if tool else "")
            records.append(Record(name=name, value=right / n, n=n, ci=interval, peer=peer, **facts))
    return records


def _times() -> Sequence[Record]:
    """Share of the gold texts whose dates and times are read right; leaving alone what is not certain counts."""
    level = Normaliser(NormaliseSpec(times="iso"))
    records = []
    for language in ("zh", "en"):
        rows = [row for row in _gold(times=True) if row["language"] == language]
        right = sum(level(row["text"], at=NOW)[0] == row["expected"] for row in rows)
        theirs = sum(_is_same(said, row) for said, row in zip(_peer("dateparser", rows), rows, strict=True))
        record = Record(
            name=f"time_accuracy_{language}",
            value=right / len(rows),
            unit="share",
            better="higher",
            n=len(rows),
            ci=harness.wilson(right, len(rows)),
            peer=Peer(name="dateparser", version=_version("dateparser"), value=theirs / len(rows)),
            data=f"{OWN_LISTS}, times",
        )
        records.append(record)
    return records


def _is_same(said: str, row: dict[str, str]) -> bool:
    """Whether the peer found the same moment: to the day, or to the month or minute where the gold text says these."""
    moments = re.findall(r"\d{4}-\d\d(?:-\d\d)?(?:T\d\d:\d\d)?|(?<!\d)\d\d:\d\d", row["expected"])
    if row["kind"] == "timekeep":
        return not said
    found = said.split()
    if len(found) != len(moments):
        return False
    return all(want in have for want, have in zip(moments, found, strict=True))


def _version(tool: str) -> str:
    return next(one.partition("==")[2] for one in PEERS if one.startswith(tool))
