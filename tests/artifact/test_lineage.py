"""From one served answer back to everything that made it, and the hop whose byte was changed."""

from __future__ import annotations

import contextlib
import json
import sqlite3

import pytest

from seekloop.artifact.kinds import Traffic
from seekloop.artifact.lineage import trace, verify, verify_all
from seekloop.system.errors import ArtifactError, LedgerError, SeekloopError
from tests.artifact.making import RECEIPT, NoOptions, corpus, made, one_turn, put

ROLES = [
    "answer",
    "decision",
    "release",
    "promotion",
    "report",
    "compressed checkpoint",
    "gate verdict",
    "merged checkpoint",
    "adapter",
    "base",
    "dataset",
    "train rows",
    "corpus",
]


@pytest.fixture
def turn(ctx):
    return one_turn(ctx)


@pytest.fixture
def tamper_here(tmp_path):
    """Runs SQL on the context's database behind the ledger's back."""

    def _run(statement: str) -> None:
        with contextlib.closing(sqlite3.connect(tmp_path / "ledger.db")) as connection, connection:
            assert connection.execute(statement).rowcount > 0

    return _run


def test_an_answer_is_traced_hop_by_hop_to_base_and_rows(ctx, turn):
    lineage = trace(turn.answer, store=ctx.store, ledger=ctx.ledger)
    assert [hop.role for hop in lineage] == ROLES
    ids = {hop.role: hop.id for hop in lineage}
    assert (ids["release"], ids["adapter"], ids["base"]) == (turn.release, turn.adapter, turn.base)
    assert (ids["dataset"], ids["corpus"], ids["promotion"]) == (turn.dataset, turn.corpus, "production@1")


def test_every_artifact_hop_says_spec_code_packages_and_seed(ctx, turn):
    for hop in trace(turn.answer, store=ctx.store, ledger=ctx.ledger):
        if ":" in hop.id and hop.kind in ("release", "report", "checkpoint", "dataset", "corpus"):
            assert hop.facts["seed"] == 7
            assert hop.facts["spec_digest"] == NoOptions().digest
            assert f"seed 7, code {hop.facts['code_version']}" in hop.summary
            assert hop.facts["lock_digest"].startswith("sha256:")


def test_the_rows_are_counted_with_the_first_ids_the_files_and_the_answers_they_came_from(ctx, turn):
    (hop,) = trace(turn.dataset, store=ctx.store, ledger=ctx.ledger).of("train rows")
    assert hop.facts["rows"] == 2
    assert hop.facts["sources"] == {"messages.jsonl": 2}
    assert hop.facts["origins"] == ["ans_0007"]
    assert all(row in hop.summary for row in hop.facts["first"])


def test_promotions_and_verdicts_say_who_and_why(ctx, turn):
    lineage = trace(turn.answer, store=ctx.store, ledger=ctx.ledger)
    assert lineage.of("promotion")[0].summary.endswith("better by 3 points")
    assert lineage.of("promotion")[0].facts["actor"] == "li"
    assert lineage.of("gate verdict")[0].facts == {"decision": "promote"}


def test_a_lineage_can_start_at_any_artifact_by_a_short_id(ctx, turn):
    assert [hop.role for hop in trace(turn.adapter[:20], store=ctx.store, ledger=ctx.ledger)] == [
        "adapter",
        "base",
        "dataset",
        "train rows",
        "corpus",
    ]


def test_a_second_round_goes_back_through_the_traffic_to_the_first_release(ctx, turn):
    window = Traffic(made_by=corpus().made_by, answers=1, feedback=1, releases=(turn.release,))
    traffic = made(ctx, window, {"answers.jsonl": b"{}\n"})
    again = made(ctx, corpus(parents={"traffic": traffic.id}), {"rows.jsonl": b"{}\n"})
    roles = [hop.role for hop in trace(again.id, store=ctx.store, ledger=ctx.ledger)]
    assert roles == ["corpus", "traffic", *ROLES[2:]]


def test_a_lineage_is_json(ctx, turn):
    value = json.loads(json.dumps(trace(turn.answer, store=ctx.store, ledger=ctx.ledger).as_json()))
    assert value["subject"] == turn.answer
    assert set(value["hops"][0]) == {"role", "id", "kind", "summary", "facts"}


