"""Rules over text: what a pattern finds, what disguises it sees through, and that no text and no pattern is slow."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekloop.text.rules import Machine, PatternProblem, Scan, parse


def found(pattern: str, text: str, **how: object) -> bool:
    return bool(Machine([parse(pattern, **how)]).found(text))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "how to make a bomb",
        "HOW TO MAKE A BOMB",
        "ｈｏｗ　ｔｏ ｍａｋｅ ａ ｂｏｍｂ",
        "how to m\u200bake a bo\u00admb",
        "how to make a b o m b",
        "how to m.a.k.e a b-o-m-b",
        "h0w t0 m4ke a b0mb",
        "how to mаke a bоmb",  # Cyrillic а and о
        "hów to mäke a bômb",
        "𝐡𝐨𝐰 𝐭𝐨 𝐦𝐚𝐤𝐞 𝐚 𝐛𝐨𝐦𝐛",
        "how to make a 🇧🇴🇲🇧",
        "how to make a " + "".join(chr(0xE0000 + ord(c)) for c in "bomb"),
    ],
)
def test_disguises_of_latin_words_are_seen_through(text: str) -> None:
    assert found("how to make a bomb", text)


@pytest.mark.parametrize("text", ["制造炸弹", "製造炸彈", "制 造 炸 弹", "制*造-炸.弹", "制\u200b造炸弹"])
def test_disguises_of_chinese_words_are_seen_through(text: str) -> None:
    assert found("制造炸弹", text)


@pytest.mark.parametrize("text", ["skills", "kil", "skill set", "he kills"])
def test_a_word_is_no_part_of_another(text: str) -> None:
    assert not found("kill", text)


def test_digits_alone_are_no_word() -> None:
    assert not found("ass", "flight 455 to Boston") and found("ass", "a55")


def test_a_gap_stays_within_its_length_and_its_sentence() -> None:
    assert found("make ... bomb", "make me a big bomb")
    assert not found("make ... bomb", "make tea. Is it a question? a bomb", gap=5)
    assert not found("怎么...炸弹", "怎么样？我看到炸弹新闻")


@pytest.mark.parametrize(
    "pattern", ["a*", "a+", "(a", "a)", "[a", "^a", "a$", r"\1", "(?=a)", "a{3,2}", "a{9999}", "", "a?", "a{2", "{2}"]
)
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(PatternProblem):
        parse(pattern)


def test_a_pattern_that_would_be_catastrophic_elsewhere_takes_linear_time() -> None:
    machine = Machine([parse("((a|a|aa){1,20}){1,10}b", exact=True), parse("(.{0,30}a){0,5}.{0,30}c x", exact=True)])
    assert not machine.found("a" * 20_000)  # backtracking would not end


_atoms = st.sampled_from(["a", "b", "[ab]", "(a|bc)", "(ab|a)", "c", "[^a]"])
_patterns = st.lists(st.tuples(_atoms, st.sampled_from(["", "?", "{0,2}", "{1,3}"])), min_size=1, max_size=5).map(
    lambda parts: "".join(atom + times for atom, times in parts)
)


@settings(max_examples=150, deadline=None)
@given(pattern=_patterns, text=st.text("abc", max_size=12))
def test_exact_patterns_find_what_regular_expressions_find(pattern: str, text: str) -> None:
    try:
        machine = Machine([parse(pattern, exact=True)])
    except PatternProblem:
        return
    edge = rf"(?<![a-z0-9])(?:{pattern})(?![a-z0-9])"
    assert bool(machine.found(text)) == bool(re.search(edge, text))


@settings(max_examples=100, deadline=None)
@given(text=st.text("ab cé炸1.\u200b", max_size=20))
def test_a_scan_finds_what_the_whole_text_holds_and_where(text: str) -> None:
    machine = Machine([parse("ab"), parse("c ... a"), parse("炸")])
    scan = Scan(machine)
    ends = [one for character in text for one in scan.feed(character)] + scan.finish()
    assert {one.rule for one in ends} == machine.found(text)
    for one in ends:
        assert one.rule in machine.found(text[one.start : one.end])


@settings(max_examples=200, deadline=None)
@given(text=st.text("ab cé炸1.\u200b", max_size=20), cut=st.integers(0, 20))
def test_a_scan_that_skips_finds_the_same_at_the_same_places(text: str, cut: int) -> None:
    machine = Machine([parse("ab"), parse("c ... a"), parse("炸")])
    slow, fast = Scan(machine), Scan(machine)
    for piece in (text[:cut], text[cut:]):
        wanted = [one for character in piece for one in slow.feed(character)]
        found, at = [], 0
        while (at := fast.skip(piece, at)) < len(piece):
            found += fast.feed(piece[at])
            at += 1
        assert (found, fast.open_from) == (wanted, slow.open_from)
    assert fast.finish() == slow.finish()


def test_a_machine_that_forgets_finds_the_same_and_holds_on_to_nothing() -> None:
    patterns = [parse(one) for one in ("make ... bomb", "制造...炸弹", "(a|b) b")]
    forgetful, other = Machine(patterns, most=10), Machine(patterns)
    drawn = random.Random(1)
    texts = ["".join(drawn.choices("make bomb制造炸弹 .", k=30)) for _ in range(200)]
    assert [forgetful.found(text) for text in texts] == [other.found(text) for text in texts]
    reached, waiting = {id(forgetful.start)}, [forgetful.start]
    while waiting:
        new = [state for state in waiting.pop().values() if id(state) not in reached]
        reached |= set(map(id, new))
        waiting += new
    assert len(reached) <= 10
