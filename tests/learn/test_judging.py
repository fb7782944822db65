"""What feedback says about an answer, for each form of answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.artifact.ledger import Feedback
from seekloop.learn.judging import judge

LABELS = ("card_lost", "wrong_fee")
SERVED = {"text": "We block it.", "label": "card_lost", "label_then_text": "card_lost\nWe block it."}
BOTH, LABEL, TEXT = "label_then_text", "label", "text"


def said(form, **given_):
    opinion = Feedback(id="1", answer="ans_1", at="2026", caller="agent", **given_)
    return judge(SERVED[form], opinion, form=form, labels=LABELS, bad_score=0.5)


@pytest.mark.parametrize(
    ("form", "given_", "label", "text"),
    [
        (BOTH, {"label": "wrong_fee", "correction": "wrong_fee\nWe refund it."}, "wrong_fee", "We refund it."),
        (BOTH, {"label": "wrong_fee", "correction": "We refund it."}, "wrong_fee", "We refund it."),
        (BOTH, {"correction": "wrong_fee\nWe refund it."}, "wrong_fee", "We refund it."),
        (BOTH, {"label": "standing_order", "correction": "standing_order\nSet it up."}, "standing_order", "Set it up."),
        (LABEL, {"label": "wrong_fee", "score": 0.0}, "wrong_fee", ""),
        (LABEL, {"correction": " wrong_fee\n"}, "wrong_fee", ""),
        (TEXT, {"correction": "We refund it."}, None, "We refund it."),
        (TEXT, {"correction": "We refund it.", "label": "ignored"}, None, "We refund it."),
    ],
)
def test_a_correction_says_what_would_have_been_right(form, given_, label, text):
    found = said(form, **given_)
    assert (found.reason, found.is_error, found.label, found.text) == ("corrected", True, label, text)


def test_a_better_text_under_the_right_label_is_a_correction_but_no_broken_promise():
    found = said(BOTH, correction="card_lost\nWe have blocked it for you.")
    assert (found.reason, found.is_error) == ("corrected", False)


@pytest.mark.parametrize(
    ("form", "given_", "reason", "is_error"),
    [
        (BOTH, {"score": 1.0}, "confirmed", False),
        (BOTH, {"label": "card_lost"}, "confirmed", False),
        (BOTH, {"correction": "card_lost\nWe block it."}, "confirmed", False),
        (BOTH, {"label": "card_lost", "score": 0.0}, "no_correction", False),
        (BOTH, {"score": 0.49}, "no_correction", True),
        (BOTH, {"comment": "hm"}, "no_opinion", False),
        (BOTH, {"label": "wrong_fee"}, "missing_answer", True),
        (BOTH, {"correction": "Dear customer, we refund it."}, "missing_label", True),
        (BOTH, {"label": "wrong_fee", "correction": "card_lost\nWe refund it."}, "contradictory", True),
        (LABEL, {"label": "wrong_fee", "correction": "card_lost"}, "contradictory", True),
        (TEXT, {"label": "wrong_fee", "score": 0.0}, "no_correction", True),
        (TEXT, {"label": "wrong_fee"}, "no_opinion", False),
        (TEXT, {"correction": "  "}, "no_opinion", False),
    ],
)
def test_what_cannot_be_trained_has_its_reason(form, given_, reason, is_error):
    found = said(form, **given_)
    assert (found.reason, found.is_error) == (reason, is_error)


texts = st.none() | st.sampled_from(
    ["", "card_lost", "wrong_fee", "other", "card_lost\nWe block it.", "wrong_fee\nx", "x"]
)


@given(st.sampled_from([BOTH, LABEL, TEXT]), texts, texts, st.none() | st.floats(0, 1))
def test_what_is_trained_differs_from_what_was_served(form, label, correction, score):
    found = said(form, label=label, correction=correction, score=score)
    if found.reason == "corrected":
        assert (found.label, found.text) != tuple(
            {TEXT: (None, "We block it."), LABEL: ("card_lost", ""), BOTH: ("card_lost", "We block it.")}[form]
        )
        assert (found.label is None) == (form == TEXT)
        assert bool(found.text) == (form != LABEL)
