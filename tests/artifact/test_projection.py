"""The index tables are a function of the events: for any history, rebuilt tables equal the live ones."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest
import sqlalchemy
from hypothesis import given, settings
from hypothesis import strategies as st

from seekloop.artifact import schema
from seekloop.artifact.ledger import Ledger
from seekloop.system.errors import LedgerError
from tests.artifact.making import RECEIPT, a_feedback, an_answer, corpus

NAMES = st.sampled_from(["production", "canary", "金丝雀"])
SMALL = st.integers(0, 4)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
ACTIONS = st.one_of(
    st.tuples(st.just("artifact"), SMALL, SMALL),
    st.tuples(st.just("alias"), NAMES, st.none() | SMALL),
    st.tuples(st.just("step"), SMALL, TEXT),
    st.tuples(st.just("answers"), st.lists(SMALL, max_size=4), TEXT),
    st.tuples(st.just("feedback"), SMALL, SMALL),
    st.tuples(st.just("erase"), SMALL, TEXT),
    st.tuples(st.just("note"), TEXT, TEXT),
)


def act(ledger: Ledger, action: tuple) -> None:
    """Do one thing that may be refused."""
    match action:
        case ("artifact", rows, parent):
            ledger.record_artifact(corpus(rows=rows, parents={"p": f"corpus:{parent}"}), RECEIPT, actor="li")
        case ("alias", name, version):
            ledger.move_alias(name, f"release:{version}", expected_version=version, actor="li", reason="r")
        case ("step", run, key):
            ledger.record_step(run=f"r{run}", name="tune", key=key, outputs={"o": key}, actor="li")
        case ("answers", numbers, text):
            ledger.record_answers([an_answer(number, content=text) for number in numbers])
        case ("feedback", number, answer):
            ledger.record_feedback(a_feedback(f"fb-{number}", answer=f"ans_{answer:04x}"))
        case ("erase", number, reason):
            ledger.erase(f"ans_{number:04x}", actor="dpo", reason=reason)
        case ("note", subject, text):
            ledger.note("tick", subject, facts={"text": text}, actor="li")


def tables(url: str) -> dict[str, set[tuple]]:
    """Every row of every index table."""
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        found = {t.name: {tuple(row) for row in connection.execute(t.select())} for t in schema.projections}
    engine.dispose()
    return found


def check_history(ledger: Ledger, url: str, history: list[tuple]) -> None:
    for action in history:
        with contextlib.suppress(LedgerError):
            act(ledger, action)
    count, live, answers = ledger.verify(), tables(url), ledger.answers()
    ledger.rebuild()
    assert tables(url) == live
    assert ledger.answers() == answers
    assert ledger.verify() == count


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> Path:
    """A folder with a ledger that has no events, to copy from."""
    folder: Path = tmp_path_factory.mktemp("empty")
    Ledger.in_folder(folder).close()
    return folder


@settings(max_examples=100)
@given(history=st.lists(ACTIONS, max_size=20))
def test_tables_rebuilt_from_events_equal_the_live_ones_after_any_history(empty, tmp_path_factory, history):
    folder = shutil.copytree(empty, tmp_path_factory.mktemp("histories") / "one")
    ledger = Ledger.in_folder(folder)
    check_history(ledger, f"sqlite:///{folder / 'ledger.db'}", history)
    ledger.close()


def test_tables_rebuilt_from_events_equal_the_live_ones_on_both_databases(both, database):
    history = [
        ("answers", [0, 1, 2], "文"),
        ("artifact", 1, 2),
        ("alias", "金丝雀", 0),
        ("alias", "金丝雀", 1),
        ("feedback", 0, 1),
        ("erase", 1, "asked"),
        ("step", 1, "k"),
        ("note", "s", "t"),
    ]
    check_history(both, database, history)
    assert both.verify() == 11
