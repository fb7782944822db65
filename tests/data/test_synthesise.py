"""A teacher's answers become rows: checked, metered, resumable, and never in test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path

import pytest

from seekloop.artifact.context import RunContext
from seekloop.artifact.rows import read_rows
from seekloop.data.read import read_corpus
from seekloop.data.sources import SourceSpec
from seekloop.data.synthesise.batch import read_results, write_requests
from seekloop.data.synthesise.run import Session, synthesise
from seekloop.data.synthesise.spec import SynthesiseInputs, SynthesiseSpec
from seekloop.runtime.endpoint.queue import Queue
from seekloop.system import settings
from seekloop.system.errors import DataError, UsageError
from tests.data.teacher_stub import asked_about, completion, serving

SEEDS = [
    {"text": "my card was stolen on the bus", "intent": "lost", "reply": "I have blocked it."},
    {"text": "the machine kept my bank card", "intent": "lost", "reply": "Please wait there."},
    {"text": "what does a transfer abroad cost", "intent": "fee", "reply": "It costs five euros."},
]
NAMES = "amber basil cedar delta ember fjord grove heron ivory jolly karma lemon mango noble ocean pearl quartz river"
WORDS = NAMES.split()


def said_anew(body, count=5) -> list[str]:
    """`count` sentences that are like no other, the same for the same request."""
    number = zlib.crc32(json.dumps(body).encode())
    return [
        " ".join(WORDS[(number // 7**place + 5 * one + place) % len(WORDS)] for place in range(7)) + f" {number} {one}"
        for one in range(count)
    ]


def paraphrases(body, _number) -> str:
    return json.dumps({"paraphrases": said_anew(body)})


@pytest.fixture
def seeds(write, room):
    """A corpus of three labelled rows."""
    return read_corpus([SourceSpec(path=write("seeds.jsonl", SEEDS))], ctx=room)


@pytest.fixture
def ask(room, seeds):
    """Synthesise from the seeds; the corpus, and its rows."""

    def run(stub, *, corpus=seeds, dataset=None, checks=(), **keys):
        spec = spec_for(stub.url, **keys)
        inputs = SynthesiseInputs(corpus=None if dataset else corpus, dataset=dataset)
        made = synthesise(spec, inputs, ctx=room, checks=checks)
        return made, list(read_rows(room.store.path(made.id, "rows.jsonl")))

    return run


def spec_for(url, *, task=None, teacher=None, **keys) -> SynthesiseSpec:
    told = {"url": url, "model": "stub-1", "backoff_s": 0.001, **(teacher or {})}
    return SynthesiseSpec.parse({"teacher": told, "task": task or {"kind": "paraphrase", "per_label": 4}, **keys})


def reasons(rows) -> list[str | None]:
    return [row.dropped for row in rows]


def test_every_label_is_filled_up_to_what_it_should_have(ask):
    with serving(paraphrases) as stub:
        corpus, rows = ask(stub)
    kept = [row for row in rows if row.dropped is None]
    assert sorted(row.label for row in kept) == ["fee"] * 3 + ["lost"] * 2
    assert reasons(rows).count("not_needed") == 5
    assert corpus.rows == len(rows) == 10


def test_a_row_tells_its_teacher_prompt_item_and_seeds(ask, seeds, room):
    with serving(paraphrases) as stub:
        corpus, rows = ask(stub)
    synthetic = rows[0].meta["synthetic"]
    ids = {row.id for row in read_rows(room.store.path(seeds.id, "rows.jsonl"))}
    assert (synthetic["teacher"], synthetic["task"]) == ("stub-1", "paraphrase")
    assert synthetic["template"].startswith("en:")
    assert set(synthetic["seeds"]) <= ids
    assert rows[0].meta["split"] == "train"
    assert corpus.parents == {"seeds": seeds.id}


def test_what_is_made_of_a_persons_row_is_theirs_so_that_it_is_erased_with_them(ask, write, room):
    theirs = [{**SEEDS[0], "customer": "C1"}, {**SEEDS[2], "customer": "C2"}]
    corpus = read_corpus([SourceSpec(path=write("people.jsonl", theirs))], ctx=room)
    with serving(paraphrases) as stub:
        _, rows = ask(stub, corpus=corpus)
    assert {(row.label, row.subject) for row in rows} == {("lost", "C1"), ("fee", "C2")}


def test_the_receipt_says_what_it_cost(ask, room):
    with serving(paraphrases) as stub:
        corpus, _ = ask(stub, teacher={"price_in": 1.0, "price_out": 2.0})
    cost = room.store.receipt(corpus.id).cost
    assert (cost["teacher_tokens_in"], cost["teacher_tokens_out"]) == (200, 40)
    assert cost["money"] == pytest.approx((200 + 2 * 40) / 1e6)


def test_what_it_will_take_is_said_before_it_is_asked(ask, said):
    with serving(paraphrases) as stub:
        ask(stub, teacher={"price_in": 1.0, "price_out": 1.0, "max_tokens": 500})
    assert said.lines[1].startswith("round 1: 2 requests to stub-1 (0 answered before), about ")
    assert "at most 1000 out, at most 0.00" in said.lines[1]


FAULTS = {
    "429 with Retry-After": (429, {"Retry-After": "0"}),
    "429 with a date": (429, {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}),
    "500": 500,
    "503": 503,
    "torn JSON": "TORN",
    "a dropped connection": "DROP",
    "no completion": {"choices": []},
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_on_the_way_is_asked_again_and_nothing_is_lost(ask, fault):
    with serving(lambda body, number: fault if number in (0, 1) else paraphrases(body, number)) as stub:
        _, rows = ask(stub)
    assert sum(row.dropped is None for row in rows) == 5
    assert len(stub.requests) == 4


def test_a_slow_answer_is_given_up_and_asked_again(ask):
    with serving(lambda body, number: "HANG" if number == 0 else paraphrases(body, number)) as stub:
        _, rows = ask(stub, teacher={"timeout_s": 0.2})
    assert sum(row.dropped is None for row in rows) == 5


def test_a_teacher_that_stays_away_is_one_sentence_and_keeps_what_it_said(ask, room):
    def dies(body, number):
        return paraphrases(body, number) if number == 0 else 500

    with serving(dies) as stub, pytest.raises(DataError) as caught:
        ask(stub, teacher={"retries": 1, "concurrency": 1})
    assert caught.value.code == "endpoint.unreachable"
    with Queue(room.work / "synthesise/answers.sqlite") as queue:
        assert len(queue) == 1


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_teacher_that_refuses_everything_stops_the_run_at_once(ask, status):
    with serving(lambda body, number: status) as stub, pytest.raises(DataError) as caught:
        ask(stub, teacher={"concurrency": 1})
    assert (caught.value.code, len(stub.requests)) == ("endpoint.refused", 1)


def test_a_request_that_is_refused_fails_alone(ask):
    with serving(
        lambda body, n: 400 if "stolen" in asked_about(body) or "kept" in asked_about(body) else paraphrases(body, n)
    ) as stub:
        _, rows = ask(stub, task={"kind": "paraphrase", "per_label": 4, "rounds": 1})
    failed = [row for row in rows if row.dropped == "teacher_rejected"]
    assert [row.meta["problem"] for row in failed] == ["stub says 400"]
    assert sum(row.dropped is None for row in rows) == 3


BAD = {
    "no JSON": ("I would say: hello", "teacher_bad_json"),
    "off the schema": ('{"replies": ["x"]}', "teacher_off_schema"),
    "cut short": ({"text": '{"paraphrases": ["x', "choices": None}, "teacher_cut_short"),
}


@pytest.mark.parametrize(("text", "reason"), list(BAD.values()), ids=list(BAD))
def test_an_answer_off_its_form_is_asked_for_again_and_told_why(ask, text, reason):
    def script(body, number):
        if isinstance(text, dict):
            cut = completion(text["text"])["choices"][0] | {"finish_reason": "length"}
            return {"choices": [cut]}
        return text

    with serving(script) as stub:
        _, rows = ask(stub, task={"kind": "paraphrase", "per_label": 4, "rounds": 1, "labels": ["fee"]}, attempts=3)
    assert reasons(rows) == [reason]
    assert [len(body["messages"]) for body in stub.requests] == [2, 4, 6]
    assert "cannot be used" in stub.requests[1]["messages"][3]["content"]


def test_a_second_answer_that_fits_is_taken(ask):
    with serving(lambda body, n: "no" if len(body["messages"]) == 2 else paraphrases(body, n)) as stub:
        _, rows = ask(stub)
    assert sum(row.dropped is None for row in rows) == 5


@pytest.mark.parametrize("text", ["I'm sorry, but I can't assist with that.", "抱歉，我无法协助完成此请求。"])
def test_a_refusal_is_a_reason_and_is_not_argued_with(ask, text):
    with serving(lambda body, number: text) as stub:
        _, rows = ask(stub, task={"kind": "paraphrase", "per_label": 4, "rounds": 1})
    assert set(reasons(rows)) == {"teacher_refused"}
    assert len(stub.requests) == 2


def test_what_is_like_a_seed_or_another_row_is_dropped_with_its_twin(ask, seeds, room):
    texts = ["What does a transfer abroad COST?", "how much is a foreign wire", "how much is a foreign wire!"]
    with serving(lambda body, number: json.dumps({"paraphrases": texts})) as stub:
        _, rows = ask(stub, task={"kind": "paraphrase", "per_label": 9, "rounds": 1, "labels": ["fee"]})
    assert reasons(rows)[:3] == ["duplicate_exact", None, "duplicate_exact"]
    first = [row.id for row in read_rows(room.store.path(seeds.id, "rows.jsonl"))][2]
    assert [rows[0].twin, rows[2].twin] == [first, rows[1].id]


def test_another_language_is_dropped(ask):
    with serving(lambda body, number: json.dumps({"paraphrases": ["跨境转账要多少钱"]})) as stub:
        _, rows = ask(stub, task={"kind": "paraphrase", "per_label": 2, "rounds": 1})
    assert set(reasons(rows)) == {"other_language"}


def test_a_check_of_ones_own_is_a_reason(ask):
    with serving(paraphrases) as stub:
        _, rows = ask(stub, checks=[lambda row: "label_unsure" if row.label == "fee" else None])
    assert {row.label for row in rows if row.dropped is None} == {"lost"}
    assert "label_unsure" in reasons(rows)


def test_the_budget_stops_the_asking_and_says_so(ask, said):
    with serving(paraphrases) as stub:
        keys = {"task": {"kind": "paraphrase", "per_label": 50}, "teacher": {"concurrency": 1, "max_tokens": 20}}
        _, rows = ask(stub, budget={"tokens": 500}, **keys)
        assert 0 < len(stub.requests) < 20
        assert any(line.startswith("the budget is spent: ") for line in said.lines)
        before = len(stub.requests)
        _, more = ask(stub, **keys)
        assert (stub.repeated, len(stub.requests) > before) == (0, True)
    assert [row.id for row in more[: len(rows)]] == [row.id for row in rows]


def test_money_is_a_budget_too(ask):
    with serving(paraphrases) as stub:
        teacher = {"price_in": 1_000.0, "price_out": 1_000.0, "concurrency": 1, "max_tokens": 20}
        ask(stub, task={"kind": "paraphrase", "per_label": 50}, teacher=teacher, budget={"money": 0.5})
    assert 1 <= len(stub.requests) <= 4


def test_no_more_requests_run_at_once_than_allowed(ask):
    with serving(paraphrases) as stub:
        ask(stub, task={"kind": "paraphrase", "per_label": 60}, teacher={"concurrency": 3})
    assert 1 <= stub.most_at_once <= 3


def test_the_same_spec_and_seed_ask_the_same_and_nothing_twice(ask):
    with serving(paraphrases) as stub:
        first, _ = ask(stub)
        count = len(stub.requests)
        second, _ = ask(stub)
    assert (first.id == second.id, len(stub.requests)) == (True, count)


def test_the_key_is_read_from_the_environment_and_stored_nowhere(ask, room, monkeypatch):
    monkeypatch.setenv("STUB_KEY", "sk-very-secret")
    with serving(paraphrases) as stub:
        corpus, _ = ask(stub, teacher={"key": "${STUB_KEY}"})
    assert {headers["Authorization"] for headers in stub.headers} == {"Bearer sk-very-secret"}
    folder = room.store.path(corpus.id, "rows.jsonl").parent
    files = [*folder.iterdir(), *(room.work / "synthesise").iterdir()]
    assert [path for path in files if b"sk-very-secret" in path.read_bytes()] == []


def test_a_key_in_clear_or_missing_is_refused(ask):
    with pytest.raises(UsageError) as caught:
        spec_for("http://x/v1", teacher={"key": "sk-very-secret"})
    assert caught.value.code == "system.spec_bad_value"
    with serving(paraphrases) as stub, pytest.raises(UsageError) as caught:
        ask(stub, teacher={"key": "${SEEKLOOP_NO_SUCH_KEY}"})
    assert caught.value.code == "endpoint.no_key"


def test_personal_data_in_seeds_is_masked_before_it_leaves(ask, write, room):
    rows = [{"text": "call me at +1 415 555 2671 about my card", "intent": "lost"}]
    corpus = read_corpus([SourceSpec(path=write("p.jsonl", rows))], ctx=room)
    with serving(paraphrases) as stub:
        ask(stub, corpus=corpus)
    assert asked_about(stub.requests[0]) == "call me at [PHONE] about my card"


def test_new_tasks_are_made_of_seed_tasks(ask):
    def script(body, number):
        tasks = [{"instruction": text, "input": "", "output": "It is so."} for text in said_anew(body, 4)]
        return f"Sure!\n```json\n{json.dumps({'tasks': tasks})}\n```"

    with serving(script) as stub:
        _, rows = ask(stub, task={"kind": "instruct", "rows": 6, "examples": 2})
    assert sum(row.dropped is None for row in rows) == 6
    assert "It costs five euros." in "".join(body["messages"][1]["content"] for body in stub.requests)


def test_an_answer_from_a_document_must_quote_it(ask, write, room):
    text = "Lost cards are blocked within a minute. A new card costs five euros."
    corpus = read_corpus([SourceSpec(path=write("d.jsonl", [{"prompt": text, "completion": "-"}]))], ctx=room)
    pairs = [
        {"question": "What does a new card cost?", "answer": "Five euros.", "quote": "A new card costs five euros."},
        {"question": "Is it free abroad?", "answer": "Yes.", "quote": "Cards are free abroad."},
    ]
    with serving(lambda body, number: json.dumps({"pairs": pairs})) as stub:
        _, rows = ask(stub, corpus=corpus, task={"kind": "document"})
    assert reasons(rows) == [None, "quote_not_found"]


def test_replies_keep_message_and_label_and_scores_sort_out(ask):
    with serving(lambda body, number: '{"reply": "It is blocked now."}') as stub:
        _, replies = ask(stub, task={"kind": "reply", "guide": "Be brief."})
    assert sorted((row.label, row.messages[1].content) for row in replies)[0] == ("fee", "It is blocked now.")
    with serving(
        lambda body, n: json.dumps({"critique": "ok", "score": 5 if "abroad" in asked_about(body) else 2})
    ) as stub:
        _, scored = ask(stub, task={"kind": "score"})
    assert {row.label: row.dropped for row in scored} == {"fee": None, "lost": "low_score"}


def test_a_prompt_of_ones_own_is_used_and_changes_the_digest(ask, write):
    with serving(paraphrases) as stub:
        _, ours = ask(stub)
        write("own.jinja", "Rephrase {{ count }} times. Message: {{ text }}")
        _, own = ask(stub, task={"kind": "paraphrase", "per_label": 4, "prompt": "own.jinja"})
    assert stub.requests[-1]["messages"][1]["content"].startswith("Rephrase 5 times.")
    assert ours[0].meta["synthetic"]["template"] != own[0].meta["synthetic"]["template"]


@pytest.mark.parametrize("text", ["{{ nothing }}", "{% for %}", "{{ text.__class__.__mro__ }}"])
def test_a_prompt_that_cannot_be_filled_in_is_refused(ask, write, text):
    write("own.jinja", text)
    with serving(paraphrases) as stub, pytest.raises(DataError) as caught:
        ask(stub, task={"kind": "paraphrase", "prompt": "own.jinja"})
    assert (caught.value.code, stub.requests) == ("synthesise.bad_prompt", [])


def test_a_batch_file_is_written_and_its_results_are_used(ask, room, seeds, tmp_path):
    spec = spec_for("http://127.0.0.1:9/v1", teacher={"retries": 0})
    with Session(spec, SynthesiseInputs(corpus=seeds), ctx=room) as session:
        assert write_requests(session, tmp_path / "batch.jsonl") == 2
        lines = [json.loads(line) for line in (tmp_path / "batch.jsonl").read_text("utf-8").splitlines()]
        results = [
            {
                "custom_id": one["custom_id"],
                "response": {"status_code": 200, "body": completion(paraphrases(one["body"], 0))},
            }
            for one in lines
        ]
        others = [{"custom_id": "other", "response": None, "error": {"code": "expired"}}]
        text = "".join(json.dumps(one) + "\n" for one in results + others)
        (tmp_path / "out.jsonl").write_text(text, "utf-8")
        assert read_results(session, tmp_path / "out.jsonl") == (2, 1)
    made = synthesise(spec, SynthesiseInputs(corpus=seeds), ctx=room)
    assert sum(row.dropped is None for row in read_rows(room.store.path(made.id, "rows.jsonl"))) == 5


def test_synthetic_rows_and_their_seeds_never_stand_in_test(make, write, ask, room):
    rows = [{"text": " ".join(said_anew([n], 1)), "intent": f"i{n % 2}"} for n in range(60)]
    plain = {"sources": [{"path": write("rows.jsonl", rows)}], "compose": {"answer": "label"}}
    before = make(plain)
    with serving(paraphrases) as stub:
        corpus, _ = ask(stub, dataset=before.dataset, task={"kind": "paraphrase", "per_label": 40, "rounds": 1})
    after = make({**plain, "sources": [*plain["sources"], {"corpus": corpus.id}]})
    held_out = [*after.rows["test"], *after.rows["validation"]]
    assert [row.id for row in held_out if "synthetic" in row.meta] == []
    used = {one for row in after.rows["train"] for one in row.meta.get("synthetic", {}).get("seeds", ())}
    assert len(used) == 8
    assert used.isdisjoint(row.id for row in held_out)
    assert {row.id for row in after.rows["test"]} == {row.id for row in before.rows["test"]}


def test_what_is_like_a_test_row_is_dropped(make, write, ask):
    rows = [{"text": " ".join(said_anew([n], 1)), "intent": f"i{n % 2}"} for n in range(40)]
    before = make({"sources": [{"path": write("rows.jsonl", rows)}], "compose": {"answer": "label"}})
    leak = [row.messages[0].content for row in before.rows["test"]][:1]
    with serving(lambda body, number: json.dumps({"paraphrases": leak})) as stub:
        _, made = ask(stub, dataset=before.dataset, task={"kind": "paraphrase", "per_label": 30, "rounds": 1})
    assert set(reasons(made)) == {"leak_test"}


KILLED = """
import sys
from pathlib import Path
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Corpus
from seekloop.data.synthesise.run import synthesise
from seekloop.data.synthesise.spec import SynthesiseInputs, SynthesiseSpec
ctx = RunContext.in_folder(Path(sys.argv[1]), seed=7)
spec = SynthesiseSpec.parse({"teacher": {"url": sys.argv[2], "model": "stub-1", "concurrency": 2, "backoff_s": 0.001},
                             "task": {"kind": "paraphrase", "per_label": 60}})
