"""Evidence for an auditor: what it says, what it does not, and that a changed byte is named."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import zipfile
from dataclasses import replace

import pytest

from seekloop.artifact.ledger import Ledger
from seekloop.artifact.passport.signing import PublicKeys, open_signer, public_pem
from seekloop.loop.compliance import evidence
from seekloop.loop.compliance.controls import controls
from seekloop.loop.compliance.history import Period
from seekloop.loop.compliance.queries import QUERIES
from seekloop.loop.project import ProjectSpec
from seekloop.system import digests
from seekloop.system.errors import ArtifactError, LedgerError, UsageError
from tests.artifact.making import a_feedback, an_answer, one_turn

SPEC = ProjectSpec(domain="bank support")


@pytest.fixture
def made(ctx, tmp_path):
    turn = one_turn(ctx)
    screened = {"policy": "sha256:1", "mode": "stop", "hits": ["r1"], "blocked": {"rule": "r1", "by": "said"}}
    ctx.ledger.record_answers([an_answer(1, release=turn.release, content="zebra words", safety=screened)])
    ctx.ledger.record_feedback(a_feedback(answer="ans_0001", comment="zebra comment", correction="zebra right"))
    ctx.ledger.note(
        "person.erased", "li@example.com", facts={"rows": 3, "people": ["li"], "reason": "asked"}, actor="wu"
    )
    ctx.ledger.note("consent.withdrawn", "ans_0000", facts={"reason": "none of yours"}, actor="li@example.com")
    ctx.ledger.note("review.decided", "ans_0001", facts={"correction": "zebra right"}, actor="wu")
    return evidence.export(tmp_path / "out", SPEC, period=Period(), ctx=ctx)


def control(folder, identity):
    (file,) = (folder / "controls").glob(f"{identity}-*.json")
    return json.loads(file.read_text("utf-8"))


def test_every_control_names_a_query_and_says_what_it_does_not_show_in_both_languages():
    assert {one.query for one in controls()} == set(QUERIES)
    assert len({one.id for one in controls()}) == len(controls()) == 17
    for one in controls():
        for told in (one.name, one.asks, one.shows, one.lacks):
            assert set(told) == {"en", "zh"}
            assert all(told.values())


def test_a_change_says_who_and_why(made, tmp_path):
    found = control(tmp_path / "out", "8.32")
    (move,) = [row for row in found["rows"] if row["kind"] == "alias.moved"]
    assert (move["actor"], move["facts"]["reason"]) == ("li", "better by 3 points")
    assert found["counts"]["verdicts"] == {"promote": 1}


def test_blocked_answers_are_counted_by_policy(made, tmp_path):
    counts = control(tmp_path / "out", "8.12")["counts"]
    assert counts["answers"] == {"blocked": 1, "not_screened": 1, "screened": 1, "with_hits": 1}
    assert counts["policies"] == {"sha256:1": 1}


def test_no_text_and_no_person_is_in_it(made, tmp_path):
    for file in (tmp_path / "out").rglob("*.*"):
        text = file.read_bytes()
        assert b"zebra" not in text
        assert b"li@example.com" not in text
    (erased,) = [row for row in control(tmp_path / "out", "8.10")["rows"] if row["kind"] == "person.erased"]
    assert erased["subject"].startswith("pseudonym:")


def test_a_control_with_nothing_to_show_says_so(ctx, tmp_path):
    made = evidence.export(tmp_path / "out", SPEC, period=Period(), ctx=ctx)
    assert "8.10" in made.empty
    assert control(tmp_path / "out", "8.10")["nothing"]
    assert "nothing in this period" in (tmp_path / "out" / "index.md").read_text("utf-8")
    assert "本期没有内容" in (tmp_path / "out" / "index.zh.md").read_text("utf-8")


def test_the_page_says_that_only_a_body_certifies(made, tmp_path):
    assert "Only an accredited body certifies" in (tmp_path / "out" / "index.md").read_text("utf-8")
    assert "只有获认可的认证机构" in (tmp_path / "out" / "index.zh.md").read_text("utf-8")


def test_only_the_period_is_told(ctx, tmp_path):
    one_turn(ctx)
    after = ctx.ledger.head().at
    ctx.ledger.note("gate.approved", "checkpoint:1", facts={"reason": "good"}, actor="wu")
    evidence.export(tmp_path / "later", SPEC, period=Period.parse(after, None), ctx=ctx)
    evidence.export(tmp_path / "before", SPEC, period=Period.parse(None, after), ctx=ctx)
    assert [row["kind"] for row in control(tmp_path / "later", "8.32")["rows"]] == ["gate.approved"]
    kinds = {row["kind"] for row in control(tmp_path / "before", "8.32")["rows"]}
    assert kinds == {"gate.verdict", "alias.moved"}


def test_a_time_that_is_none_is_refused(ctx):
    with pytest.raises(LedgerError) as caught:
        Period.parse("yesterday", None)
    assert caught.value.code == "artifact.bad_time"


def test_a_chain_that_does_not_hold_is_said_not_to(ctx, tmp_path):
    one_turn(ctx)
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.db")) as connection, connection:
        connection.execute("DELETE FROM event WHERE kind = 'gate.verdict'")
    made = evidence.export(tmp_path / "out", SPEC, period=Period(), ctx=ctx)
    assert not made.holds
    chain = control(tmp_path / "out", "8.15")["counts"]["chain"]
    assert (chain["holds"], chain["events"]) == (False, None)
    assert chain["problem"]


def test_evidence_is_not_made_of_a_ledger_whose_anchors_were_changed(ctx, tmp_path):
    one_turn(ctx)
    anchors = tmp_path / "anchors.jsonl"
    ctx.ledger.anchor()
    line = json.loads(anchors.read_text("utf-8"))
    anchors.write_text(json.dumps({**line, "seq": 99}) + "\n", "utf-8")
    with pytest.raises(LedgerError) as caught:
        evidence.export(tmp_path / "out", SPEC, period=Period(), ctx=ctx)
    assert caught.value.code == "artifact.anchor_changed"


def test_what_was_exported_checks_with_the_public_key_and_with_the_ledger(ctx, made, tmp_path):
    keys = PublicKeys.of_text(public_pem(ctx.ledger))
    for path in (tmp_path / "out", tmp_path / "out.zip"):
        assert evidence.check(path, keys=keys).digest == made.digest
        assert evidence.check(path, ctx=ctx).recorded
        assert evidence.check(path).own_key


def test_every_changed_byte_is_named_by_its_file(ctx, made, tmp_path):
    names = [one.relative_to(tmp_path / "out") for one in sorted((tmp_path / "out").rglob("*")) if one.is_file()]
    assert len(names) == made.files
    for name in names:
        path = tmp_path / "out" / name
        data = path.read_bytes()
        for at in (0, len(data) // 2, len(data) - 1):
            path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
            with pytest.raises(ArtifactError) as caught:
                evidence.check(tmp_path / "out", ctx=ctx)
            if name.name == "signature.json":
                assert caught.value.code == "compliance.signature"
            elif name.name != "manifest.json":
                assert (caught.value.code, caught.value.facts["file"]) == ("compliance.changed", name.as_posix())
            path.write_bytes(data)
    assert evidence.check(tmp_path / "out", ctx=ctx).recorded


def test_a_manifest_that_was_made_to_fit_is_found(ctx, made, tmp_path):
    index = tmp_path / "out" / "index.md"
    before = index.read_bytes()
    index.write_bytes(before + b"certified\n")
    manifest = tmp_path / "out" / "manifest.json"
    told = manifest.read_text("utf-8")
    manifest.write_text(told.replace(json.loads(told)["files"]["index.md"], digests.of_file(index)), "utf-8")
    with pytest.raises(ArtifactError) as caught:
        evidence.check(tmp_path / "out")
    assert (caught.value.code, caught.value.facts["file"]) == ("compliance.changed", "manifest.json")


@pytest.mark.parametrize("name", ["index.md", "signature.json", "keys.pem"])
def test_a_missing_file_is_named(made, tmp_path, name):
    (tmp_path / "out" / name).unlink()
    with pytest.raises(ArtifactError) as caught:
        evidence.check(tmp_path / "out")
    assert (caught.value.code, caught.value.facts["file"]) == ("compliance.missing", name)


def test_a_file_that_was_put_in_is_named(made, tmp_path):
    (tmp_path / "out" / "certificate.pdf").write_bytes(b"%PDF")
    with pytest.raises(ArtifactError) as caught:
        evidence.check(tmp_path / "out")
    assert (caught.value.code, caught.value.facts["file"]) == ("compliance.too_many", "certificate.pdf")


def test_another_key_does_not_hold(ctx, made, tmp_path):
    other = Ledger.in_folder(tmp_path / "other")
    open_signer(other, actor="eve")
    with pytest.raises(ArtifactError) as caught:
        evidence.check(tmp_path / "out", keys=PublicKeys.of_text(public_pem(other)))
    assert caught.value.code == "compliance.signature"
    other.close()


def test_evidence_of_an_export_that_the_ledger_does_not_know_is_refused(ctx, made, tmp_path, store):
    other = Ledger.in_folder(tmp_path / "other")
    keys = PublicKeys.of_text(public_pem(ctx.ledger))
    with pytest.raises(ArtifactError) as caught:
        evidence.check(tmp_path / "out", keys=keys, ctx=replace(ctx, ledger=other))
    assert caught.value.code == "compliance.not_recorded"
    other.close()


def test_evidence_is_never_written_over(ctx, made, tmp_path):
    shutil.rmtree(tmp_path / "out")
    with pytest.raises(UsageError) as caught:
        evidence.export(tmp_path / "out", SPEC, period=Period(), ctx=ctx)
    assert caught.value.code == "compliance.out_exists"


def test_a_zip_that_is_none_is_refused(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"PK")
    with pytest.raises(UsageError) as caught:
        evidence.check(tmp_path / "x.zip")
    assert caught.value.code == "compliance.unreadable"


def test_the_zip_holds_what_the_folder_holds(made, tmp_path):
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        for name in archive.namelist():
            assert archive.read(name) == (tmp_path / "out" / name).read_bytes()
        assert len(archive.namelist()) == made.files


def test_the_same_person_has_the_same_pseudonym_and_another_ledger_another(ctx, made, tmp_path):
    (said,) = [row for row in control(tmp_path / "out", "5.34")["rows"] if row["kind"] == "consent.withdrawn"]
    (erased,) = [row for row in control(tmp_path / "out", "5.34")["rows"] if row["kind"] == "person.erased"]
    assert said["actor"] == erased["subject"]
    other = Ledger.in_folder(tmp_path / "other")
    assert other.credentials.tag("evidence", "li@example.com") not in said["actor"]
    other.close()
