"""Taxonomies: read in every form, checked, and found by any name people use."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.data.labels.taxonomy import Entry, Taxonomy, ancestors
from seekloop.data.labels.taxonomy_files import dump_taxonomy, read_taxonomy
from seekloop.system.errors import DataError

YAML = """
billing:
  description: {en: Money matters, zh: 账务}
  aliases: [账单]
  children:
    refund: [delay, partial]
    fee: {aliases: [手续费], description: What it costs}
card:
  lost: 卡片丢失
"""
JSON = json.dumps(
    [
        {"name": "billing", "description": {"en": "Money matters", "zh": "账务"}, "aliases": ["账单"]},
        {"name": "refund", "parent": "billing", "children": ["delay", "partial"]},
        {"name": "billing/fee", "aliases": "手续费", "description": "What it costs"},
        {"name": "card/lost", "description_zh": "卡片丢失"},
    ]
)
CSV = """name,parent,aliases,description_en,description_zh
delay,refund,,,
billing,,账单,Money matters,账务
refund,billing,,,
partial,billing/refund,,,
fee,billing,手续费,What it costs,
card/lost,,,,卡片丢失
"""
INDENTED = """# classes of the bank
billing = 账单  # Money matters
  refund
    delay
    partial
  fee = 手续费  # What it costs
card
  lost  # 卡片丢失
"""
PATHS = {"billing", "billing/refund", "billing/refund/delay", "billing/refund/partial", "billing/fee", "card"}


@pytest.mark.parametrize(("name", "text"), [("t.yaml", YAML), ("t.json", JSON), ("t.csv", CSV), ("t.txt", INDENTED)])
def test_every_form_of_a_taxonomy_says_the_same(tmp_path, name, text):
    (tmp_path / name).write_text(text, "utf-8")
    tree = read_taxonomy(tmp_path / name)
    about = {label.path: label for label in tree.labels}
    assert set(tree.paths) == PATHS | {"card/lost"}
    assert about["billing/fee"].aliases == ("手续费",)
    assert about["billing/fee"].description == {"en": "What it costs"}
    assert about["card/lost"].description == {"zh": "卡片丢失"}
    assert tree.depth == 3 and len(tree.leaves) == 4


@pytest.mark.parametrize(
    ("text", "path"),
    [("billing/refund", "billing/refund"), ("手续费", "billing/fee"), ("DELAY", "billing/refund/delay"), ("x", None)],
)
def test_a_class_is_found_by_path_alias_and_unique_name(tmp_path, text, path):
    (tmp_path / "t.txt").write_text(INDENTED, "utf-8")
    assert read_taxonomy(tmp_path / "t.txt").find(text) == path


def test_a_name_that_two_classes_share_finds_none_of_them():
    assert Taxonomy.flat(["billing/other", "card/other"]).find("other") is None


@pytest.mark.parametrize(
    ("lines", "code", "where"),
    [
        ("a,b\nb,c\nc,a", "labels.cycle", "t.csv:2"),
        ("a,\na,", "labels.duplicate", "t.csv:3"),
        ("billing,\nfee,biling", "labels.no_parent", "t.csv:3"),
        ("a; b,", "labels.bad_name", "t.csv:2"),
    ],
)
def test_a_fault_is_named_with_its_line(tmp_path, lines, code, where):
    (tmp_path / "t.csv").write_text(f"name,parent\n{lines}\n", "utf-8")
    with pytest.raises(DataError) as caught:
        read_taxonomy(tmp_path / "t.csv", shown="t.csv")
    assert (caught.value.code, caught.value.facts["where"]) == (code, where)


def test_a_mistyped_parent_is_answered_with_the_likely_one(tmp_path):
    (tmp_path / "t.csv").write_text("name,parent\nbilling,\nfee,biling\n", "utf-8")
    with pytest.raises(DataError, match="did you mean billing"):
        read_taxonomy(tmp_path / "t.csv")


def test_an_alias_of_two_classes_is_refused():
    entries = [Entry(name="a", aliases=("x",)), Entry(name="b", aliases=("X",))]
    with pytest.raises(DataError) as caught:
        Taxonomy.of(entries)
    assert (caught.value.code, caught.value.facts["second"]) == ("labels.alias_twice", "b")


NAMES = st.text("abc账单 ", min_size=1, max_size=4).filter(lambda name: name.strip())
PATH_LISTS = st.lists(st.lists(NAMES, min_size=1, max_size=3).map("/".join), min_size=1, max_size=8)


@given(paths=PATH_LISTS)
def test_a_taxonomy_comes_back_from_its_records(tmp_path_factory, paths):
    once = {"/".join(" ".join(part.split()) for part in path.split("/")): path for path in paths}
    tree = Taxonomy.flat(once.values())
    file = tmp_path_factory.mktemp("tree") / "t.json"
    file.write_text(json.dumps(dump_taxonomy(tree)), "utf-8")
    assert read_taxonomy(file) == tree
    assert all(set(ancestors(path)) <= set(tree.paths) for path in tree.paths)
