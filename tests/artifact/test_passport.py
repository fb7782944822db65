"""An answer's passport: ten hops that prove themselves offline; whatever is changed is found where it was changed."""

from __future__ import annotations

import base64
import contextlib
import copy
import hashlib
import json
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.artifact.context import RunContext
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.passport.checking import check, examine
from seekloop.artifact.passport.claims import HOPS, Evidence, hops_of
from seekloop.artifact.passport.envelope import seal
from seekloop.artifact.passport.making import Passports, commitments
from seekloop.artifact.passport.page import page
from seekloop.artifact.passport.signing import PRIVATE, PUBLIC, PublicKeys, open_signer, public_pem
from seekloop.artifact.rowset import read_rowset, root_of
from seekloop.artifact.store import Store
from seekloop.system import digests
from seekloop.system.errors import ArtifactError, LedgerError, UsageError
from tests.artifact.making import an_answer, one_turn

FILE = Path("answer.json")


@pytest.fixture
def turn(ctx):
    return one_turn(ctx)


@pytest.fixture
def passports(ctx, turn):
    return Passports(store=ctx.store, ledger=ctx.ledger)


@pytest.fixture
def made(passports, turn):
    return passports.make(turn.answer)


@pytest.fixture
def keys(ctx, made):
    return PublicKeys.of_text(public_pem(ctx.ledger))


@pytest.fixture(scope="module")
def lasting(tmp_path_factory):
    """A passport and its keys, for properties that look at them many times."""
    folder = tmp_path_factory.mktemp("lasting")
    with RunContext(store=Store(folder / "store"), ledger=Ledger.in_folder(folder), seed=7) as ctx:
        turn = one_turn(ctx)
        made = Passports(store=ctx.store, ledger=ctx.ledger).make(turn.answer)
        return made, PublicKeys.of_text(public_pem(ctx.ledger))


def statement_of(data: bytes) -> dict[str, Any]:
    return json.loads(base64.b64decode(json.loads(data)["payload"]))


def with_statement(data: bytes, statement: dict[str, Any]) -> bytes:
    """The file with another statement in it, under the old signature."""
    envelope = json.loads(data)
    envelope["payload"] = base64.b64encode(digests.canonical(statement)).decode()
    return digests.canonical(envelope) + b"\n"


def refused(data: bytes, keys: PublicKeys, **where: Any) -> list[str]:
    """The hops that a refused passport is refused for."""
    with pytest.raises(ArtifactError) as caught:
        check(data, keys=keys, where=FILE, **where)
    assert caught.value.code == "passport.broken"
    assert caught.value.sentence("zh") and caught.value.hint("en")
    return caught.value.facts["hops"]


def test_a_passport_has_the_ten_hops_and_holds_offline(made, keys):
    found = check(made.data, keys=keys, where=FILE)
    assert [one["name"] for one in found.hops] == list(HOPS)
    assert len(HOPS) == 10
    assert found.problems == ()


def test_a_passport_holds_against_store_and_ledger(ctx, made, keys):
    check(made.data, keys=keys, where=FILE, store=ctx.store, ledger=ctx.ledger)


def claim(made, name):
    return next(one["claim"] for one in made.hops if one["name"] == name)


def test_the_hops_lead_from_the_answer_to_weights_base_rows_and_approval(made, turn):
    assert claim(made, "weights")["checkpoint"] == turn.gguf
    assert list(claim(made, "weights")["weights"]) == ["model.gguf"]
    assert [one["id"] for one in claim(made, "forms")["line"]] == [turn.gguf, turn.merged, turn.adapter, turn.base]
    assert claim(made, "forms")["base"] == [turn.base]
    assert claim(made, "training")["made_by"][turn.adapter]["seed"] == 7
    assert claim(made, "rows")["datasets"][turn.dataset]["train"]["rows"] == 2
    assert claim(made, "sources")["datasets"][turn.dataset]["origins"] == ["ans_0007"]
    assert claim(made, "sources")["datasets"][turn.dataset]["consent"] == {"unstated": 2}
    assert claim(made, "decision")["cache"] == {"outcome": "generated"}
    assert claim(made, "evaluation")["report"] == turn.report
    assert claim(made, "approval")["moved"][0]["by"] == "li"
    assert claim(made, "approval")["gates"][0]["decision"] == "promote"
    assert claim(made, "reverse")["releases"] == [turn.release]


def test_a_statement_is_an_in_toto_statement_about_the_answers_record(made, turn):
    statement = statement_of(made.data)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert [one["name"] for one in statement["subject"]] == [turn.answer]
    (answered,) = [one for one in statement["predicate"]["evidence"]["events"] if one["kind"] == "answer.recorded"]
    assert statement["subject"][0]["digest"] == {"sha256": digests.of_json(answered).removeprefix("sha256:")}


