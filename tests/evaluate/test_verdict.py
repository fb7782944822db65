"""A verdict never says more than was measured, and says it in one sentence in both languages."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.evaluate import verdict
from seekloop.evaluate.compare_spec import CompareSpec
from seekloop.evaluate.verdict import Measured, decide
from seekloop.metrics.significance import mcnemar, paired_share_difference
from seekloop.system.errors import UsageError

ALONE = CompareSpec(guards={})
counts = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 300))


def measured(won, lost, n, *, figure="accuracy", better="higher", groups=None):
    low, high = paired_share_difference(won, lost, n=n)
    return Measured(
        figure=figure,
        values=(0.5 + (won - lost) / n / 2, 0.5 - (won - lost) / n / 2),
        difference=(won - lost) / n,
        ci=(low, high),
        p_value=mcnemar(won, lost),
        n=n,
        groups=n if groups is None else groups,
        better=better,
    )


def of(*rows, spec=ALONE):
    return decide(spec, rows, baseline="report:0123456789abcdef")


@pytest.mark.parametrize(
    ("won", "lost", "n", "state"),
    [
        (30, 5, 300, "better"),
        (5, 30, 300, "worse"),
        (5, 5, 1000, "not_worse"),
        (6, 5, 100, "inconclusive"),
        (3, 0, 9, "invalid"),
    ],
)
def test_the_state_follows_from_interval_margin_and_rows(won, lost, n, state):
    assert of(measured(won, lost, n)).state == state


def test_a_small_loss_that_is_surely_within_the_margin_is_called_that():
    found = of(measured(20, 60, 10_000))
    assert found.outcomes[0].measured.ci[1] < 0
    assert found.state == "not_worse"


@given(counts, st.floats(0, 0.2), st.sampled_from(["higher", "lower"]))
def test_nothing_is_better_or_worse_whose_interval_holds_zero(triple, margin, better):
    won, lost, rest = triple
    spec = ALONE.model_copy(update={"margin": margin, "min_rows": 1})
    judged = of(measured(won, lost, won + lost + rest + 1, better=better), spec=spec).outcomes[0]
    low, high = judged.measured.ci
    if low <= 0 <= high:
        assert judged.state not in ("better", "worse")
    if judged.state in ("better", "worse"):
        assert judged.p_adjusted <= 0.05


@given(counts)
def test_exchanging_the_models_turns_better_into_worse(triple):
    won, lost, rest = triple
    n = won + lost + rest + 10
    strict = ALONE.model_copy(update={"margin": 0.0})
    forward, back = (of(measured(*pair, n), spec=strict).state for pair in ((won, lost), (lost, won)))
    assert (forward == "better") == (back == "worse")
    assert (forward == "worse") == (back == "better")


@given(counts, st.lists(counts, max_size=4))
def test_declaring_more_never_makes_a_verdict_better(triple, others):
    def row(index, triple):
        won, lost, rest = triple
        return measured(won, lost, won + lost + rest + 10, figure=f"guard {index}" if index else "accuracy")

    rows = [row(index, one) for index, one in enumerate([triple, *others])]
    guards = {one.figure: 0.03 for one in rows[1:]}
    more = of(*rows, spec=ALONE.model_copy(update={"guards": guards}))
    assert more.state != "better" or of(rows[0]).state == "better"


def test_one_guard_that_is_worse_makes_the_verdict_worse_and_is_named():
    rows = (measured(40, 5, 300), measured(0, 30, 300, figure="ends_by_itself"))
    found = of(*rows, spec=CompareSpec())
    assert (found.state, found.decided_by) == ("worse", "ends_by_itself")
    assert found.sentence("en").startswith("worse than report:0123456789ab")


def test_a_declared_figure_that_was_not_measured_is_invalid_and_never_good():
    found = of(measured(40, 5, 300), spec=CompareSpec(guards={"safety": 0.0}))
    assert (found.state, found.decided_by) == ("invalid", "safety")
    assert "was not measured" in found.sentence("en")


def test_many_rows_of_few_conversations_are_no_evidence():
    assert of(measured(30, 5, 300, groups=6)).state == "invalid"


def test_nothing_measured_at_all_is_invalid():
    assert of().state == "invalid"


def test_an_inconclusive_verdict_says_how_many_more_rows_would_tell():
    found = of(measured(8, 5, 100))
    needed = found.outcomes[0].rows_needed
    assert needed > 100
    assert f"{needed - 100:,} more rows would probably tell" in found.sentence("en")
    assert f"再增加 {needed - 100:,} 条样本" in found.sentence("zh")


def test_where_lower_is_better_a_fall_is_an_improvement():
    spec = ALONE.model_copy(update={"primary": "refusals"})
    assert of(measured(5, 40, 300, figure="refusals", better="lower"), spec=spec).state == "better"


def test_the_primary_figure_is_picked_by_what_the_answers_hold():
    rows = [measured(1, 1, n, figure=name) for name, n in (("exact_match", 90), ("rougeL_en", 30), ("rougeL_zh", 60))]
    assert of(*rows).outcomes[0].figure == "rougeL_zh"
    assert of(*rows, measured(1, 1, 20)).outcomes[0].figure == "accuracy"


def test_deciding_again_from_what_is_stored_gives_the_same_bytes(tmp_path):
    found = of(measured(8, 5, 100), spec=CompareSpec())
    verdict.write(tmp_path / "one.json", [found])
    stored = json.loads((tmp_path / "one.json").read_text("utf-8"))["verdicts"][0]
    assert set(stored["sentence"]) == {"en", "zh"}
    again = [Measured.model_validate(one["measured"]) for one in stored["outcomes"] if one["measured"]]
    verdict.write(tmp_path / "two.json", [of(*again, spec=CompareSpec())])
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


@pytest.mark.parametrize("values", [{"margin": -0.1}, {"margn": 0.1}, {"power": 1}])
def test_a_wrong_declaration_is_refused(values):
    with pytest.raises(UsageError):
        CompareSpec.parse(values)
