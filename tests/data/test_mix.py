"""Mixing by temperature: exact counts, capped copies, every row accounted for."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.data.mix import allocate
from tests.data.test_synthesise import said_anew

counts = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(1, 500), min_size=1, max_size=8)


@given(counts=counts, temperature=st.floats(1, 100), rows=st.integers(0, 5_000), most=st.integers(1, 5))
def test_the_sum_is_exact_unless_every_row_is_repeated_as_often_as_it_may_be(counts, temperature, rows, most):
    quotas = allocate(counts, temperature=temperature, rows=rows, max_copies=most)
    assert sum(quotas.values()) == min(rows, most * sum(counts.values()))
    assert all(quota <= most * counts[name] for name, quota in quotas.items())


@given(counts=counts)
def test_a_temperature_of_one_changes_nothing(counts):
    assert allocate(counts, temperature=1.0, rows=sum(counts.values()), max_copies=4) == counts


@given(counts=counts, low=st.floats(1, 5), more=st.floats(0.1, 50))
def test_a_higher_temperature_gives_the_smallest_no_less(counts, low, more):
    total, smallest = sum(counts.values()), min(counts, key=lambda name: (counts[name], name))
    quotas = [allocate(counts, temperature=t, rows=total, max_copies=10**6)[smallest] for t in (low, low + more)]
    assert quotas[1] >= quotas[0] - 1  # the largest remainder may take one row back


def test_shares_are_those_of_the_formula():
    quotas = allocate({"en": 8_000, "zh": 1_000}, temperature=3.0, rows=3_000, max_copies=9)
    assert quotas == {"en": 2_000, "zh": 1_000}  # the cube roots are 20 and 10


def test_what_a_capped_bucket_may_not_take_goes_to_the_others():
    assert allocate({"a": 10, "b": 1_000}, temperature=1e9, rows=600, max_copies=2) == {"a": 20, "b": 580}


@pytest.fixture
def bilingual(write):
    """A source of 40 English and 10 Chinese rows, all different."""
    zh = "额度账单还款利率分期退款冻结密码挂失转账存款贷款"
    rows = [{"text": " ".join(said_anew([n], 1)), "intent": "x"} for n in range(40)]
    rows += [
        {"text": "".join(zh[(n * step + 3 * n) % 24] for step in (1, 5, 7, 11)) + f"{n}号", "intent": "x"}
        for n in range(10)
    ]
    return {"sources": [{"path": write("rows.jsonl", rows)}], "compose": {"answer": "label"}, "split": {"test": 0.2}}


def languages(rows) -> Counter[str]:
    return Counter("zh" if any("\u4e00" <= c <= "\u9fff" for c in row.messages[0].content) else "en" for row in rows)


def test_only_train_is_mixed_and_copies_are_counted_apart(make, bilingual):
    plain, made = make(bilingual), make({**bilingual, "mix": {"temperature": 1000, "rows": 40, "max_copies": 9}})
    assert languages(made.rows["train"]) == {"en": 20, "zh": 20}
    assert made.rows["test"] == plain.rows["test"]
    dataset = made.dataset
    copies = [row for row in made.rows["train"] if "mixed_from" in row.meta]
    assert dataset.added == {"mix": len(copies)}
    assert dataset.dropped["mix_left_out"] == languages(plain.rows["train"])["en"] - 20
    assert dataset.rows + len(copies) == sum(dataset.splits.values()) + sum(dataset.dropped.values())


def test_a_copy_names_its_row_and_has_an_id_of_its_own(make, bilingual):
    rows = make({**bilingual, "mix": {"temperature": 1000, "max_copies": 9}}).rows["train"]
    ids = [row.id for row in rows]
    assert len(set(ids)) == len(ids)
    assert {row.meta["mixed_from"] for row in rows if "mixed_from" in row.meta} <= set(ids)


def test_the_mix_is_reported_and_said(make, bilingual, room, said):
    made = make({**bilingual, "mix": {"by": "language", "temperature": 2, "rows": 30}})
    report = json.loads(room.store.path(made.dataset.id, "mix.json").read_text("utf-8"))
    assert sum(bucket["mixed"] for bucket in report["buckets"].values()) == 30
    assert any(line.startswith("mixed by language, temperature 2: en ") for line in said.lines)


def test_the_same_seed_mixes_the_same(make, bilingual):
    spec = {**bilingual, "mix": {"temperature": 4, "rows": 35}}
    assert make(spec).dataset.id == make(spec).dataset.id


def test_a_source_is_its_name_and_a_file_only_where_it_has_none(make, write, room):
    parts = {
        "crm-1.jsonl": (range(20), {"name": "crm"}),
        "crm-2.jsonl": (range(20, 40), {"name": "crm"}),
        "web.jsonl": (range(40, 60), {}),
    }
    sources = []
    for file, (numbers, keys) in parts.items():
        rows = [{"text": " ".join(said_anew([n], 1)), "intent": "x"} for n in numbers]
        sources.append({"path": write(file, rows), **keys})
    spec = {"sources": sources, "compose": {"answer": "label"}, "dedupe": {"near": False}}
    buckets = {}
    for by in ("source", "file"):
        made = make({**spec, "mix": {"by": by}})
        buckets[by] = set(json.loads(room.store.path(made.dataset.id, "mix.json").read_text("utf-8"))["buckets"])
    assert buckets == {"source": {"crm", "web.jsonl"}, "file": set(parts)}