@given(data=st.data())
def test_a_flipped_bit_anywhere_in_the_file_is_never_accepted(lasting, data):
    made, keys = lasting
    place = data.draw(st.integers(0, len(made.data) - 1))
    changed = bytearray(made.data)
    changed[place] ^= 1 << data.draw(st.integers(0, 7))
    assert examine(bytes(changed), keys=keys).problems


@given(data=st.data())
def test_bytes_that_are_added_or_cut_are_never_accepted(lasting, data):
    made, keys = lasting
    place = data.draw(st.integers(0, len(made.data) - 1))
    more = data.draw(st.sampled_from([b"", b" ", b"\n", b"="]))
    changed = made.data[:place] + more + (made.data[place:] if more else b"")
    assert changed == made.data or examine(changed, keys=keys).problems


@given(data=st.binary(max_size=200))
def test_no_bytes_make_the_check_fall_over(lasting, data):
    assert examine(data, keys=lasting[1]).problems


def changes_of(evidence: Evidence) -> dict[str, Any]:
    """For each hop, something that it stands on and that nobody may change."""
    value, release = evidence.value, evidence.release
    events = {one["kind"]: one for one in value["events"]}
    return {
        "weights": evidence.artifacts[release["checkpoint"]]["files"]["model.gguf"],
        "forms": evidence.artifacts[evidence.line[-1]],
        "training": evidence.artifacts[evidence.line[2]]["made_by"],
        "rows": value["rows"][evidence.trained_on[0]],
        "sources": next(one for name, one in evidence.artifacts.items() if name.startswith("corpus:")),
        "decision": events["answer.recorded"]["facts"]["decoding"],
        "evaluation": evidence.artifacts[release["report"]],
        "approval": events["gate.verdict"],
        "ledger": value["ledger"]["head"],
        "reverse": value["reverse"],
    }


def spoil(value: dict[str, Any]) -> None:
    """Change the first thing that is text or a number."""
    for name, one in value.items():
        if isinstance(one, str) and name not in ("kind", "subject"):
            value[name] = one[:-1] + ("0" if one[-1:] != "0" else "1")
            return
        if isinstance(one, int | float) and name != "seq":
            value[name] = one + 1
            return
        if isinstance(one, list) and one:
            one.pop()
            return
    raise AssertionError("nothing to change")


@pytest.mark.parametrize("name", HOPS)
def test_a_change_in_the_evidence_of_a_hop_names_it(made, keys, name):
    statement = statement_of(made.data)
    predicate = statement["predicate"]
    spoil(changes_of(Evidence(predicate["evidence"], answer=made.answer))[name])
    hops = refused(with_statement(made.data, statement), keys)
    assert {name, "signature"} <= set(hops) or ({"weights", "forms"} & set(hops) and name in ("forms", "training"))


@pytest.mark.parametrize("name", HOPS)
def test_a_change_in_what_a_hop_says_names_it(made, keys, name):
    statement = statement_of(made.data)
    hop = next(one for one in statement["predicate"]["hops"] if one["name"] == name)
    hop["claim"]["also"] = True
    assert set(refused(with_statement(made.data, statement), keys)) == {name, "signature"}


@pytest.mark.parametrize("name", HOPS)
def test_a_hop_that_does_not_follow_is_refused_though_it_was_signed(ctx, made, keys, name):
    statement = statement_of(made.data)
    next(one for one in statement["predicate"]["hops"] if one["name"] == name)["claim"]["also"] = True
    signed = seal(statement, signer=open_signer(ctx.ledger, actor="test"))
    assert refused(signed, keys) == [name]


@pytest.mark.parametrize("place", [("made_at",), ("evidence", "texts", "digests", "asked"), ("hops", 3, "digest")])
def test_any_other_field_is_signed_too(made, keys, place):
    statement = statement_of(made.data)
    *way, last = place
    inner = statement["predicate"]
    for step in way:
        inner = inner[step]
    inner[last] = "other"
    assert "signature" in refused(with_statement(made.data, statement), keys)


FILES = {
    "gguf": "weights",
    "merged": "forms",
    "adapter": "forms",
    "base": "forms",
    "dataset": "rows",
    "corpus": "sources",
    "report": "evaluation",
    "release": "weights",
}


@pytest.mark.parametrize("which", FILES)
def test_a_flipped_byte_of_any_linked_file_is_found_and_its_hop_is_named(ctx, made, keys, turn, which):
    folder = ctx.store.folder(vars(turn)[which])
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        good = path.read_bytes()
        path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        assert FILES[which] in refused(made.data, keys, store=ctx.store)
        path.write_bytes(good)
    check(made.data, keys=keys, where=FILE, store=ctx.store)