print(synthesise(spec, SynthesiseInputs(corpus=ctx.store.open(sys.argv[3], Corpus)), ctx=ctx).id)
"""


def test_a_run_that_is_killed_loses_no_answer_on_disk_and_asks_none_of_them_again(tmp_path: Path):
    (tmp_path / "seeds.jsonl").write_text("".join(json.dumps(row) + "\n" for row in SEEDS), "utf-8")
    ctx = RunContext.in_folder(tmp_path, seed=7)
    corpus = read_corpus([SourceSpec(path="seeds.jsonl")], ctx=ctx)
    ctx.ledger.close()
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path)]
    environment = settings.child_environment()
    victims: list[subprocess.Popen[bytes]] = []

    def kills(body, number):
        if number == 9:
            os.kill(victims[0].pid, signal.SIGKILL)
        return paraphrases(body, number)

    with serving(kills) as stub:
        victims.append(subprocess.Popen([*command, stub.url, corpus.id], env=environment))
        assert victims[0].wait(60) == -signal.SIGKILL
        with Queue(tmp_path / ".seekloop/work/synthesise/answers.sqlite") as queue:
            stored = len(queue)
        before = len(stub.requests)
        done = subprocess.run([*command, stub.url, corpus.id], env=environment, capture_output=True, check=True)
    assert stored >= 8
    assert stub.repeated == before - stored <= 2  # what was under way when it was killed
    assert done.stdout.startswith(b"corpus:")
