"""The teacher way of balancing: short labels are filled from a real endpoint with faults, and never paid twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path
from random import Random

import pytest

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import read_rows
from seekloop.data.spec import DataSpec
from seekloop.data.synthesise.rounds import QUEUE
from seekloop.data.wording import asked
from seekloop.runtime.endpoint.queue import Queue
from seekloop.system import settings
from seekloop.system.errors import UsageError
from seekloop.text.similarity import similarity
from tests.data.teacher_stub import asked_about, serving

OWN = {
    "card": ["card", "stolen", "lost", "block", "wallet", "replace", "plastic", "freeze"],
    "fee": ["fee", "charge", "cost", "price", "percent", "tariff", "amount", "bill"],
    "loan": ["loan", "rate", "mortgage", "lend", "credit", "instalment", "interest", "borrow"],
}


def saying(subject: str, number: object) -> str:
    """A message with words of its subject and others that are its own."""
    chance = Random(f"{subject} {number}")
    odd = ["".join(chance.choices("bcdfghklmnprst", k=3)) + chance.choice("aeiou") for _ in range(5)]
    return f"{' '.join(chance.sample(OWN[subject], 4))} {' '.join(odd)}"


def tickets(**sizes: int) -> list[dict[str, str]]:
    return [{"text": saying(subject, n), "intent": subject} for subject, size in sizes.items() for n in range(size)]


def subject_of(text: str) -> str:
    return max(OWN, key=lambda subject: sum(word in text for word in OWN[subject]))


def paraphrases(body, _number) -> str:
    """Five messages of the subject that is asked about, the same for the same request."""
    number = zlib.crc32(json.dumps(body).encode())
    subject = subject_of(asked_about(body))
    return json.dumps({"paraphrases": [saying(subject, f"{number} {one}") for one in range(5)]})


BASE = {"dedupe": {"near": False}, "split": {"similarity": 1.0}}


@pytest.fixture
def spec(write):
    def of(url, sizes=None, *, endpoint=None, ways=("teacher",), least=30, **teacher):
        source = write("t.jsonl", tickets(**(sizes or {"card": 60, "fee": 60, "loan": 20})))
        told = {"url": url, "model": "stub-1", "backoff_s": 0.001, **(endpoint or {})}
        balance = {"min_rows_per_label": least, "ways": ways, "teacher": {"endpoint": told, **teacher}}
        return {**BASE, "sources": [{"path": source}], "balance": balance}

    return of


def taught(made) -> list:
    return [row for row in made.rows["train"] if "taught_from" in row.meta]


def report_of(room, made, name="balance.json"):
    return json.loads(room.store.path(made.dataset.id, name).read_text("utf-8"))


def refused_of(room, made) -> list:
    return list(read_rows(room.store.path(made.dataset.id, "teacher_refused.jsonl")))


def test_a_short_label_is_filled_up_and_the_ledger_balances(spec, make):
    with serving(paraphrases) as stub:
        made = make(spec(stub.url))
    dataset = made.dataset
    assert sum(row.label == "loan" for row in made.rows["train"]) == 30
    assert dataset.added == {"teacher": 16} and len(taught(made)) == 16
    assert dataset.rows + 16 == sum(dataset.splits.values()) + sum(dataset.dropped.values())


def test_a_made_row_names_seed_teacher_and_prompt_and_keeps_the_seeds_answer(spec, make):
    with serving(paraphrases) as stub:
        made = make({**spec(stub.url), "compose": {"system": "Sort it.", "answer": "label"}})
    own = {row.id: row for row in made.rows["train"] if "taught_from" not in row.meta}
    for row in taught(made):
        seed = own[row.meta["taught_from"]]
        synthetic = row.meta["synthetic"]
        assert (synthetic["teacher"], synthetic["seeds"]) == ("stub-1", [seed.id])
        assert synthetic["template"].startswith("en:")
        assert [m.content for m in row.messages] == ["Sort it.", asked(row), "loan"]


def test_the_other_splits_stay_what_they_are(spec, make):
    with serving(paraphrases) as stub:
        told = spec(stub.url)
        made = make(told)
    plain = make({name: value for name, value in told.items() if name != "balance"})
    assert all(made.rows[split] == plain.rows[split] for split in ("validation", "test"))


def test_what_is_like_a_held_out_row_is_refused(spec, make, room):
    told = spec("http://127.0.0.1:9/v1")
    held = make({name: value for name, value in told.items() if name != "balance"}).rows["test"]
    leak = [asked(row) for row in held if row.label == "loan"][:2]

    def leaks(body, number):
        return json.dumps({"paraphrases": [f"{leak[number % 2]}!", *json.loads(paraphrases(body, 0))["paraphrases"]]})

    with serving(leaks) as stub:
        made = make(spec(stub.url))
    reasons = {row.dropped for row in refused_of(room, made) if asked(row).rstrip("!") in leak}
    assert reasons <= {"leak_test", "duplicate_exact"} and "leak_test" in reasons
    assert max(similarity(asked(row), asked(other)) for row in taught(made) for other in held) < 0.9


def test_a_row_that_reads_as_another_label_is_refused(spec, make, room):
    def wrong(body, number):
        right = json.loads(paraphrases(body, number))["paraphrases"]
        return json.dumps({"paraphrases": [saying("fee", f"{number} x {one}") for one in range(2)] + right[:3]})

    with serving(wrong) as stub:
        made = make(spec(stub.url))
        unchecked = make(spec(stub.url, label_check=None))
    refused = [row for row in refused_of(room, made) if row.dropped == "label_differs"]
    assert refused and {subject_of(asked(row)) for row in refused} == {"fee"}
    assert {subject_of(asked(row)) for row in taught(made)} == {"loan"}
    assert "fee" in {subject_of(asked(row)) for row in taught(unchecked)}


FAULTS = {"429": (429, {"Retry-After": "0"}), "500": 500, "broken JSON": "TORN", "a dropped connection": "DROP"}


def test_faults_on_the_way_cost_no_row(spec, make):
    faults = list(FAULTS.values())
    with serving(lambda body, n: faults[n] if n < len(faults) else paraphrases(body, n)) as stub:
        made = make(spec(stub.url))
    assert made.dataset.added == {"teacher": 16}


def test_the_cap_in_rows_holds_and_raising_it_asks_nothing_twice(spec, make, room, said):
    with serving(paraphrases) as stub:
        few = make(spec(stub.url, budget={"rows": 7}))
        asked_first = len(stub.requests)
        more = make(spec(stub.url, budget={"rows": 12}))
    assert (few.dataset.added, more.dataset.added) == ({"teacher": 7}, {"teacher": 12})
    assert (asked_first, stub.repeated) == (2, 0)
    assert any(line.startswith("the budget is spent: ") for line in said.lines)
    assert report_of(room, few)["missing"] == {"loan": 9}


def test_rows_that_are_refused_do_not_count_towards_the_cap(spec, make):
    def half(body, number):
        return json.dumps({"paraphrases": [*json.loads(paraphrases(body, 0))["paraphrases"][:2], "", "", ""]})

    with serving(half) as stub:
        made = make(spec(stub.url, budget={"rows": 9}, rounds=6))
    assert made.dataset.added == {"teacher": 9}


def test_the_cap_in_money_holds_and_the_cost_is_in_the_receipt(spec, make, room):
    prices = {"price_in": 1_000.0, "price_out": 1_000.0, "concurrency": 1, "max_tokens": 20}
    with serving(paraphrases) as stub:
        made = make(spec(stub.url, endpoint=prices, budget={"money": 0.3}))
    cost = room.store.receipt(made.dataset.id).cost
    assert 0 < cost["money"] <= 0.3 and cost["money"] == pytest.approx(0.12 * len(stub.requests))
    assert report_of(room, made)["teacher"]["not_asked"] > 0


def test_a_budget_in_money_without_a_price_is_refused(spec):
    with pytest.raises(UsageError, match="price_in"):
        DataSpec.parse(spec("http://x/v1", budget={"money": 1.0}))


def test_a_teacher_that_is_no_way_is_refused(spec):
    with pytest.raises(UsageError, match="not among the ways"):
        DataSpec.parse(spec("http://x/v1", ways=("resample",)))


def test_ways_share_the_work(spec, make):
    with serving(paraphrases) as stub:
        made = make(spec(stub.url, ways=("augment", "teacher"), least=120, rounds=8))
    assert {label: sum(row.label == label for row in made.rows["train"]) for label in OWN} == dict.fromkeys(OWN, 120)
    assert min(made.dataset.added.values()) > 0


KILLED = """
import sys
from pathlib import Path
from seekloop.artifact.context import RunContext
from seekloop.data.spec import DataInputs, DataSpec
from seekloop.data.stage import run
with RunContext.in_folder(Path(sys.argv[1]), seed=7) as ctx:
    print(run(DataSpec.load(Path(sys.argv[1]) / "data.json"), DataInputs(), ctx=ctx).id)
