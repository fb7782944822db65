"""From a person to everything that came of them, and erased: whole, once, whoever dies or serves meanwhile."""

from __future__ import annotations

import dataclasses
import json
import random
import signal
import sqlite3

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.learn_erase import Planted, plant, told, truth
from seekloop.app.erasure import Asked
from seekloop.app.verbs import erasure as verbs
from seekloop.artifact import lineage
from seekloop.artifact.context import STATE, RunContext
from seekloop.artifact.kinds import Dataset, Report, Traffic
from seekloop.artifact.rows import read_rows
from seekloop.data.read import read_corpus
from seekloop.data.sources import SourceSpec
from seekloop.loop import registry
from seekloop.loop.erasure import holds
from seekloop.loop.erasure.erasing import DONE, erase, plan, remains
from seekloop.loop.erasure.target import BEGUN, Target
from seekloop.loop.registry import TAINTED
from seekloop.serve.traffic import collect
from seekloop.system.errors import LedgerError, UsageError
from seekloop.system.progress import Silent
from tests.killing import Fatal, forked, send


@pytest.fixture
def room(tmp_path):
    """A project of its own."""
    with RunContext.in_folder(tmp_path) as ctx:
        yield ctx


@pytest.fixture
def planted(room) -> Planted:
    """Twelve people in it."""
    return plant(room, people=12, rows=240, seed=3)


def person(planted: Planted, number: int = 0) -> Target:
    return Target(subjects=(planted.ids[number],))


def bytes_of(ctx: RunContext) -> bytes:
    """Every byte in the store and of the ledger."""
    files = [path for path in (ctx.root / STATE).rglob("*") if path.is_file() and path.suffix != ".key"]
    return b"".join(path.read_bytes() for path in files)


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(people=st.integers(4, 16), rows=st.integers(60, 200), seed=st.integers(0, 999))
def test_what_is_found_is_what_was_planted_no_more_and_no_less(tmp_path_factory, people, rows, seed):
    with RunContext.in_folder(tmp_path_factory.mktemp("project")) as ctx:
        planted = plant(ctx, people=people, rows=rows, seed=seed)
        for number in random.Random(seed).sample(range(people), 3):
            assert told(plan(person(planted, number), ctx=ctx).found) == truth(planted, number)


def test_nothing_of_an_erased_person_is_left_and_everything_of_others_is(room, planted):
    before = {number: truth(planted, number) for number in range(1, 12)}
    done = erase(person(planted), reason="asked", ctx=room)
    assert done.facts["left"] == remains(plan(person(planted), ctx=room).found) == 0
    for number, theirs in before.items():
        now = told(plan(person(planted, number), ctx=room).found)
        moved = {(done.replaced.get(artifact, artifact), row) for artifact, row in theirs - truth(planted, 0)}
        assert now - truth(planted, 0) == {pair for pair in moved if pair not in truth(planted, 0)}
    room.ledger.verify()


def test_no_file_of_the_project_names_a_row_of_theirs_or_says_who_they_were(room, planted):
    rows = {row for _, row in planted.rows[0]}
    done = erase(person(planted), reason=f"{planted.ids[0]} asked", ctx=room)
    left = bytes_of(room)
    assert planted.ids[0].encode() not in left
    kept = {
        one.twin for one in read_rows(room.store.path(done.replaced[planted.made["dataset first"]], "dropped.jsonl"))
    }
    assert not [row for row in rows - kept if f'"{row}"'.encode() in left]


def test_datasets_still_balance_and_traffic_and_reports_lose_their_lines_only(room, planted):
    done = erase(person(planted), reason="asked", ctx=room)
    traffic = room.store.open(done.replaced[planted.made["traffic"]], Traffic)
    answers = [json.loads(line)["id"] for line in room.store.path(traffic.id, "answers.jsonl").read_text().splitlines()]
    assert len(answers) == traffic.answers
    assert not set(answers) & planted.answers[0]
    kinds = {old.partition(":")[0] for old in done.replaced}
    assert kinds == {"corpus", "dataset", "traffic", "report"}
    for new in done.replaced.values():
        assert isinstance(room.store.verify(new), Dataset | Traffic | Report) or new.startswith("corpus:")


