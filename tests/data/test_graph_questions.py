"""Questions about a graph: true answers, negatives that may be denied, limits kept, the same rows for the same seed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.data.graph.closure import Closure
from seekloop.data.graph.model import Graph, Relation, Synonym, Term
from seekloop.data.graph.questions import Tally, questions
from seekloop.data.graph.spec import GraphSpec
from seekloop.data.graph.templates import load
from seekloop.system.errors import DataError


def graph_of(links, relations=()) -> Graph:
    """A graph of (subject, relation, object); every term is called after its id."""
    ids = dict.fromkeys(end for s, _, o in links for end in (s, o))
    return Graph.of(
        (Term(id=one, name=one, links=tuple((r, o) for s, r, o in links if s == one)) for one in ids), relations
    )


ANIMALS = [
    *(("dog", "is_a", "mammal"), ("cat", "is_a", "mammal"), ("trout", "is_a", "fish")),
    *(("mammal", "is_a", "animal"), ("fish", "is_a", "animal")),
    *(("dog", "eats", "bone"), ("cat", "eats", "mouse"), ("trout", "eats", "fly"), ("mouse", "is_a", "mammal")),
]


def asked(graph, *, seed=1, tally=None, **keys):
    spec = GraphSpec(path="g.obo", **keys)
    return list(questions(graph, spec, templates=load(spec.language), seed=seed, tally=tally))


def only(graph, kind, **keys):
    return [one for one in asked(graph, kinds=(kind,), max_per_term=None, **keys) if one.group == "dog"]


def test_a_relation_is_asked_forward_and_in_reverse():
    graph = graph_of(ANIMALS)
    assert only(graph, "forward")[0].answer == "dog is a kind of mammal."
    reverse = [one for one in asked(graph, kinds=("reverse",)) if one.group == "fish"]
    assert reverse[0].answer == "Kinds of fish: trout."
    assert reverse[0].meta["terms"] == ["fish", "trout"]


def test_two_hops_are_told_step_by_step():
    answers = {one.meta["relation"]: one.answer for one in only(graph_of(ANIMALS), "hops")}
    assert answers == {"is_a/is_a": "dog is a kind of mammal. mammal is a kind of animal."}


def test_yes_and_no_come_in_pairs_and_the_no_says_what_is_true():
    yes, no = only(graph_of(ANIMALS), "yes_no", relations=("eats",))
    assert yes.answer == "Yes. dog – eats: bone."
    assert no.answer == "No. dog – eats: bone."
    assert no.meta["terms"] == ["dog", "mouse"]
    assert no.meta["evidence"] == "sibling_fact"


def test_a_choice_has_one_right_option_and_says_which_it_is():
    one = only(graph_of(ANIMALS), "choice", relations=("eats",))[0]
    options = dict(line.split(". ") for line in one.prompt.splitlines()[1:])
    assert sorted(options.values()) == ["bone", "fly", "mouse"]
    assert one.answer == f"{next(key for key, name in options.items() if name == 'bone')}. bone"


def test_only_exact_synonyms_count_as_other_names():
    scopes = {"feline": "EXACT", "pet": "BROAD", "Cat": "EXACT"}
    term = Term(id="c", name="cat", synonyms=tuple(Synonym(text, scope) for text, scope in scopes.items()))
    assert asked(Graph.of([term]), kinds=("synonym",))[0].answer == "cat is also called feline."


def test_where_there_are_too_many_to_list_some_are_asked_for():
    graph = graph_of([(f"kind {n}", "is_a", "thing") for n in range(20)])
    one = next(one for one in asked(graph, kinds=("reverse",)) if one.group == "thing")
    assert "3" in one.prompt
    assert len(one.meta["terms"]) == 4


def test_chinese_templates_ask_in_chinese():
    one = only(graph_of(ANIMALS), "forward", language="zh", relations=("is_a",))[0]
    assert one.answer == "dog是mammal的一种。"
    assert one.meta["template"].startswith("zh/is_a.forward/")


@pytest.mark.parametrize(
    ("relation", "links", "fact"),
    [
        (Relation(id="r", name="r"), [("a", "is_a", "b"), ("b", "r", "c")], ("a", "c")),
        (Relation(id="r", name="r"), [("a", "r", "b"), ("b", "is_a", "c")], ("a", "c")),
        (Relation(id="r", name="r", transitive=True), [("a", "r", "b"), ("b", "r", "c")], ("a", "c")),
        (Relation(id="r", name="r", symmetric=True), [("a", "r", "b")], ("b", "a")),
        (Relation(id="r", name="r", inverse="s"), [("a", "s", "b")], ("b", "a")),
        (Relation(id="r", name="r", over=("s",)), [("a", "r", "b"), ("b", "s", "c")], ("a", "c")),
        (Relation(id="r", name="r", chains=(("s", "t"),)), [("a", "s", "b"), ("b", "t", "c")], ("a", "c")),
    ],
    ids=["inherited", "of what is above", "transitive", "symmetric", "inverse", "transitive over", "chain"],
)
def test_what_follows_from_the_graph_is_implied(relation, links, fact):
    assert fact[1] in Closure(graph_of(links, [relation])).implied(fact[0], "r")


def test_what_a_narrower_relation_links_the_wider_one_links():
    relations = [Relation(id="narrow", name="n", parents=("wide",)), Relation(id="wide", name="w")]
    assert Closure(graph_of([("a", "narrow", "b")], relations)).implied("a", "wide") == {"b"}


def test_a_cycle_of_classes_ends():
    graph = graph_of([("a", "is_a", "b"), ("b", "is_a", "a")])
    assert Closure(graph).ancestors("a") == {"a", "b"}


names = st.sampled_from("abcdefghij")
links = st.lists(st.tuples(names, st.sampled_from(["is_a", "is_a", "r", "s"]), names), min_size=3, max_size=30)
kinds = st.builds(Relation, id=st.just("r"), name=st.just("r"), transitive=st.booleans(), symmetric=st.booleans())


@given(links=links, relation=kinds, seed=st.integers(0, 9))
def test_no_negative_is_implied_by_the_graph(links, relation, seed):
    graph = graph_of(links, [relation])
    closure = Closure(graph)
    for one in asked(graph, seed=seed, kinds=("yes_no", "choice"), max_per_term=None):
        wrong = one.meta["terms"][1:] if one.meta.get("holds") is False else one.meta.get("distractors", [])
        true = set() if one.meta.get("holds") is False else set(one.meta["terms"][1:])
        implied = closure.implied(one.group, one.meta["relation"])
        assert implied.isdisjoint(wrong)
        assert true <= implied


@given(links=links, limit=st.integers(1, 9), most=st.integers(1, 40))
def test_limits_hold(links, limit, most):
    rows = asked(graph_of(links), max_per_term=limit, max_rows=most)
    assert len(rows) <= most
    assert max(Counter(one.group for one in rows).values(), default=0) <= limit


def test_under_a_limit_the_relations_take_turns():
    many = [(f"x{n}", "is_a", "thing") for n in range(30)] + [(f"x{n}", "likes", "tea") for n in range(5)]
    rows = asked(graph_of(many), kinds=("forward",), max_rows=10)
    assert Counter(one.meta["relation"] for one in rows) == {"is_a": 5, "likes": 5}


def test_the_seed_alone_decides_what_is_asked():
    graph = graph_of(ANIMALS)
    assert asked(graph, max_per_term=3) == asked(graph, max_per_term=3)
    assert asked(graph, max_per_term=3) != asked(graph, max_per_term=3, seed=2)


def test_what_cannot_be_asked_is_counted():
    tally = Tally()
    asked(graph_of([("a", "is_a", "b")]), kinds=("yes_no", "choice"), tally=tally)
    assert tally.skipped == {"no_negative": 1, "no_distractor": 1}


def test_own_templates_lie_over_ours(tmp_path: Path):
    path = tmp_path / "own.yaml"
    path.write_text(
        'relations: {eats: {statement: "{subject} eats {objects}.", forward: ["What does {subject} eat?"]}}'
    )
    spec = GraphSpec(path="g", kinds=("forward",), relations=("eats",))
    made = list(questions(graph_of(ANIMALS), spec, templates=load("en", path), seed=1))
    assert (made[0].prompt, made[0].answer) == ("What does dog eat?", "dog eats bone.")


@pytest.mark.parametrize(
    "text",
    [
        "relations: {eats: {foward: x}}",
        'definition: {answer: "{subject.__class__}"}',
        'yes: "{statement"',
        "no: [1]",
        "relations: {eats: text}",
        "wrong: {answer: x}",
    ],
)
def test_a_wrong_template_is_refused(tmp_path: Path, text):
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        load("en", path)
    assert caught.value.code == "graph.bad_template"