"""


def test_a_run_that_is_killed_in_the_middle_goes_on_and_pays_for_nothing_twice(tmp_path: Path):
    source = "".join(json.dumps(row) + "\n" for row in tickets(card=60, fee=60, loan=20))
    balance = {"min_rows_per_label": 80, "ways": ["teacher"]}
    victims: list[subprocess.Popen[bytes]] = []
    faults = dict(zip((0, 3, 6, 9), FAULTS.values(), strict=True))

    def kills(body, number):
        if number == 13 and len(victims) == 1:
            os.kill(victims[0].pid, signal.SIGKILL)
        return faults.get(number) or paraphrases(body, number)

    def start(home: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", textwrap.dedent(KILLED), str(home)]
        return subprocess.Popen(command, env=settings.child_environment(), stdout=subprocess.PIPE)

    def project(name: str, url: str) -> Path:
        home = tmp_path / name
        home.mkdir()
        (home / "t.jsonl").write_text(source, "utf-8")
        told = {"endpoint": {"url": url, "model": "stub-1", "backoff_s": 0.001, "concurrency": 2}, "rounds": 6}
        spec = {**BASE, "sources": [{"path": "t.jsonl"}], "balance": {**balance, "teacher": told}}
        (home / "data.json").write_text(json.dumps(spec), "utf-8")
        return home

    with serving(kills) as stub:
        home = project("killed", stub.url)
        victims.append(start(home))
        victims[0].communicate(timeout=60)
        assert victims[0].returncode == -signal.SIGKILL
        with Queue(home / ".seekloop/work" / QUEUE) as queue:
            stored = len(queue)
        before = len(stub.requests)
        victims.append(start(home))
        identity = victims[1].communicate(timeout=60)[0].decode().strip()
        with Queue(home / ".seekloop/work" / QUEUE) as queue:
            assert len(stub.requests) - before == len(queue) - stored
        whole = start(project("whole", stub.url)).communicate(timeout=60)[0].decode().strip()
    assert 0 < stored <= before - len(FAULTS) and identity.startswith("dataset:")
    with RunContext.in_folder(home) as ctx, RunContext.in_folder(tmp_path / "whole") as other:
        trains = [c.store.path(i, "train.jsonl").read_bytes() for c, i in ((ctx, identity), (other, whole))]
        assert ctx.store.open(identity, Dataset).added == {"teacher": 3 * 80 - 42 - 42 - 14}
    assert trains[0] == trains[1]