@pytest.mark.parametrize(
    ("kind", "hop"),
    [("answer.recorded", "weights"), ("gate.verdict", "approval"), ("alias.moved", "approval")],
)
def test_an_event_that_was_changed_in_the_ledger_is_found_and_its_hop_is_named(ctx, made, keys, tmp_path, kind, hop):
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.db")) as connection, connection:
        connection.execute("UPDATE event SET actor = 'somebody' WHERE kind = ?", [kind])
    hops = refused(made.data, keys, store=ctx.store, ledger=ctx.ledger)
    assert {hop, "ledger"} <= set(hops)


def test_a_rewritten_history_is_found_by_an_older_passport(ctx, made, keys, turn, tmp_path):
    other = Ledger.in_folder(tmp_path / "other")
    for number in range(30):
        other.record_answers([an_answer(number, release=turn.release)])
    hops = refused(made.data, keys, store=ctx.store, ledger=other)
    other.close()
    assert "ledger" in hops


def test_later_events_leave_a_passport_as_it_is(ctx, made, keys, turn):
    ctx.ledger.record_answers([an_answer(5, release=turn.release)])
    ctx.ledger.note("release.tainted", turn.release, facts={"reason": "erased"}, actor="li")
    check(made.data, keys=keys, where=FILE, store=ctx.store, ledger=ctx.ledger)


def test_a_tainted_release_says_so(ctx, passports, turn):
    ctx.ledger.note("release.tainted", turn.release, facts={"reason": "erased"}, actor="li")
    assert claim(passports.make(turn.answer), "reverse")["tainted"][0]["by"] == "li"


def test_a_repeated_answer_leads_to_the_one_that_it_repeats(ctx, passports, turn):
    cached = an_answer(2, release=turn.release, decoding={"cached": {"answer": turn.answer, "similarity": 0.97}})
    ctx.ledger.record_answers([cached])
    made = passports.make(cached.id)
    assert claim(made, "decision")["cache"] == {"outcome": "repeated", "answer": turn.answer, "similarity": 0.97}
    subjects = [e["subject"] for e in statement_of(made.data)["predicate"]["evidence"]["events"]]
    assert turn.answer in subjects


def test_an_erased_answer_still_has_its_hops_and_no_commitment(ctx, passports, turn):
    ctx.ledger.erase(turn.answer, actor="li", reason="asked")
    made = passports.make(turn.answer)
    assert made.opening is None
    assert claim(made, "decision")["texts"] is None
    assert claim(made, "reverse")["erased"][0]["what"] == "payload.erased"
    check(made.data, keys=PublicKeys.of_text(public_pem(ctx.ledger)), where=FILE, store=ctx.store, ledger=ctx.ledger)


def test_texts_are_not_told_unless_asked_for(ctx, passports, made, turn):
    answer = ctx.ledger.answer(turn.answer)
    payload = base64.b64decode(json.loads(made.data)["payload"]).decode()
    assert answer.content not in payload and made.opening not in payload
    told = passports.make(turn.answer, texts=True)
    assert statement_of(told.data)["predicate"]["evidence"]["texts"]["said"]["answered"] == answer.content
    check(told.data, keys=PublicKeys.of_text(public_pem(ctx.ledger)), where=FILE)


def test_whoever_has_text_and_opening_can_show_that_it_is_the_one(ctx, made, turn):
    answer = ctx.ledger.answer(turn.answer)
    said = {"asked": answer.messages, "answered": answer.content}
    told = claim(made, "decision")["texts"]
    assert commitments(said, opening=made.opening) == told
    assert commitments({**said, "answered": "no"}, opening=made.opening)["answered"] != told["answered"]
    assert commitments(said, opening="0" * 64) != told


def test_two_passports_of_an_answer_cannot_be_compared_by_their_commitments(passports, made):
    assert claim(passports.make(made.answer), "decision")["texts"] != claim(made, "decision")["texts"]


def test_named_rows_give_the_signed_root(ctx, passports, turn):
    told = passports.make(turn.answer, leaves=True)
    rows = statement_of(told.data)["predicate"]["evidence"]["rows"][turn.dataset]
    assert len(rows["leaves"]) == 2
    assert root_of(rows["leaves"]) == rows["root"]
    check(told.data, keys=PublicKeys.of_text(public_pem(ctx.ledger)), where=FILE, store=ctx.store)