def test_an_untouched_chain_is_verified(ctx, turn):
    lineage = verify(turn.answer, store=ctx.store, ledger=ctx.ledger)
    assert lineage == trace(turn.answer, store=ctx.store, ledger=ctx.ledger)
    behind = {hop.id for hop in lineage if hop.role not in ("answer", "decision")}
    assert {hop.id for hop in verify_all(store=ctx.store, ledger=ctx.ledger)} == behind


def test_a_flipped_bit_in_any_linked_file_is_found_and_the_hop_is_named(ctx, turn):
    files = sorted(path for path in ctx.store.root.rglob("*") if path.is_file())
    assert len(files) == 8 * 2 + 9
    for path in files:
        data = path.read_bytes()
        for place in {0, len(data) // 2, len(data) - 1}:
            path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
            with pytest.raises(ArtifactError) as caught:
                verify(turn.answer, store=ctx.store, ledger=ctx.ledger)
            short = path.relative_to(ctx.store.root).parts[1][:12]
            assert caught.value.code == "artifact.hop_broken"
            assert caught.value.facts["id"].endswith(short) and short in caught.value.sentence("en")
        path.write_bytes(data)
    verify(turn.answer, store=ctx.store, ledger=ctx.ledger)


@pytest.mark.parametrize("role", ["release", "report", "gguf", "adapter", "base", "dataset", "corpus"])
def test_a_missing_artifact_is_named(ctx, turn, role):
    identity = vars(turn)[role]
    ctx.store.folder(identity).rename(ctx.store.root / "tmp" / "away")
    for action in (trace, verify):
        with pytest.raises(ArtifactError) as caught:
            action(turn.answer, store=ctx.store, ledger=ctx.ledger)
        assert identity.startswith(caught.value.facts["id"])


def test_a_receipt_that_was_replaced_by_another_good_one_is_found(ctx, turn):
    path = ctx.store.folder(turn.base) / "RECEIPT.json"
    path.write_bytes(path.read_bytes().replace(b'"cost"', b'"cost" '))
    with pytest.raises(ArtifactError) as caught:
        verify(turn.answer, store=ctx.store, ledger=ctx.ledger)
    assert (caught.value.facts["role"], caught.value.__cause__.facts["file"]) == ("base", "RECEIPT.json")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE payload SET body = body || 'A'",
        "UPDATE event SET facts = replace(facts, 'better', 'worse ')",
        "UPDATE alias_move SET target = 'release:other'",
        "UPDATE answer SET release = 'release:other'",
        "DELETE FROM event WHERE seq = (SELECT max(seq) FROM event)",
    ],
)
def test_a_change_in_the_ledger_is_found_from_the_answer(ctx, turn, statement, tamper_here):
    ctx.ledger.anchor()
    tamper_here(statement)
    with pytest.raises(LedgerError) as caught:
        verify(turn.answer, store=ctx.store, ledger=ctx.ledger)
    assert caught.value.facts["seq"] > 0


def test_an_artifact_that_the_ledger_never_saw_does_not_pass(ctx):
    stranger = put(ctx.store)
    with pytest.raises(SeekloopError) as caught:
        verify(stranger.id, store=ctx.store, ledger=ctx.ledger)
    assert caught.value.__cause__.code == "artifact.not_recorded"


def test_an_answer_that_is_not_there_is_a_sentence(ctx):
    with pytest.raises(LedgerError) as caught:
        trace("ans_ffff", store=ctx.store, ledger=ctx.ledger)
    assert caught.value.code == "artifact.no_answer"


def test_parents_from_a_shared_store_are_recorded_with_their_first_child(ctx, tmp_path):
    shared = type(ctx.store)(tmp_path / "models")
    base = put(shared, files={"model.safetensors": b"base"})
    near = type(ctx)(store=type(ctx.store)(tmp_path / "near", shared=[shared]), ledger=ctx.ledger, seed=7)
    child = made(near, corpus(parents={"base": base.id}), {"rows.jsonl": b"{}\n"})
    assert [record.id for record in ctx.ledger.artifacts()] == [base.id, child.id]
    assert len(verify(child.id, store=near.store, ledger=ctx.ledger).hops) == 2


def test_an_artifact_that_was_lost_and_made_again_verifies_with_its_first_receipt(ctx, turn):
    ctx.store.folder(turn.corpus).rename(ctx.store.root / "tmp" / "away")
    again = made(ctx, corpus(rows=3), {"rows.jsonl": b"{}\n"})
    assert again.id == turn.corpus
    verify(turn.answer, store=ctx.store, ledger=ctx.ledger)
    assert RECEIPT.created_at < ctx.store.receipt(again.id).created_at
