"""Whether a report's figures are those of sacrebleu, rouge-score and scikit-learn, on 1,000 pairs of texts and labels.

Half of the pairs are Chinese, half English: sentences of the STS benchmark beside their paraphrases, and replies of
the alpaca demos beside edited ones, one answer in twenty empty. Labels are Bitext's, as paths, with answers in the same
branch, in another, outside the taxonomy, or none. Ours go all the way from a row and an answer to the report's figure.
"""

from __future__ import annotations

import csv
import gzip
import json
import random
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.foundation import scratch
from bench.harness import Peer, Record
from bench.peers import peer_python
from seekloop.artifact.rows import Message, Row, Source
from seekloop.evaluate.figures import figures
from seekloop.evaluate.scoring import Scored, score
from seekloop.metrics import overlap
from seekloop.text.labelled import AnswerForm, join_labels

__all__ = ["measures"]

SEED, PAIRS = 7, 1000
REFERENCES = ("sacrebleu==2.6.0", "rouge-score==0.1.2", "scikit-learn==1.9.1")
DATA = "stsb en and zh, alpaca en and zh demos (edited replies), bitext intents as paths"


@dataclass(frozen=True)
class Pair:
    """A right answer and one that is measured."""

    reference: str
    answer: str


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """What there is to measure; `data` holds the shared data sets."""
    return [lambda: exactness(data)]


def exactness(data: Path) -> Sequence[Record]:
    """Largest difference of any figure of a report from the reference libraries' (BLEU and chrF in points of 100)."""
    ours = _ours(data)
    with scratch() as folder:
        file = folder / "given.json"
        file.write_text(json.dumps(_given(data), ensure_ascii=False), "utf-8")
        command: list[str | Path] = [peer_python("metrics", REFERENCES), "-c", _measuring, file]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=1200)
    theirs: dict[str, float] = json.loads(done.stdout)
    for name, value in theirs.items():
        print(f"  {name}: {ours[name]:.12g}, theirs {value:.12g}", flush=True)
    error = max(abs(ours[name] - value) for name, value in theirs.items())
    versions = ", ".join(one.replace("==", " ") for one in REFERENCES)
    return [
        Record(
            name="metric_max_error",
            value=error,
            unit="absolute difference",
            better="lower",
            n=PAIRS,
            peer=Peer(name=f"{len(theirs)} figures of {versions}", version="2026-11", value=0.0),
            data=DATA,
            seed=SEED,
            threads=1,
        )
    ]


def text_pairs(data: Path) -> dict[str, list[Pair]]:
    """500 pairs a language."""
    chance, found = random.Random(SEED), {}
    for language in ("en", "zh"):
        with (data / "stsb_en_zh" / f"stsb-{language}-test.csv").open(encoding="utf-8", newline="") as file:
            twins = [Pair(row[0], row[1]) for row in csv.reader(file)]
        replies = [_edited(reply, chance) for reply in _replies(data, language) if reply.strip()]
        found[language] = chance.sample(twins, PAIRS // 4) + chance.sample(replies, PAIRS // 4)
    return found


def label_pairs(data: Path, *, several: bool) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """1,000 rows' labels, and an answer's."""
    chance = random.Random(SEED)
    path = data / "bitext_cs" / "Bitext_Sample_Customer_Service_Training_Dataset.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = [f"{row['category'].lower()}/{row['intent']}" for row in csv.DictReader(file)]
    known = sorted(set(rows))
    pairs = []
    for right in chance.sample(rows, PAIRS):
        labels = (right, *chance.sample([one for one in known if one != right], chance.randint(0, 2) if several else 0))
        given = [_answered(label, known, chance) for label in labels]
        pairs.append((labels, tuple(dict.fromkeys(label for label in given if label))))
    return pairs


def _answered(label: str, known: Sequence[str], chance: random.Random) -> str:
    draw = chance.random()
    if draw < 0.6:
        return label
    if draw < 0.75:
        return chance.choice([one for one in known if one.split("/")[0] == label.split("/")[0]])
    if draw < 0.9:
        return chance.choice(known)
    return "something else" if draw < 0.95 else ""


def _replies(data: Path, language: str) -> list[str]:
    folder = data / "llamafactory_demo"
    if language == "zh":
        text = (folder / "alpaca_zh_demo.json").read_text("utf-8")
    else:
        text = gzip.decompress((folder / "alpaca_en_demo.json.gz").read_bytes()).decode()
    return [row["output"] for row in json.loads(text)]


def _edited(reply: str, chance: random.Random) -> Pair:
    """Pieces dropped, doubled or moved; nothing at all in one answer of ten."""
    if chance.random() < 0.1:
        return Pair(reply, "")
    letters = [reply[at : at + 5] for at in range(0, len(reply), 5)]
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(letters))
        letters[at : at + 2] = chance.choice(([], letters[at : at + 2] * 2, letters[at : at + 2][::-1]))
        letters = letters or [reply[:5]]
    return Pair(reply, "".join(letters))


