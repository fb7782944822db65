"""The invariant of design/safety.md: a stream ends as the whole answer does, in verdict and text, however it is cut."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekloop.model.codec import Delta
from seekloop.serve.safety.guard import Guard
from seekloop.serve.safety.judge import Judge
from seekloop.serve.safety.options import ClassifierOptions
from seekloop.serve.safety.policy import Policies, PolicySpec, load
from seekloop.text.pii import mask
from seekloop.text.rules import parse

PATTERNS = ["bad word", "炸弹", "a b", "x ... y", "[0-9]{3,5}", "(ab|abc)c?", "毒...药", "b{1,3}"]
PIECES = ["bad", " word", "炸", "弹", "\u200b", "a", "b", "c", "x", "y ", "12", "345", ". ", "。", "\n", "ö"]
PIECES += ["[", "PHONE_1", "]", "13812345678", "毒 ", "药"]


def policies(*rules: tuple[str, str]) -> Policies:
    """Rules of a pattern and an action each."""
    facts = [
        {
            "id": f"r{number}",
            "category": f"c{number}",
            "action": action,
            "any": [pattern],
            "where": ["answer"],
            "gap": 4,
        }
        for number, (pattern, action) in enumerate(rules)
    ]
    spec = PolicySpec.parse({"name": "test", "version": 1, "rules": facts})
    return Policies([spec], {rule.id: [parse(rule.any[0], gap=4)] for rule in spec.rules})


def through(guard: Guard, deltas: Sequence[Delta], calls: Sequence[dict[str, Any]] = ()) -> tuple[Any, ...]:
    """Everything that comes of an answer: texts, calls, verdict, rules, and what the ledger keeps."""

    async def run() -> tuple[str, str, tuple[Any, ...]]:
        out = []
        for delta in deltas:
            out.append(await guard.push(delta))
            if guard.blocked is not None:
                break
        else:
            out.append(await guard.finish(calls))
        content, reasoning = "".join(d.content for d in out), "".join(d.reasoning for d in out)
        return content, reasoning, out[-1].tool_calls

    blocked = lambda: guard.blocked.id if guard.blocked else None  # noqa: E731
    return (*asyncio.run(run()), blocked(), list(guard.hits), guard.content, guard.reasoning)


def cut(text: str, places: Sequence[int]) -> list[str]:
    """`text` in pieces."""
    cuts = sorted({min(place, len(text)) for place in places} | {0, len(text)})
    return [text[start:end] for start, end in itertools.pairwise(cuts)]


@settings(max_examples=400, deadline=None)
@given(
    content=st.lists(st.sampled_from(PIECES), max_size=25).map("".join),
    reasoning=st.lists(st.sampled_from(PIECES), max_size=10).map("".join),
    rules=st.lists(
        st.tuples(st.sampled_from(PATTERNS), st.sampled_from(["block", "redact", "flag"])), min_size=1, max_size=4
    ),
    places=st.lists(st.integers(0, 120), max_size=30),
    personal=st.booleans(),
    restore=st.booleans(),
    judging=st.booleans(),
)
def test_a_stream_ends_as_the_whole_answer_does(
    content: str,
    reasoning: str,
    rules: list[tuple[str, str]],
    places: list[int],
    personal: bool,
    restore: bool,
    judging: bool,
) -> None:
    chosen = policies(*rules)
    judge = (
        Judge(lambda text: {"unsafe": float("毒" in text)}, ClassifierOptions(deadline_ms=60_000)) if judging else None
    )

    def guard() -> Guard:
        return Guard(
            policies=chosen,
            enforce=True,
            judge=judge,
            mask=(lambda text: mask(text)[0]) if personal else None,
            values={"[PHONE_1]": "+86 139 0000 1111"} if restore else {},
        )

    whole = through(guard(), [Delta(reasoning=reasoning), Delta(content=content)])
    pieces = [Delta(reasoning=part) for part in cut(reasoning, places)]
    pieces += [Delta(content=part) for part in cut(content, places)]
    assert through(guard(), pieces) == whole
    letters = [*(Delta(reasoning=one) for one in reasoning), *(Delta(content=one) for one in content)]
    assert through(guard(), letters) == whole


@settings(max_examples=200, deadline=None)
@given(
    text=st.lists(st.sampled_from(PIECES), max_size=25).map("".join),
    pattern=st.sampled_from(PATTERNS),
    places=st.lists(st.integers(0, 120), max_size=30),
)
def test_nothing_that_a_blocking_rule_matches_gets_out(text: str, pattern: str, places: list[int]) -> None:
    chosen = policies((pattern, "block"))
    guard = Guard(policies=chosen, enforce=True, judge=None, mask=None, values={})
    said = through(guard, [Delta(content=part) for part in cut(text, places)])[0]
    assert text.startswith(said)
    if guard.blocked is None:
        assert said == text
    else:
        assert not chosen.machine("answer").found(said + "\n")


@pytest.mark.parametrize("cut_at", [1, 2, 3, 7, 100])
def test_overlapping_redactions_become_one(cut_at: int) -> None:
    guard = Guard(
        policies=policies(("bad word", "redact"), ("word for", "redact")),
        enforce=True,
        judge=None,
        mask=None,
        values={},
    )
    text = "a bad word for you"
    pieces = [Delta(content=text[at : at + cut_at]) for at in range(0, len(text), cut_at)]
    assert through(guard, pieces)[0] == "a [C0] you"


def test_watching_changes_nothing_and_notes_all() -> None:
    guard = Guard(policies=policies(("bad word", "block")), enforce=False, judge=None, mask=None, values={})
    assert through(guard, [Delta(content="a bad word!")])[0] == "a bad word!"
    assert list(guard.hits) == ["r0"] and not guard.changed


def test_arguments_of_tool_calls_are_read_behind_their_escapes() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "say", "arguments": '{"text": "\\u70b8\\u5f39"}'}}
    guard = Guard(policies=policies(("炸弹", "block")), enforce=True, judge=None, mask=None, values={})
    _, _, calls, blocked, *_ = through(guard, [], [call])
    assert calls == () and blocked == "r0"


def test_secrets_in_arguments_are_masked_as_in_text() -> None:
    key = "sk-" + "a1" * 15
    call = {"id": "c", "type": "function", "function": {"name": "say", "arguments": f'{{"key": ["{key}", 1]}}'}}
    guard = Guard(policies=load(), enforce=True, judge=None, mask=None, values={})
    content, _, calls, *_ = through(guard, [Delta(content=f"It is {key}.")], [call])
    assert content == "It is [SECRET]." and calls[0]["function"]["arguments"] == '{"key": ["[SECRET]", 1]}'


@pytest.mark.parametrize(("fails", "said"), [("open", "Fine. "), ("closed", "")])
def test_a_classifier_that_fails_lets_through_or_stops_as_it_is_told(fails: str, said: str) -> None:
    def broken(text: str) -> dict[str, float]:
        raise RuntimeError(text)

    judge = Judge(broken, ClassifierOptions.parse({"fails": fails}))
    guard = Guard(policies=None, enforce=True, judge=judge, mask=None, values={})
    assert through(guard, [Delta(content="Fine. ")])[0] == said
    assert judge.counts["failed"] == 1


def test_a_classifier_that_is_late_counts_as_failed() -> None:
    never = threading.Event()
    judge = Judge(lambda _: {"unsafe": float(never.wait(5))}, ClassifierOptions(deadline_ms=10))
    guard = Guard(policies=None, enforce=True, judge=judge, mask=None, values={})
    blocked = through(guard, [Delta(content="Fine. ")])[3]
    never.set()
    assert blocked == "classifier:late" and judge.counts["late"] == 1