def test_a_project_verifies_after_an_erasure_and_not_when_a_removed_file_comes_back(room, planted):
    corpus = planted.made["corpus first"]
    text = room.store.path(corpus, "rows.jsonl").read_bytes()
    erase(person(planted), reason="asked", ctx=room)
    lineage.verify_all(store=room.store, ledger=room.ledger)
    (room.store.folder(corpus) / "rows.jsonl").write_bytes(text)
    with pytest.raises(Exception, match=r"rows\.jsonl") as caught:
        lineage.verify_all(store=room.store, ledger=room.ledger)
    assert caught.value.code == "artifact.hop_broken"


def test_releases_that_were_trained_on_them_are_marked_once_with_the_clean_parent(room, planted):
    done = erase(person(planted), reason="asked", ctx=room)
    marked = {event.subject: event.facts for event in room.ledger.events(kind=TAINTED)}
    assert set(marked) == {planted.releases[one] for one in planted.checkpoints[0] if one in planted.releases}
    (ahead,) = done.retraining
    assert ahead.names == ("production",)
    assert ahead.clean == planted.made["checkpoint base"]
    assert [step.of for step in ahead.steps] == [planted.made[f"checkpoint {one}"] for one in ("tuned", "continued")]
    assert all(step.dataset in done.replaced.values() for step in ahead.steps)


def test_the_next_round_starts_from_what_is_left(room, planted):
    done = erase(person(planted), reason="asked", ctx=room)
    old = planted.made["dataset second"]
    assert lineage.replacement(old, ledger=room.ledger) == done.replaced[old]
    assert registry.released("production", ctx=room).frozen.id == done.replaced[old]


def test_erasing_again_does_nothing_and_says_so(room, planted):
    erase(person(planted), reason="asked", ctx=room)
    events = room.ledger.verify()
    assert erase(person(planted), reason="asked", ctx=room).again
    assert room.ledger.verify() == events
    found = plan(person(planted), ctx=room).found
    assert (found.erased["rows"], set(found.held.answers)) == (len(planted.rows[0]), planted.answers[0])


def test_who_is_nowhere_is_refused(room, planted):
    with pytest.raises(UsageError) as caught:
        erase(Target(subjects=("C999",)), reason="asked", ctx=room)
    assert caught.value.code == "erasure.nobody"


def test_a_pseudonym_and_the_name_in_production_find_the_same_person(room, planted):
    found = plan(person(planted, 1), ctx=room).found
    again = plan(Target(subjects=(found.id, f"local/app/{planted.ids[1]}")), ctx=room).found
    assert told(again) == told(found)


def test_a_row_an_answer_and_a_file_are_followed_as_well(room, planted):
    artifact, row = min(planted.rows[1])
    assert artifact in {one.artifact for one in plan(Target(rows=(row,)), ctx=room).found.holdings}
    answer = min(planted.answers[1])
    assert plan(Target(answers=(answer,)), ctx=room).found.held.answers == {answer: planted.releases[_served(planted)]}
    found = plan(Target(files=("b.jsonl",)), ctx=room).found
    assert {planted.made["corpus second"], planted.made["dataset third"]} <= {one.artifact for one in found.holdings}
    assert planted.made["corpus first"] not in {one.artifact for one in found.holdings}
    assert erase(Target(answers=(answer,)), reason="asked", ctx=room).facts["left"] == 0
    with pytest.raises(LedgerError) as caught:
        room.ledger.answer(answer)
    assert caught.value.code == "artifact.erased"


def _served(planted: Planted) -> str:
    return planted.made["checkpoint continued"]


def test_an_id_that_users_of_two_tenants_have_is_not_guessed(room, planted):
    theirs = room.ledger.answer(min(planted.answers[1]))
    room.ledger.record_answers([dataclasses.replace(theirs, id="ans_f", subject=f"shop/app/{planted.ids[1]}")])
    with pytest.raises(UsageError) as caught:
        plan(person(planted, 1), ctx=room)
    assert (caught.value.code, caught.value.facts["tenants"]) == ("erasure.several_tenants", "local, shop")


def test_kept_answers_leave_the_cache_file(room, planted):
    path = room.root / STATE / "cache.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE kept (key TEXT, answer TEXT, release TEXT, body BLOB, until REAL, used REAL)")
        for answer in (min(planted.answers[0]), min(planted.answers[1])):
            database.execute("INSERT INTO kept VALUES (?, ?, 'r', 'x', 0, 0)", (answer, answer))
    assert plan(person(planted), ctx=room).found.cached == 1
    erase(person(planted), reason="asked", ctx=room)
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT answer FROM kept").fetchall() == [(min(planted.answers[1]),)]


