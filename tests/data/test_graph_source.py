"""A graph, and a corpus made before, as sources of the data stage."""

from __future__ import annotations

import pytest

from seekloop.artifact.kinds import Corpus
from seekloop.artifact.rows import read_rows
from seekloop.data.read import read_corpus
from seekloop.data.sources import SourceSpec
from seekloop.data.spec import DataSpec
from seekloop.system.errors import DataError, UsageError

TRIPLES = "".join(f"item {n},is_a,group {n % 5}\ngroup {n % 5},is_a,thing\n" for n in range(40))


def test_each_row_cites_its_terms_and_stands_in_its_terms_group(write, room):
    source = SourceSpec.parse({"graph": {"path": write("g.csv", TRIPLES), "kinds": ["forward"]}})
    corpus = read_corpus([source], ctx=room)
    row = next(iter(read_rows(room.store.path(corpus.id, "rows.jsonl"))))
    assert row.messages[-1].content == "item 0 is a kind of group 0."
    assert row.meta["group"] == "graph:item 0"
    assert row.meta["graph"]["terms"] == ["item 0", "group 0"]
    assert row.meta["graph"]["file"] == row.source.file == "g.csv"


def test_no_term_stands_in_two_splits(write, make):
    made = make({"sources": [{"graph": {"path": write("g.csv", TRIPLES)}}]})
    places = {(row.meta["group"], split) for split in ("train", "validation", "test") for row in made.rows[split]}
    assert len(places) == len({group for group, _ in places}) == 46


def test_the_counts_by_relation_are_said(write, make, said):
    make({"sources": [{"graph": {"path": write("g.csv", TRIPLES), "kinds": ["forward", "reverse"]}}]})
    assert said.lines[0] == "g.csv: triples, 46 terms, 45 links (is_a)"
    assert "g.csv: 51 rows (forward 45, reverse 6) by relation: is_a 51" in said.lines


@pytest.mark.parametrize(
    ("text", "keys", "code"),
    [
        ("x\n", {"path": "g.obo"}, "graph.bad_line"),
        ("[Term]\nid: a\n", {"path": "g.obo"}, "graph.no_questions"),
        (TRIPLES, {"path": "g.csv", "relations": ["eats"]}, "graph.no_relation"),
        ("\n", {"path": "g.csv"}, "graph.no_terms"),
    ],
)
def test_a_graph_that_cannot_be_asked_is_refused(write, room, text, keys, code):
    write(keys["path"], text)
    with pytest.raises(DataError) as caught:
        read_corpus([SourceSpec.parse({"graph": keys})], ctx=room)
    assert caught.value.code == code


def test_rows_of_a_corpus_come_with_their_ids_and_it_is_a_parent(write, room):
    write("a.jsonl", [{"text": "a b", "intent": "x"}, {"text": "c d", "intent": "y"}])
    first = read_corpus([SourceSpec(path="a.jsonl")], ctx=room)
    second = read_corpus([SourceSpec(corpus=first.id)], ctx=room)
    rows = [list(read_rows(room.store.path(one.id, "rows.jsonl"))) for one in (first, second)]
    assert rows[0] == rows[1]
    assert room.store.open(second.id, Corpus).parents == {"source1": first.id}


def test_a_source_is_of_one_kind():
    with pytest.raises(UsageError) as caught:
        DataSpec.parse({"sources": [{"path": "a", "graph": {"path": "b"}}]})
    assert "given: path, graph" in caught.value.sentence("en")