@given(count=st.integers(1, 40), data=st.data())
def test_a_row_that_is_changed_moved_or_left_out_gives_another_root(count, data):
    leaves = [[f"row:{number}", f"sha256:{number}"] for number in range(count)]
    place = data.draw(st.integers(0, count - 1))
    changed = copy.deepcopy(leaves)
    changed[place][1] += "0"
    assert len({root_of(leaves), root_of(changed), root_of(leaves[:place] + leaves[place + 1 :])}) == 3


def test_the_root_is_rfc_6962s():
    left, right, last = (digests_of(["r", str(number)]) for number in range(3))
    assert root_of([["r", "0"], ["r", "1"], ["r", "2"]]) == f"sha256:{node(node(left, right), last).hex()}"


def digests_of(leaf: list[str]) -> bytes:
    return hashlib.sha256(b"\0" + digests.canonical(leaf)).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def test_a_line_that_is_no_row_is_named(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text('{"id": "row:1", "source": {"file": "a", "line": 1}}\nno\n')
    with pytest.raises(ArtifactError) as caught:
        read_rowset(path)
    assert caught.value.facts["where"] == f"{path}:2"


def test_the_private_key_is_its_owners_and_the_ledger_knows_the_public_one(ctx, made):
    path = ctx.ledger.folder / PRIVATE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (event,) = ctx.ledger.events(kind="passport.key")
    assert (ctx.ledger.folder / PUBLIC / f"{event.subject}.pem").read_text() == event.facts["public"]
    assert json.loads(made.data)["signatures"][0]["keyid"] == event.subject


def test_old_passports_hold_after_a_rotation_and_only_under_kept_keys(ctx, passports, made):
    before = open_signer(ctx.ledger, actor="li")
    after = open_signer(ctx.ledger, actor="li", rotate=True)
    assert after.key_id != before.key_id
    assert json.loads(passports.make(made.answer).data)["signatures"][0]["keyid"] == after.key_id
    check(made.data, keys=PublicKeys.read(ctx.ledger.folder / PUBLIC), where=FILE)
    assert refused(made.data, PublicKeys.of_text(after.public)) == ["signature"]
    events = list(ctx.ledger.events(kind="passport.key"))
    assert [one.facts["replaces"] for one in events] == [None, before.key_id]


def test_somebody_elses_signature_under_our_key_id_is_refused(made, keys, tmp_path):
    other = Ledger.in_folder(tmp_path / "other")
    forged = json.loads(seal(statement_of(made.data), signer=open_signer(other, actor="x")))
    other.close()
    forged["signatures"][0]["keyid"] = json.loads(made.data)["signatures"][0]["keyid"]
    assert refused(digests.canonical(forged) + b"\n", keys) == ["signature"]


@pytest.mark.parametrize("text", ["", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_a_file_without_public_key_is_a_sentence(tmp_path, text):
    path = tmp_path / "pub.pem"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        PublicKeys.read(path)
    assert caught.value.code == "passport.no_public_key"


def test_a_damaged_private_key_is_a_sentence(ctx, turn, passports):
    (ctx.ledger.folder / PRIVATE).write_text("no key")
    with pytest.raises(LedgerError) as caught:
        passports.make(turn.answer)
    assert caught.value.code == "passport.key_unreadable"


def test_a_ledger_without_a_folder_cannot_sign(ctx, tmp_path, turn):
    ledger = Ledger.open(
        f"sqlite:///{tmp_path / 'ledger.db'}", key=bytes.fromhex((tmp_path / "ledger.key").read_text())
    )
    with pytest.raises(LedgerError) as caught:
        Passports(store=ctx.store, ledger=ledger).make(turn.answer)
    ledger.close()
    assert caught.value.code == "passport.no_folder"


def test_rows_that_are_not_those_that_were_committed_are_not_signed(ctx, turn):
    path = ctx.store.path(turn.dataset, "train.jsonl")
    path.write_text(path.read_text().replace("messages.jsonl", "messageX.jsonl"))
    with pytest.raises(ArtifactError) as caught:
        Passports(store=ctx.store, ledger=ctx.ledger).make(turn.answer)
    assert caught.value.facts["file"] == "train.jsonl"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_page_has_a_line_for_each_hop(made, language):
    lines = page(made.hops, answer=made.answer, language=language).splitlines()
    assert len(lines) == 4 + len(HOPS)
    assert ("凭证" in lines[0]) == (language == "zh")


def test_hops_are_a_pure_function_of_the_evidence(made):
    predicate = statement_of(made.data)["predicate"]
    again = hops_of(Evidence(predicate["evidence"], answer=made.answer))
    assert digests.canonical(again) == digests.canonical(predicate["hops"])