def test_what_a_loop_makes_of_them_meanwhile_is_erased_too(room, planted):
    class Meanwhile(Silent):
        """Collects traffic in the middle of the erasure."""

        made: list[str]

        def say(self, text: str) -> None:
            if text.startswith("texts:") and not self.made:
                self.made.append(collect(late).id)

    progress = Meanwhile()
    progress.made = []
    late = dataclasses.replace(room)
    first = collect(room, after="2026-01-01T00:00:01")
    done = erase(person(planted), reason="asked", ctx=dataclasses.replace(room, progress=progress))
    assert first.id in done.replaced
    assert remains(plan(person(planted), ctx=room).found) == 0


def test_an_erased_person_does_not_come_back_from_a_source(room, planted):
    erase(person(planted), reason="asked", ctx=room)
    lines = [{"text": f"my card {n}", "label": "a", "customer": planted.ids[n]} for n in range(3)]
    (room.root / "again.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    corpus = read_corpus([SourceSpec.parse({"path": "again.jsonl"})], ctx=room)
    rows = list(read_rows(room.store.path(corpus.id, "rows.jsonl")))
    assert [row.dropped for row in rows] == ["subject_erased", None, None]
    assert planted.ids[0] not in rows[0].model_dump_json()


def test_a_legal_hold_stands_against_an_erasure_until_it_is_lifted(room, planted):
    holds.place(Target(answers=(min(planted.answers[0]),)), reason="court", ctx=room)
    with pytest.raises(UsageError) as caught:
        erase(person(planted), reason="asked", ctx=room)
    assert caught.value.code == "erasure.on_hold"
    holds.lift(Target(answers=(min(planted.answers[0]),)), reason="over", ctx=room)
    assert erase(person(planted), reason="asked", ctx=room).facts["left"] == 0


def test_killed_at_any_moment_it_is_finished_by_the_next(tmp_path_factory):
    for at in range(1, 16):
        folder = tmp_path_factory.mktemp("killed")
        with RunContext.in_folder(folder) as ctx:
            planted = plant(ctx, people=6, rows=90, seed=5)
        ended, _ = forked(lambda folder=folder, at=at, planted=planted: _erased(folder, at, planted))
        with RunContext.in_folder(folder) as ctx:
            done = erase(person(planted), reason="asked", ctx=ctx)
            assert remains(plan(person(planted), ctx=ctx).found) == 0
            assert done.facts["rows"] == len(planted.rows[0])
            assert len(list(ctx.ledger.events(kind=DONE))) == len(list(ctx.ledger.events(kind=BEGUN))) == 1
            marked = [event.subject for event in ctx.ledger.events(kind=TAINTED)]
            assert len(marked) == len(set(marked))
            lineage.verify_all(store=ctx.store, ledger=ctx.ledger)
        if ended == 0:
            return
        assert ended == signal.SIGKILL
    raise AssertionError("it says more than fifteen things")


def _erased(folder, at, planted) -> str:
    progress = Fatal(at, send(signal.SIGKILL), touches=("say",))
    with RunContext.in_folder(folder, progress=progress) as ctx:
        erase(person(planted), reason="asked", ctx=ctx)
    return "done"


def test_the_verbs_show_plan_and_erase(room, planted, capsys):
    asked = Asked(subject=[planted.ids[0]])
    verbs.affected(given=asked, folder=room.root, as_json=True)
    assert len(json.loads(capsys.readouterr().out)["held"]["answers"]) == len(planted.answers[0])
    verbs.erase(given=asked, plan=True, reason="asked", folder=room.root, as_json=False)
    shown = capsys.readouterr().out
    assert "about" in shown and verbs.STAYS in shown
    verbs.erase(given=asked, plan=False, reason="asked", folder=room.root, as_json=True)
    told_of = json.loads(capsys.readouterr().out)
    assert told_of["facts"]["left"] == 0
    assert [line.split()[1] for line in told_of["commands"][0]] == ["tune", "tune"]
    verbs.erase(given=asked, plan=False, reason="asked", folder=room.root, as_json=False)
    assert "nothing is left" in capsys.readouterr().out
