"""Questions in nearly the same words: near is not enough where the answer could differ."""

import pytest

from seekloop.serve.cache.options import SemanticOptions
from seekloop.serve.cache.semantic import Questions
from seekloop.serve.cache.vectors import HashedPieces


def questions(**options):
    return Questions(SemanticOptions(**{"threshold": 0.6, **options}), embedder=HashedPieces())


def meets(known, asked, **options):
    table = questions(**options)
    table.add("k", known, scope="s")
    found = table.nearest(asked, scope="s")
    return found is not None and found.key == "k"


@pytest.mark.parametrize(
    ("known", "asked"),
    [
        ("Where is my new card?", "where is my new card"),
        ("How do I activate my card?", "Please, how do I activate my card?"),
        ("Why was my card payment declined?", "Why were my card payments declined?"),
        ("我的银行卡什么时候到？", "请问我的银行卡什么时候到"),
    ],
)
def test_the_same_question_in_nearly_the_same_words_meets(known, asked):
    assert meets(known, asked)


@pytest.mark.parametrize(
    ("known", "asked"),
    [
        ("Why was I charged 15 pounds?", "Why was I charged 51 pounds?"),
        ("What does card 4111-2222 cost?", "What does card 4111-2223 cost?"),
        ("Can I use my card abroad?", "Can't I use my card abroad?"),
        ("Is my transfer there?", "Is my transfer not there?"),
        ("我可以在国外用卡吗", "我不可以在国外用卡吗"),
        ("手续费是三元吗", "手续费是五元吗"),
        ("How do I activate my card?", "How do I deactivate my card?"),
        ("How long does a transfer to my account take?", "How long does a transfer from my account take?"),
        ("Change pounds to euros", "Change euros to pounds"),
        ("Where is my order A-17?", "Where is my order A-71?"),
    ],
)
def test_a_question_that_another_answer_would_be_right_for_does_not(known, asked):
    assert not meets(known, asked)


def test_numbers_and_negations_keep_questions_apart_without_the_rule_of_words_too():
    assert meets("How do I activate my new card?", "How can I activate my new card?", words=False)
    assert not meets("Is it there after 3 days?", "Is it there after 4 days?", words=False)
    assert not meets("It is there", "It is not there", words=False)


def test_questions_of_other_scopes_are_never_found():
    table = questions()
    table.add("k", "Where is my card?", scope="tenant a")
    assert table.nearest("Where is my card?", scope="tenant b") is None


def test_the_questions_asked_longest_ago_leave():
    table = questions(entries=2)
    for key, text in (("a", "first thing"), ("b", "second matter")):
        table.add(key, text, scope="s")
    assert table.nearest("first thing", scope="s").key == "a"
    table.add("c", "third problem", scope="s")
    assert table.nearest("second matter", scope="s") is None
    assert table.nearest("first thing", scope="s").key == "a"
    assert len(table) == 2


def test_the_threshold_is_the_least_similarity():
    table = questions(threshold=0.999)
    table.add("k", "Where is my new card?", scope="s")
    assert table.nearest("Where is my new cards?", scope="s") is None
    assert table.nearest("where is my new card", scope="s").similarity == pytest.approx(1.0)


def test_a_text_without_letters_meets_nothing():
    assert not meets("???", "!!!", threshold=0.01)
