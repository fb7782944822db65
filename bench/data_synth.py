"""Rows from a knowledge graph and from a teacher: how fast, how true, and what the queue costs."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench.harness import Record, median_of, wilson
from seekloop.artifact.context import RunContext
from seekloop.data.graph.model import Graph
from seekloop.data.graph.obo import read_obo
from seekloop.data.graph.source import ask
from seekloop.data.graph.spec import GraphSpec
from seekloop.data.read import read_corpus
from seekloop.data.sources import SourceSpec
from seekloop.data.synthesise.queue import Queue
from seekloop.data.synthesise.run import QUEUE, Session
from seekloop.data.synthesise.spec import SynthesiseInputs, SynthesiseSpec

__all__ = ["measures"]

_files = ("DO_infectious_disease_slim.obo", "DO_cancer_slim.obo", "symp.obo")
_data = "disease ontology slims and symptom ontology"
_seed = 7
_runs = 5
_requests = 200


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """The measures of this file; `data` holds `disease_ontology/`."""
    folder = data / "disease_ontology"
    return [lambda: _graph_speed(folder), lambda: _negatives(folder), _queue_overhead]


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
