"""The key: whatever may change an answer changes it, and nothing else does."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.runtime.generate.backend import Prompt
from seekloop.serve.cache.key import key_of
from seekloop.serve.caller import Caller
from seekloop.serve.reply import Order

ASIDE = frozenset({"caller", "messages", "stream", "asked_at", "tools", "repeatable", "stop_ids"})
PROMPT = Prompt(ids=(1, 2, 3), stop_ids=frozenset({9, 4}), max_tokens=5, temperature=0.5, top_p=0.9, seed=3, top=2)
ORDER = Order(caller=Caller(name="ann"), messages=[], prompt=PROMPT, stops=("a", "b"), stream=False, asked_at=1.0)


def key(order=ORDER, *, tenant="t", release="r"):
    return key_of(order, tenant=tenant, release=release, aside=ASIDE)


def prompted(**changes):
    return dataclasses.replace(ORDER, prompt=dataclasses.replace(PROMPT, **changes))


OTHERS = [
    prompted(ids=(1, 2, 4)),
    prompted(ids=(1, 2)),
    prompted(max_tokens=6),
    prompted(temperature=0.0),
    prompted(top_p=1.0),
    prompted(seed=4),
    prompted(top=None),
    prompted(top=0),
    dataclasses.replace(ORDER, stops=("ab",)),
    dataclasses.replace(ORDER, stops=("b", "a")),
    dataclasses.replace(ORDER, raw=True),
    dataclasses.replace(ORDER, reads=True),
]


def test_everything_that_may_change_an_answer_changes_the_key():
    keys = [key(), key(tenant="u"), key(release="s"), key(tenant="tr", release=""), *map(key, OTHERS)]
    assert len(set(keys)) == len(keys)


def test_who_asks_and_how_it_is_sent_do_not():
    same = dataclasses.replace(ORDER, caller=Caller(name="bob"), stream=True, asked_at=2.0, repeatable=True)
    assert key(same) == key()


def test_a_field_that_is_added_to_an_order_is_part_of_the_key():
    grown = dataclasses.make_dataclass("Grown", [("mood", str)], bases=(Prompt,), frozen=True, kw_only=True)
    fields = {field.name: vars(PROMPT)[field.name] for field in dataclasses.fields(PROMPT)}
    one, two = (dataclasses.replace(ORDER, prompt=grown(**fields, mood=text)) for text in ("kind", "stern"))
    assert key(one) != key(two)


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_no_two_lists_of_stops_have_one_key(one, two):
    keys = {key(dataclasses.replace(ORDER, stops=tuple(stops))) for stops in (one, two)}
    assert (len(keys) == 1) == (one == two)


@pytest.mark.parametrize("value", [{"a": 1, "b": 2}, {"b": 2, "a": 1}])
def test_a_mapping_has_one_key_in_every_order(value):
    assert key(dataclasses.replace(ORDER, stops=value)) == key(dataclasses.replace(ORDER, stops={"b": 2, "a": 1}))
