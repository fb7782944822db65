from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.echo import EchoBackend

IDS = st.lists(st.integers(0, 50), min_size=1, max_size=20).map(tuple)


def said(prompt, replies=None):
    with EchoBackend(replies) as backend:
        ((_, answer),) = backend.generate([prompt])
    return answer.ids, answer.finish_reason


def test_an_unknown_prompt_is_answered_with_its_own_end():
    assert said(Prompt(ids=tuple(range(20)), stop_ids=frozenset({19}))) == (tuple(range(11, 19)), "stop")


def test_a_scripted_prompt_is_answered_as_scripted():
    assert said(Prompt(ids=(1, 2), stop_ids=frozenset()), {(1, 2): (7, 8, 9)}) == ((7, 8, 9), "stop")


def test_a_script_ends_at_a_stop_id():
    assert said(Prompt(ids=(1,), stop_ids=frozenset({8})), {(1,): (7, 8, 9)}) == ((7,), "stop")


@given(IDS, IDS, st.integers(1, 10))
def test_an_answer_is_never_longer_than_asked(ids, reply, limit):
    answer, reason = said(Prompt(ids=ids, stop_ids=frozenset(), max_tokens=limit), {ids: reply})
    assert answer == reply[:limit]
    assert reason == ("length" if len(reply) >= limit else "stop")


@given(IDS)
def test_the_same_prompt_is_always_answered_the_same(ids):
    prompt = Prompt(ids=ids, stop_ids=frozenset({3}))
    assert said(prompt) == said(prompt)
