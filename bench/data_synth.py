"""Rows from a knowledge graph and from a teacher: how fast, how true, and what the queue costs."""

from __future__ import annotations

import csv
import gzip
import json
import random
import subprocess
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench.data_noise import CLEANLAB
from bench.harness import Peer, Record, median_of, wilson
from bench.peers import peer_python
from seekloop.artifact.context import RunContext
from seekloop.data.graph.model import Graph
from seekloop.data.graph.obo import read_obo
from seekloop.data.graph.source import ask
from seekloop.data.graph.spec import GraphSpec
from seekloop.data.intents import Example, LabelHead
from seekloop.data.read import read_corpus
from seekloop.data.sources import SourceSpec
from seekloop.data.synthesise.run import QUEUE, Session
from seekloop.data.synthesise.spec import SynthesiseInputs, SynthesiseSpec
from seekloop.runtime.endpoint.queue import Queue

__all__ = ["measures"]

_files = ("DO_infectious_disease_slim.obo", "DO_cancer_slim.obo", "symp.obo")
_data = "disease ontology slims and symptom ontology"
_seed = 7
_runs = 5
_requests = 200
_wrong = 0.1
"""Share of rows that get another label."""
_cleanlab = """
import json, sys
from cleanlab.filter import find_label_issues
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
told = json.load(sys.stdin)
words = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, min_df=2)
model = LogisticRegression(C=10, max_iter=200)
model.fit(words.fit_transform([text for text, _ in told["train"]]), [label for _, label in told["train"]])
place = {label: number for number, label in enumerate(model.classes_)}
found = find_label_issues([place[one] for one in told["given"]], model.predict_proba(words.transform(told["texts"])))
print(json.dumps(found.tolist()))
"""


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """The measures of this file; `data` holds `disease_ontology/`."""
    folder = data / "disease_ontology"
    checks = (partial(_label_check, data, name) for name in ("banking77", "bitext"))
    return [lambda: _graph_speed(folder), lambda: _negatives(folder), _queue_overhead, *checks]


def _rows(path: Path, *, kinds: Sequence[str] | None = None) -> int | list[dict[str, object]]:
    spec = GraphSpec.parse({"path": str(path), "max_per_term": None, **({} if kinds is None else {"kinds": kinds})})
    with path.open(encoding="utf-8") as lines:
        made = ask(lines, spec, seed=_seed, root=path.parent, say=lambda _: None)
        return sum(1 for _ in made) if kinds is None else [one.meta["graph"] for one in made]


def _graph_speed(folder: Path) -> list[Record]:
    """File to rows, parsing included, every kind of question and no limit."""
    count = 0

    def rows_per_second() -> float:
        nonlocal count
        start = time.perf_counter()
        count = sum(int(str(_rows(folder / name))) for name in _files)
        return count / (time.perf_counter() - start)

    value, interval = median_of(rows_per_second, runs=_runs)
    speed = Record(
        name="graph_rows_per_s",
        value=value,
        ci=interval,
        unit="row/s",
        better="higher",
        n=_runs,
        data=_data,
        seed=_seed,
    )
    rows = Record(name="graph_rows", value=count, unit="row", better="higher", n=1, data=_data, seed=_seed)
    return [speed, rows]


def _negatives(folder: Path) -> list[Record]:
    """Negatives checked against a closure of their own: every fact that follows, worked out to the end."""
    right = total = 0
    for name in _files:
        with (folder / name).open(encoding="utf-8") as lines:
            facts = _closed(read_obo(lines, shown=name))
        found = _rows(folder / name, kinds=("yes_no", "choice"))
        assert isinstance(found, list)
        for meta in found:
            terms, relation = meta["terms"], str(meta["relation"])
            assert isinstance(terms, list)
            wrong = terms[1:] if meta.get("holds") is False else meta.get("distractors", [])
            assert isinstance(wrong, list)
            total += len(wrong)
            right += sum((terms[0], relation, one) not in facts for one in wrong)
    share = Record(
        name="graph_negatives_false_by_closure",
        value=right / total,
        ci=wilson(right, total),
        unit="share",
        better="higher",
        n=total,
        data=_data,
        seed=_seed,
    )
    return [share]


def _closed(graph: Graph) -> set[tuple[str, str, str]]:
    """Every fact that `is_a` implies, by adding facts until none is new; typedefs of these files say nothing more."""
    facts = set(graph.triples()) | {(one, "is_a", one) for one in graph.terms}
    while True:
        above = defaultdict(set)
        below = defaultdict(set)
        for subject, relation, object in facts:
            if relation == "is_a":
                above[subject].add(object)
                below[object].add(subject)
        more = {(s, r, up) for s, r, o in facts for up in above[o]}
        more |= {(down, r, o) for s, r, o in facts for down in below[s]}
        if more <= facts:
            return facts
        facts |= more


