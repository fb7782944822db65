"""An export proves itself to whoever holds the key, line by line."""

from __future__ import annotations

import json

import pytest

from seekloop.system.errors import LedgerError
from tests.artifact.making import a_feedback, an_answer


@pytest.fixture
def lines(both, clock):
    """Six events and the line that closes them; one text was erased."""
    both.record_answers([an_answer(0), an_answer(1)])
    clock.advance(3600)
    both.record_feedback(a_feedback(comment="说得对"))
    both.erase("ans_0001", actor="dpo", reason="asked")
    both.note("tick", "a", facts={}, actor="li")
    both.note("tick", "b", facts={"x": 0.1}, actor="li")
    return [json.dumps(line) for line in both.export(first=None, last=None)]


def numbered(lines):
    return [(f"x.jsonl:{number}", line) for number, line in enumerate(lines, start=1)]


def test_an_export_holds(both, lines):
    assert both.check_export(numbered(lines)) == 6


def test_an_export_holds_no_text_unless_it_is_asked_for(both, lines):
    assert "答案" not in "".join(lines)
    texts = [line.get("text") for line in both.export(first=None, last=None, texts=True)]
    assert texts[0]["content"] == "答案 0"
    assert texts[1:3] == [None, {"comment": "说得对", "correction": None}]


def test_a_span_is_what_was_recorded_in_it(both, lines):
    late = list(both.export(first="2026-01-01T00:30:00+00:00", last="2026-01-01T02:00:00+00:00"))
    assert [line["seq"] for line in late[:-1]] == [3, 4, 5, 6]
    assert both.check_export(numbered(map(json.dumps, late))) == 4
    nothing = list(both.export(first="2027-01-01", last=None))
    assert both.check_export(numbered(map(json.dumps, nothing))) == 0


@pytest.mark.parametrize("place", range(7))
def test_a_line_that_is_missing_is_found(both, lines, place):
    with pytest.raises(LedgerError) as caught:
        both.check_export(numbered(lines[:place] + lines[place + 1 :]))
    assert caught.value.code == ("artifact.export_cut" if place == 6 else "artifact.export_changed")


@pytest.mark.parametrize(
    ("name", "value"), [("actor", "x"), ("facts", {}), ("payload", "sealed:key_0:AAAA"), ("seq", 9)]
)
def test_a_line_that_was_changed_is_named(both, lines, name, value):
    changed = [*lines]
    changed[1 if name != "payload" else 0] = json.dumps(
        json.loads(changed[1 if name != "payload" else 0]) | {name: value}
    )
    with pytest.raises(LedgerError) as caught:
        both.check_export(numbered(changed))
    assert caught.value.code == "artifact.export_changed"
    assert caught.value.facts["where"] == f"x.jsonl:{2 if name != 'payload' else 1}"
