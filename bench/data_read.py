"""Reading: rows a second by container, and how many files are understood without a word of configuration."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

from bench.harness import Peer, Record, median_of, wilson
from bench.peers import peer_python
from seekloop.artifact.context import RunContext
from seekloop.artifact.rows import read_rows
from seekloop.data.read import read_corpus
from seekloop.data.sources import SourceSpec
from seekloop.system import lazy
from seekloop.system.errors import SeekloopError

__all__ = ["measures"]

PEERS = ("datasets==5.2.0", "pandas==3.1.1", "openpyxl==3.1.5", "lxml")
ROWS = 5_000
RUNS = 3
CASES = 40
"""Records of each file whose layout is told."""
SEED = 7

PEER_SCRIPT = """
import json, os, sys, tempfile, time
def load(path):
    if path.endswith(".xlsx"):
        import pandas
        return pandas.read_excel(path, dtype=str).to_dict("records")
    import datasets
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as cache:
        return list(datasets.load_dataset(os.path.dirname(path), split="train", cache_dir=cache))
runs, answers = int(sys.argv[1]), []
for path in sys.argv[2:]:
    times, rows = [], []
    try:
        for _ in range(runs):
            start = time.perf_counter()
            rows = load(path)
            times.append(time.perf_counter() - start)
    except Exception:
        rows = []
    found = [json.dumps(row, ensure_ascii=False, default=str) for row in rows] if runs == 1 else []
    answers.append({"rows": found, "seconds": sorted(times)[len(times) // 2] if times else 0})
print(json.dumps(answers))
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A file, and what somebody who knows it would say of it."""

    name: str
    content: bytes
    layout: str
    rows: int
    said: tuple[str, ...]
    """What the users say in it, each in one row."""


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """The measures of this file; `data` holds `bitext_cs/` and `llamafactory_demo/`."""
    containers = ("jsonl", "csv", "parquet", "xlsx")
    return [*(partial(_speed, data, container) for container in containers), partial(_understood, data)]


def _messages(data: Path) -> list[tuple[str, str]]:
    path = data / "bitext_cs/Bitext_Sample_Customer_Service_Training_Dataset.csv"
    with path.open(encoding="utf-8") as file:
        return [(row["utterance"], row["intent"]) for row in csv.DictReader(file)]


def _speed(data: Path, container: str) -> Sequence[Record]:
    """A labelled file of 5,000 rows to a committed corpus, ids, sources and checks included."""
    found = _messages(data)
    rows = [{"text": text, "intent": label} for text, label in (found * (ROWS // len(found) + 1))[:ROWS]]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in" / f"rows.{container}"
        path.parent.mkdir()
        path.write_bytes(_written(container, rows))

        def rate() -> float:
            with tempfile.TemporaryDirectory() as home, RunContext.in_folder(Path(home)) as ctx:
                start = time.perf_counter()
                corpus = read_corpus([SourceSpec(path=str(path))], ctx=ctx)
                seconds = time.perf_counter() - start
                assert corpus.rows == ROWS
            return ROWS / seconds

        value, interval = median_of(rate, runs=RUNS)
        (theirs,) = _peer([path], runs=RUNS)
    name = "pandas" if container == "xlsx" else "datasets"
    peer = Peer(name=name, version=_version(name), value=ROWS / theirs["seconds"])
    return [
        Record(
            name=f"read_{container}_rows_per_s",
            value=value,
            ci=interval,
            unit="row/s",
            better="higher",
            n=RUNS,
            peer=peer,
            data=f"{ROWS} rows of bitext_cs; ours ends with checked rows on disk, theirs with a list of cells",
            threads=1,
        )
    ]


def _understood(data: Path) -> Sequence[Record]:
    """Files read without configuration, and layouts told right. Read means: every row, each with what its user said."""
    cases = list(_cases(data))
    read = told = 0
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / str(number) / case.name for number, case in enumerate(cases)]
        for case, path in zip(cases, paths, strict=True):
            path.parent.mkdir()
            path.write_bytes(case.content)
        # A table of conversations is only half read, but holds what was said: that counts for the peer.
        theirs = sum(_has_all(case, one["rows"]) for case, one in zip(cases, _peer(paths, runs=1), strict=True))
        for case, path in zip(cases, paths, strict=True):
            layout, said = _ours(path, Path(folder) / "home" / path.parent.name)
            right = len(said) == case.rows and _has_all(case, said)
            read, told = read + right, told + (layout == case.layout)
            if not (right and layout == case.layout):
                missed.append(f"{case.name} ({layout})")
    n = len(cases)
    shown = (
        f"{n} files of {CASES} records (a list of ours; it misread 2 until it was corrected):"
        " 11 layouts, 9 containers, 5 encodings" + (f"; not told: {', '.join(missed)}" if missed else "")
    )
    peer = Peer(name="datasets", version=_version("datasets"), value=theirs / n)
    facts: dict[str, Any] = {"unit": "share", "better": "higher", "n": n, "data": shown, "seed": SEED}
    return [
        Record(name="read_without_configuration", value=read / n, ci=wilson(read, n), peer=peer, **facts),
        Record(name="layout_told", value=told / n, ci=wilson(told, n), **facts),
    ]


def _ours(path: Path, home: Path) -> tuple[str, list[str]]:
    with RunContext.in_folder(home) as ctx:
        try:
            corpus = read_corpus([SourceSpec(path=str(path))], ctx=ctx)
        except SeekloopError as error:
            return error.code, []
        rows = list(read_rows(ctx.store.path(corpus.id, "rows.jsonl")))
    return corpus.formats[0].split("/")[1], ["\n".join(message.content for message in row.messages) for row in rows]


def _has_all(case: Case, found: Sequence[str]) -> bool:
    whole = "\n".join(found)
    return all(text in whole or json.dumps(text, ensure_ascii=False)[1:-1] in whole for text in case.said)


def _peer(paths: Sequence[Path], *, runs: int) -> list[dict[str, Any]]:
    command = [str(peer_python("reading", PEERS)), "-c", PEER_SCRIPT, str(runs), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answers: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return answers


def _version(name: str) -> str:
    return next(one.partition("==")[2] for one in PEERS if one.startswith(name))


def _cases(data: Path) -> Iterable[Case]:
    """Every layout in JSON lines, flat ones in every container, Chinese in every encoding, and real files."""
    found = _messages(data)
    said = [f"{text} #{number}" for number, (text, _) in enumerate(found[:: len(found) // CASES][:CASES])]
    chinese = [f"我的银行卡在第{number}次使用时被吞了，怎么办" for number in range(CASES)]
    for layout, make in _LAYOUTS.items():
        records = [make(text, number) for number, text in enumerate(said)]
        flat = [one for record in records for one in (record if isinstance(record, list) else [record])]
        yield _case(f"{layout}.jsonl", "jsonl", flat, layout=layout, said=said)
        if layout in ("alpaca", "pairs", "labelled", "triples", "chat"):
            for container in ("json", "csv", "tsv", "xlsx", "parquet"):
                yield _case(f"{layout}.{container}", container, flat, layout=layout, said=said)
    labelled = [{"客户消息": text, "意图": f"类{number % 4}"} for number, text in enumerate(chinese)]
    for encoding in ("utf-8-sig", "gb18030", "big5", "utf-16"):
        text = [{"客户消息": one["客户消息"].replace("银", "銀").replace("吞", "鎖")} for one in labelled]
        rows = [{**one, **new} for one, new in zip(labelled, text, strict=True)] if encoding == "big5" else labelled
        shown = [row["客户消息"] for row in rows]
        if encoding == "big5":
            rows = [{"訊息": _traditional(row["客户消息"]), "意圖": row["意图"].replace("类", "類")} for row in rows]
            shown = [row["訊息"] for row in rows]
        yield _case(f"{encoding}.csv", "csv", rows, layout="labelled", said=shown, encoding=encoding)
    yield _case("semicolon.csv", "semicolon", _flat(said), layout="labelled", said=said)
    yield _case("no-ending", "jsonl", _flat(said), layout="labelled", said=said)
    yield _case("export.xml", "xml", _flat(said), layout="labelled", said=said)
    packed = Case(
        name="packed.jsonl.gz",
        content=gzip.compress(_written("jsonl", _flat(said))),
        layout="labelled",
        rows=CASES,
        said=tuple(said),
    )
    yield packed
    yield _case("packed.zip", "zip", _flat(said), layout="labelled", said=said)
    nested = json.dumps({"total": CASES, "data": {"items": _flat(said)}}, ensure_ascii=False).encode()
    yield Case(name="nested.json", content=nested, layout="labelled", rows=CASES, said=tuple(said))
    yield from _real(data / "llamafactory_demo")


def _real(folder: Path) -> Iterable[Case]:
    layouts = {"alpaca": "alpaca", "dpo": "preference", "glaive": "sharegpt", "identity": "alpaca"}
    for path in sorted(folder.glob("*.json*")):
        layout = layouts.get(path.name.partition("_")[0].removesuffix(".json"))
        if layout is None:
            continue
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        records = json.loads(content)
        said = [_first(record).strip() for record in records[:20]]
        yield Case(
            name=path.name.removesuffix(".gz"), content=content, layout=layout, rows=len(records), said=tuple(said)
        )


def _first(record: Mapping[str, Any]) -> str:
    if "conversations" in record:
        return str(record["conversations"][0]["value"])
    return str(record["instruction"])


def _flat(said: Sequence[str]) -> list[dict[str, str]]:
    return [{"text": text, "intent": f"i{number % 4}"} for number, text in enumerate(said)]


def _traditional(text: str) -> str:
    return text.translate(str.maketrans("银时么办", "銀時麼辦"))


_answer = "We have looked into it."
_LAYOUTS: Mapping[str, Callable[[str, int], Any]] = {
    "alpaca": lambda text, _: {"instruction": text, "input": "", "output": _answer},
    "pairs": lambda text, _: {"prompt": text, "completion": _answer},
    "labelled": lambda text, number: {"message": text, "category": f"i{number % 4}"},
    "sharegpt": lambda text, _: {
        "conversations": [{"from": "human", "value": text}, {"from": "gpt", "value": _answer}]
    },
    "messages": lambda text, _: {
        "messages": [{"role": "user", "content": text}, {"role": "assistant", "content": _answer}]
    },
    "preference": lambda text, _: {"prompt": text, "chosen": _answer, "rejected": "No."},
    "kto": lambda text, number: {"prompt": text, "completion": _answer, "label": number % 2 == 0},
    "triples": lambda text, _: {"context": text, "response": _answer, "followup": "Thanks."},
    "text": lambda text, _: {"text": text},
    "chat": lambda text, number: [
        {"session_id": f"S{number}", "sender": "customer", "time": f"2026-03-05 09:{number:02}:00", "message": text},
        {"session_id": f"S{number}", "sender": "agent", "time": f"2026-03-05 09:{number:02}:30", "message": _answer},
    ],
    "calls": lambda text, _: {
        "request": {"model": "m", "messages": [{"role": "user", "content": text}]},
        "response": {"choices": [{"message": {"role": "assistant", "content": _answer}, "finish_reason": "stop"}]},
    },
}
"""A record of each layout, or several."""


def _case(
    name: str, container: str, records: list[dict[str, Any]], *, layout: str, said: Sequence[str], encoding: str = ""
) -> Case:
    content = _written(container, records)
    content = content.decode().encode(encoding) if encoding else content
    return Case(name=name, content=content, layout=layout, rows=CASES, said=tuple(said))


def _written(container: str, records: list[dict[str, Any]]) -> bytes:
    """The records as a file of this container."""
    columns = list(records[0])
    if container == "jsonl":
        return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records).encode()
    if container == "json":
        return json.dumps(records, ensure_ascii=False).encode()
    if container in ("csv", "tsv", "semicolon"):
        out = StringIO()
        writer = csv.DictWriter(out, columns, delimiter={"csv": ",", "tsv": "\t", "semicolon": ";"}[container])
        writer.writeheader()
        writer.writerows(records)
        return out.getvalue().encode()
    if container == "xml":
        cells = ["".join(f"<{name}>{_escaped(one[name])}</{name}>" for name in columns) for one in records]
        return ("<?xml version='1.0'?><export>" + "".join(f"<row>{c}</row>" for c in cells) + "</export>").encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        if container == "zip":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("rows.jsonl", _written("jsonl", records))
        elif container == "parquet":
            arrow, parquet = lazy.need("pyarrow", extra="data"), lazy.need("pyarrow.parquet", extra="data")
            parquet.write_table(arrow.Table.from_pylist(records), path)
        else:
            book = lazy.need("openpyxl", extra="data").Workbook()
            book.active.append(columns)
            for one in records:
                book.active.append([one[name] for name in columns])
            book.save(path)
        return path.read_bytes()


def _escaped(value: object) -> str:
    return str(value).replace("&", "&amp;").replace("<", "&lt;")