def _label_check(data: Path, name: str) -> list[Record]:
    """Rows with a wrong label planted among right ones, none of them learnt from: what the check refuses.

    No check refuses nothing: its recall is 0, and all rows with a wrong label go into training. The peer is cleanlab's
    filter, trained on the same rows (TF-IDF of characters, logistic regression) and asked of the others.
    """
    train, others = _labelled(data, name)
    chance = random.Random(_seed)
    labels = sorted({label for _, label in train})
    is_wrong = [chance.random() < _wrong for _ in others]
    given = [
        chance.choice([other for other in labels if other != label]) if wrong else label
        for (_, label), wrong in zip(others, is_wrong, strict=True)
    ]
    examples = [Example(f"row:{number}", text, label) for number, (text, label) in enumerate(train)]
    head = LabelHead.train(lambda: examples, labels=labels)
    refused = [
        head.refuses(text, label, made_of=f"seed:{number}")
        for number, ((text, _), label) in enumerate(zip(others, given, strict=True))
    ]
    told = {"train": train, "texts": [text for text, _ in others], "given": given}
    command = [str(peer_python("cleanlab", CLEANLAB)), "-c", _cleanlab]
    done = subprocess.run(command, input=json.dumps(told), capture_output=True, text=True, check=True)
    theirs = json.loads(done.stdout.splitlines()[-1])
    right, all_refused = sum(a and b for a, b in zip(refused, is_wrong, strict=True)), sum(refused)
    also, all_theirs = sum(a and b for a, b in zip(theirs, is_wrong, strict=True)), sum(theirs)
    n = sum(is_wrong)
    shown = f"{name}: {len(others)} rows not learnt from, {n} of them with another label drawn; no check: recall 0"
    good, lost = len(others) - n, all_refused - right
    figures = (
        ("recall", right, n, "higher", also / n),
        ("precision", right, all_refused, "higher", also / max(1, all_theirs)),
        ("good_rows_refused", lost, good, "lower", (all_theirs - also) / good),
    )
    return [
        Record(
            name=f"label_check_{what}_{name}",
            value=k / max(1, of),
            ci=wilson(k, max(1, of)),
            unit="share",
            better="lower" if better == "lower" else "higher",
            n=of,
            peer=Peer(name="cleanlab", version=CLEANLAB[0].partition("==")[2], value=value),
            data=shown,
            seed=_seed,
        )
        for what, k, of, better, value in figures
    ]


def _labelled(data: Path, name: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Rows to learn from and others; three of four are learnt from where the set is not split."""
    if name == "banking77":
        with gzip.open(data / "banking77/train.csv.gz", "rt", encoding="utf-8") as file:
            train = [(row["text"], row["category"]) for row in csv.DictReader(file)]
        with (data / "banking77/test.csv").open(encoding="utf-8") as file:
            return train, [(row["text"], row["category"]) for row in csv.DictReader(file)]
    with (data / "bitext_cs/Bitext_Sample_Customer_Service_Training_Dataset.csv").open(encoding="utf-8") as file:
        rows = [(row["utterance"], row["intent"]) for row in csv.DictReader(file)]
    random.Random(_seed).shuffle(rows)
    return rows[len(rows) // 4 :], rows[: len(rows) // 4]


def _queue_overhead() -> list[Record]:
    """What one request costs beside the teacher's own time: a stub that answers at once, one request at a time."""
    with tempfile.TemporaryDirectory() as folder, _stub() as url:
        home = Path(folder)
        rows = [{"text": f"message number {n} about {n * 7919 % 1009}", "intent": "x"} for n in range(_requests)]
        (home / "seeds.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        ctx = RunContext.in_folder(home, seed=_seed)
        corpus = read_corpus([SourceSpec(path="seeds.jsonl")], ctx=ctx)
        teacher = {"url": url, "model": "stub", "concurrency": 1}
        spec = SynthesiseSpec.parse({"teacher": teacher, "task": {"kind": "reply"}})

        def seconds() -> float:
            (ctx.work / QUEUE).unlink(missing_ok=True)
            with Session(spec, SynthesiseInputs(corpus=corpus), ctx=ctx) as session:
                items = session.first_round()
                start = time.perf_counter()
                with ctx.progress.task("ask", total=len(items)) as task:
                    session.asker.answer(items, task)
                return (time.perf_counter() - start) / len(items) * 1_000

        value, interval = median_of(seconds, runs=3)
        with Queue(ctx.work / QUEUE) as queue:
            assert len(queue) == _requests
        ctx.ledger.close()
    record = Record(
        name="teacher_overhead_ms_per_request",
        value=value,
        ci=interval,
        unit="ms",
        better="lower",
        n=3,
        data=f"{_requests} requests to a stub on this machine, its time included, each answer synced to disk",
        seed=_seed,
        threads=1,
    )
    return [record]


@contextmanager
def _stub() -> Iterator[str]:
    """A teacher on this machine that answers at once."""
    message = {"role": "assistant", "content": '{"reply": "That is done."}'}
    usage = {"prompt_tokens": 90, "completion_tokens": 8}
    answer = {"model": "stub", "choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}
    data = json.dumps(answer).encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # headers and body in one packet

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