def _scored(text: str, answer: str, *, form: AnswerForm, labels: tuple[str, ...] = ()) -> Scored:
    turns = (Message(role="user", content="?"), Message(role="assistant", content=text))
    row = Row(
        id="row:1",
        messages=turns,
        label=join_labels(labels),
        labels=labels if len(labels) > 1 else (),
        source=Source(file="bench", line=1),
    )
    given = Message(role="assistant", content=answer)
    return score(row, given, form=form, finish_reason="stop", completion_tokens=1)


def _ours(data: Path) -> dict[str, float]:
    """Figures of one report over texts of both languages, and of two over labels."""
    found: dict[str, float] = {}
    texts = [_scored(pair.reference, pair.answer, form="text") for pairs in text_pairs(data).values() for pair in pairs]
    reports = {"": texts}
    for several in (False, True):
        reports["several:" if several else "one:"] = [
            _scored(join_labels(right) or "", join_labels(given) or "", form="label", labels=right)
            for right, given in label_pairs(data, several=several)
        ]
    for prefix, answers in reports.items():
        found |= {f"{prefix}{one.name}": one.value for one in figures(answers, seed=SEED, resamples=100)}
    return found


def _given(data: Path) -> dict[str, object]:
    """What the reference libraries are given; Chinese for ROUGE in our tokens, as they have none."""
    texts: dict[str, list[Pair]] = {"en": [], "zh": []}
    for pairs in text_pairs(data).values():
        for pair in pairs:
            language = _scored(pair.reference, pair.answer, form="text").language
            texts["zh" if language == "zh" else "en"].append(pair)
    return {
        "texts": {name: [[one.reference, one.answer] for one in pairs] for name, pairs in texts.items()},
        "tokens_zh": [[overlap.tokens(text, "zh") for text in (one.reference, one.answer)] for one in texts["zh"]],
        "one": label_pairs(data, several=False),
        "several": label_pairs(data, several=True),
    }


_measuring = """
import json, sys
import numpy as np
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF
from sklearn.metrics import accuracy_score, precision_recall_fscore_support as prf
from sklearn.preprocessing import MultiLabelBinarizer
given, found = json.load(open(sys.argv[1], encoding="utf-8")), {}
class Listed:
    def tokenize(self, text):
        return text
kinds = ["rouge1", "rouge2", "rougeL"]
for language, pairs in given["texts"].items():
    tokenizer = "13a" if language == "en" else "zh"
    references, answers = [one for one, _ in pairs], [one for _, one in pairs]
    found["bleu_" + language] = BLEU(tokenize=tokenizer).corpus_score(answers, [references]).score
    rouge = RougeScorer(kinds, tokenizer=None if language == "en" else Listed())
    scored = [rouge.score(*pair) for pair in (pairs if language == "en" else given["tokens_zh"])]
    for kind in kinds:
        found[kind + "_" + language] = float(np.mean([one[kind].fmeasure for one in scored]))
pairs = given["texts"]["en"] + given["texts"]["zh"]
found["chrf"] = CHRF().corpus_score([one for _, one in pairs], [[one for one, _ in pairs]]).score
found["exact_match"] = accuracy_score([one.strip() for one, _ in pairs], [one.strip() for _, one in pairs])
def above(labels):
    return sorted({"/".join(label.split("/")[:k + 1]) for label in labels for k in range(label.count("/") + 1)})
for name in ("one", "several"):
    right, answered = [row[0] for row in given[name]], [row[1] for row in given[name]]
    every = MultiLabelBinarizer().fit([*right, *answered])
    y, z = every.transform(right), every.transform(answered)
    expected = [place for place, label in enumerate(every.classes_) if label in set(sum(right, []))]
    for average, labels in (("macro", expected), ("weighted", expected), ("micro", None), ("samples", None)):
        precision, recall, f1, _ = prf(y, z, average=average, labels=labels, zero_division=0)
        values = {"f1": f1} if average in ("weighted", "samples") else dict(precision=precision, recall=recall, f1=f1)
        if average != "samples" or name == "several":
            found.update({f"{name}:{average}_{figure}": float(value) for figure, value in values.items()})
    found[name + ":accuracy"] = accuracy_score(y, z)
    paths = MultiLabelBinarizer().fit([above(row) for row in [*right, *answered]])
    y, z = (paths.transform([above(row) for row in rows]) for rows in (right, answered))
    precision, recall, f1, _ = prf(y, z, average="micro", zero_division=0)
    values = {"precision": precision, "recall": recall, "f1": f1}
    found.update({f"{name}:hierarchical_{figure}": float(value) for figure, value in values.items()})
print(json.dumps(found))
"""
