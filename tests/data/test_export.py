"""A dataset leaves as a LLaMA-Factory folder and as triples, and comes back as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from seekloop.artifact.context import RunContext
from seekloop.artifact.rows import Message, Row, Source, read_rows
from seekloop.data.export import export, write_llama_factory
from seekloop.data.read import read_corpus
from seekloop.data.sources import SourceSpec
from seekloop.data.triples import triples, write_triples
from seekloop.system.errors import DataError, UsageError

WORDS = st.text("abcdefg 我的卡丢了？!{}\"'\\,\n", min_size=1, max_size=12).map(str.strip).filter(bool)
USERS = st.builds(Message, role=st.just("user"), content=WORDS)
ANSWERS = st.builds(Message, role=st.just("assistant"), content=WORDS, reasoning=st.none() | WORDS)
FUNCTION = st.fixed_dictionaries({"name": st.just("freeze"), "arguments": st.just('{"card": "debit"}')})
CALL = st.fixed_dictionaries({"type": st.just("function"), "function": FUNCTION})
CALLS = st.builds(Message, role=st.just("assistant"), content=st.just("") | WORDS, tool_calls=st.tuples(CALL))
RESULTS = st.builds(Message, role=st.just("tool"), content=WORDS)
SYSTEMS = st.lists(st.builds(Message, role=st.just("system"), content=WORDS), max_size=1)
EXCHANGES = st.tuples(USERS, ANSWERS) | st.tuples(USERS, CALLS, RESULTS, ANSWERS)


@st.composite
def rows(draw) -> Row:
    exchanges = draw(st.lists(EXCHANGES, min_size=1, max_size=3))
    messages = tuple(draw(SYSTEMS)) + tuple(message for exchange in exchanges for message in exchange)
    kind = draw(st.sampled_from(["chat", "preference", "kto", "text"]))
    extra: dict = {"tools": ({"name": "freeze"},)} if any(message.tool_calls for message in messages) else {}
    if kind == "preference":
        extra["rejected"] = (*exchanges[-1][1:-1], draw(ANSWERS.filter(lambda said: said != messages[-1])))
    if kind == "kto":
        extra["desirable"] = draw(st.booleans())
    if kind == "text":
        messages, extra = (draw(USERS),), {"plain": True}
    return Row(id="row:0", messages=messages, source=Source(file="x", line=1), **extra)


def said(row: Row) -> str:
    kept = {"messages", "rejected", "desirable", "plain", "tools"}
    return json.dumps(row.model_dump(include=kept, exclude_defaults=True), sort_keys=True)


def read_back(folder: Path, home: Path) -> list[Row]:
    home.mkdir()
    ctx = RunContext.in_folder(home)
    corpus = read_corpus([SourceSpec(path=str(folder))], ctx=ctx)
    found = list(read_rows(ctx.store.path(corpus.id, "rows.jsonl")))
    ctx.ledger.close()
    return found


@hypothesis_settings(max_examples=15)
@given(st.lists(rows(), min_size=1, max_size=4))
def test_what_leaves_as_a_llama_factory_folder_comes_back_as_it_was(tmp_path_factory, given_rows):
    folder = tmp_path_factory.mktemp("out")
    (folder / "lf").mkdir()
    counts = write_llama_factory(folder / "lf", {"train": lambda: given_rows}, name="bank")
    found = read_back(folder / "lf", folder / "home")
    assert sum(counts.values()) == len(given_rows)
    assert sorted(map(said, found)) == sorted(map(said, given_rows))


QUESTIONS = ["where is my card", "what does a transfer cost", "how do I close the account", "is the branch open"]


@pytest.mark.parametrize(
    ("record", "formatting", "columns"),
    [
        ({"text": "{}", "reply": "yes, {}"}, None, {"prompt", "query", "response", "system", "history"}),
        ({"text": "{}"}, None, {"prompt"}),
        ({"prompt": "{}", "chosen": "a", "rejected": "b"}, "sharegpt", {"messages", "tools", "chosen", "rejected"}),
        ({"prompt": "{}", "completion": "yes", "label": True}, "sharegpt", {"messages", "tools", "kto_tag"}),
    ],
    ids=["alpaca", "text", "preference", "kto"],
)
def test_each_kind_of_row_has_its_entry(write, make, room, tmp_path, record, formatting, columns):
    records = [{k: v.format(q) if isinstance(v, str) else v for k, v in record.items()} for q in QUESTIONS]
    made = make({"sources": [{"path": write("a.jsonl", records)}], "split": {"validation": 0, "test": 0}})
    counts = export(made.dataset, tmp_path / "bank", store=room.store)
    entry = json.loads((tmp_path / "bank" / "dataset_info.json").read_text())["bank_train"]
    assert counts == {"bank_train.jsonl": 4}
    assert (entry.get("formatting"), set(entry["columns"])) == (formatting, columns)


def test_a_turn_that_speaks_and_calls_has_a_list_of_calls_in_every_turn(tmp_path):
    call = {"type": "function", "function": {"name": "freeze", "arguments": "{}"}}
    asked, told = Message(role="user", content="lost"), Message(role="assistant", content="wait", tool_calls=(call,))
    row = Row(id="r", messages=(asked, told), source=Source(file="x", line=1), desirable=True)
    write_llama_factory(tmp_path, {"train": lambda: [row]}, name="a")
    record = json.loads((tmp_path / "a_train.jsonl").read_text())
    assert json.loads((tmp_path / "dataset_info.json").read_text())["a_train"]["formatting"] == "openai"
    assert [turn["tool_calls"] for turn in record["messages"]] == [[], [call]]


def test_a_preference_between_several_turns_is_refused_not_bent(tmp_path):
    asked, said = Message(role="user", content="lost"), Message(role="assistant", content="wait")
    row = Row(id="r", messages=(asked, said), rejected=(said, asked, said), source=Source(file="x", line=7))
    with pytest.raises(DataError) as caught:
        write_llama_factory(tmp_path, {"train": lambda: [row]}, name="a")
    assert (caught.value.code, caught.value.facts["where"]) == ("data.export_turns", "x:7")


def test_an_export_never_writes_over_what_is_there(write, make, room, tmp_path):
    records = [{"text": q, "reply": f"yes, {q}"} for q in QUESTIONS]
    made = make({"sources": [{"path": write("a.jsonl", records)}]})
    with pytest.raises(UsageError) as caught:
        export(made.dataset, tmp_path, store=room.store)
    assert caught.value.code == "data.export_exists"


TALK = [("user", "my card is gone"), ("assistant", "which one"), ("user", "debit"), ("assistant", "I have frozen it")]


def test_a_conversation_is_a_triple_for_each_answer():
    messages = tuple(Message(role=role, content=text) for role, text in TALK)
    row = Row(id="r", messages=messages, label="lost", source=Source(file="x", line=1), meta={"followup": "thanks"})
    found = [(len(t.context), t.response.content, t.followup, t.intent) for t in triples(row)]
    assert found == [(1, "which one", "debit", "lost"), (3, "I have frozen it", "thanks", "lost")]


@hypothesis_settings(max_examples=12)
@given(st.lists(EXCHANGES, min_size=1, max_size=3))
def test_triples_that_are_written_are_read_back(tmp_path_factory, exchanges):
    folder = tmp_path_factory.mktemp("triples")
    messages = tuple(message for exchange in exchanges for message in exchange)
    row = Row(id="r", messages=messages, source=Source(file="x", line=1))
    count = write_triples(folder / "a.jsonl", [row])
    source = SourceSpec.parse({"path": str(folder / "a.jsonl"), "format": "triples"})
    ctx = RunContext.in_folder(folder)
    corpus = read_corpus([source], ctx=ctx)
    found = list(read_rows(ctx.store.path(corpus.id, "rows.jsonl")))
    ctx.ledger.close()
    ends = [place + 1 for place, message in enumerate(messages) if message.role == "assistant"]
    assert count == len(found)
    assert [one.messages for one in found] == [messages[:end] for end in ends]
