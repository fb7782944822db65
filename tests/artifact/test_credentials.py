"""API keys in the ledger, on both databases."""

import datetime as dt

import pytest

from seekloop.artifact.credentials import Credential
from seekloop.artifact.usage import Usage
from seekloop.system.errors import LedgerError


def key(identity="sl_1", name="app", **facts):
    return Credential(id=identity, name=name, digest="hash-1", created_at="", **facts)


def test_a_key_is_an_event_with_actor_and_reason(both):
    both.credentials.create(key(), actor="li", reason="the new app")
    (event,) = both.events(kind="key.created")
    assert (event.subject, event.actor, event.facts["reason"]) == ("sl_1", "li", "the new app")
    assert both.verify() == 1


def test_nobody_else_writes_these_events(both):
    with pytest.raises(ValueError, match=r"key\.revoked"):
        both.note("key.revoked", "sl_1", facts={}, actor="li")


def test_a_name_is_in_use_once_and_free_again_after(both, clock):
    both.credentials.create(key(expires_at="2026-01-02T00:00:00.000000+00:00"), actor="li", reason="r")
    with pytest.raises(LedgerError) as refused:
        both.credentials.create(key("sl_2"), actor="li", reason="r")
    assert refused.value.code == "access.name_taken"
    clock.advance(86_400)
    both.credentials.create(key("sl_2"), actor="li", reason="r")
    both.credentials.revoke("sl_2", actor="li", reason="r")
    both.credentials.create(key("sl_3"), actor="li", reason="r")
    assert both.credentials.find("app").id == "sl_3"
    assert both.credentials.find("sl_1").id == "sl_1"


def test_a_rotated_key_takes_the_former_secret_for_its_grace(both, clock):
    both.credentials.create(key(), actor="li", reason="r")
    until = (clock.now() + dt.timedelta(hours=1)).isoformat(timespec="microseconds")
    both.credentials.rotate("sl_1", "hash-2", former_until=until, actor="li", reason="r")
    found = both.credentials.find("app")
    assert found.digests("2026-01-01T00:30:00.000000+00:00") == ["hash-2", "hash-1"]
    assert found.digests(until) == ["hash-2"]


@pytest.mark.parametrize("change", ["rotate", "revoke"])
def test_a_key_that_is_not_in_use_is_not_changed(both, change):
    both.credentials.create(key(), actor="li", reason="r")
    both.credentials.revoke("sl_1", actor="li", reason="leaked")
    extra = {"digest": "x", "former_until": None} if change == "rotate" else {}
    for identity, code in (("sl_1", "access.not_in_use"), ("sl_9", "access.no_such_key")):
        with pytest.raises(LedgerError) as refused:
            getattr(both.credentials, change)(identity, actor="li", reason="r", **extra)
        assert refused.value.code == code


def test_a_key_that_was_slipped_into_the_database_is_found(both, tamper):
    both.credentials.create(key(), actor="li", reason="r")
    assert tamper("UPDATE event SET facts = replace(facts, 'hash-1', 'hash-9')")
    with pytest.raises(LedgerError) as broken:
        both.credentials.all()
    assert broken.value.code == "artifact.chain_broken"


def test_only_the_ledgers_key_makes_a_tag(both):
    assert both.credentials.tag("a", "b") == both.credentials.tag("a", "b")
    assert len({both.credentials.tag(*parts) for parts in (("a", "b"), ("ab",), ("b", "a"))}) == 3


def test_usage_is_overwritten_not_added(both):
    row = Usage(key="k", day="2026-01-01", process="p", requests=1, tokens=10, tat=2**62)
    both.usage.put([row])
    both.usage.put([row, Usage(key="k", day="2026-01-02", process="p", tokens=5)])
    assert sum(one.tokens for one in both.usage.of(["k"], since="2026-01-01")) == 15
    assert both.usage.of(["k"], since="2026-01-03") == []
    assert row in both.usage.of(["k", "x"], since="2026-01-01")
    both.usage.forget(before="2026-01-02")
    assert [one.day for one in both.usage.of(["k"], since="2026-01-01")] == ["2026-01-02"]
    assert both.verify() == 0
