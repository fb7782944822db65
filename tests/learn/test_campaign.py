"""Many accounts that give a little each: their lies are found one by one, and what is new is not taken for a lie."""

from __future__ import annotations

import random

import pytest

from seekloop.artifact.rows import Message, Row, Source
from seekloop.learn.findings import Finding
from seekloop.learn.judging import judge
from seekloop.learn.outliers import screened
from seekloop.learn.reference import Reference
from seekloop.learn.traffic import read_window
from seekloop.learn.trust_spec import TrustSpec
from tests.learn.conftest import answer, feedback

SAID = {
    "en": {
        "lost": "my card was lost or stolen somewhere in town",
        "fee": "charged a fee that is not right",
        "pin": "forgot the code of my account and cannot log in",
        "loan": "how much may I borrow for a new house",
    },
    "zh": {
        "lost": "信用卡丢了怎么挂失",
        "fee": "手续费扣错了请退款",
        "pin": "密码忘记了登录不上账户",
        "loan": "买房最多可以贷款多少钱",
    },
}
SOURCE = Source(file="t", line=1)
KNOWN = ("lost", "fee", "pin")
LABELS = (*KNOWN, "loan")


def known(language, count=60, *, labels=None):
    """Rows of the three labels that the model was taught; `labels` in the place of the right ones."""
    for number in range(count):
        for at, label in enumerate(KNOWN):
            turns = (Message(role="user", content=f"{SAID[language][label]} {number}"),)
            given = label if labels is None else labels[(3 * number + at) % len(labels)]
            yield Row(id=f"row:{label}{number}", messages=turns, label=given, source=SOURCE)


def told(place, said, language):
    """One finding for each (what it is about, label), each of another user."""
    answers, given = [], []
    for number, (about, label) in enumerate(said):
        ask = [{"role": "user", "content": f"{SAID[language][about]} {number}"}]
        answers.append(answer(number, "other", messages=ask))
        given.append(feedback(number, label=label, caller="app", user=f"u{number}"))
    return findings(place.traffic(answers, given), place)


def findings(traffic, place):
    window = read_window(traffic, store=place.ctx.store)
    return [
        Finding(
            heard=one, judgement=judge(one.answer.content, one.feedback, form="label", labels=LABELS, bad_score=0.5)
        )
        for one in window.heard
    ]


@pytest.mark.parametrize("language", SAID)
def test_a_campaign_is_no_witness_for_itself_against_what_is_known(production, language):
    said = [*[("lost", "fee")] * 90, *[("pin", "pin")] * 10]
    found = told(production("label"), said, language)
    reasons = [
        one.dropped for one in screened(found, TrustSpec(), known=lambda: known(language), labels=KNOWN, form="label")
    ]
    assert reasons == ["implausible"] * 90 + [None] * 10


@pytest.mark.parametrize("language", SAID)
def test_a_label_that_is_new_is_believed_where_others_say_it_too(production, language):
    said = [("loan", "loan")] * 20
    found = told(production("label"), said, language)
    got = screened(found, TrustSpec(), known=lambda: known(language), labels=KNOWN, form="label")
    assert {one.dropped for one in got} == {None}


def test_known_rows_that_say_little_do_not_make_every_label_plausible(production):
    asked = {f"label{at}": "please " + " ".join(f"word{at}{letter}" for letter in "abcdef") for at in range(20)}
    rows = [(text, label) for label, text in asked.items() for _ in range(20)]
    rows += [("please", label) for label in asked]  # any label is about as likely as any other
    taught = [
        Row(id=f"row:{at}", messages=(Message(role="user", content=text),), label=label, source=SOURCE)
        for at, (text, label) in enumerate(rows)
    ]
    ask = [[{"role": "user", "content": asked[f"label{at}"]}] for at in range(20)]
    answers = [answer(at, "other", messages=one) for at, one in enumerate(ask)]
    lies = [feedback(at, label=f"label{(at + 7) % 20}", caller="app", user=f"u{at}") for at in range(20)]
    place = production("label")
    found = findings(place.traffic(answers, lies), place)
    got = screened(found, TrustSpec(), known=lambda: taught, labels=asked, form="label")
    assert {one.dropped for one in got} == {"implausible"}


def test_known_rows_that_tell_nothing_set_nobody_aside(production):
    drawn = random.Random(3)
    labels = [drawn.choice(KNOWN) for _ in range(180)]
    found = told(production("label"), [("lost", "fee")] * 30, "en")
    got = screened(found, TrustSpec(), known=lambda: known("en", labels=labels), labels=KNOWN, form="label")
    assert {one.dropped for one in got} == {None}


def test_what_was_left_out_of_the_counts_is_in_them_again():
    reference = Reference(["a b c"], labels=["x", "y"])
    for text, label in (("a b", "x"), ("b c", "y"), ("c d", "y")):
        reference.add(text, label)
    before = reference.fits([("a b c", "x")], without=[])
    reference.fits([("a b", "x")], without=[("a b", "x")])
    assert reference.fits([("a b c", "x")], without=[]) == before
