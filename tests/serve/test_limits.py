"""Limits in words, and what they mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.serve.limits import MICRO, Limits
from seekloop.system.errors import UsageError


def test_limits_in_words_are_whole_numbers():
    limits = Limits.parse(rate="60/min", tokens=["1e6/day", "2e7/month"], cost=["5/day", "99.5/month"])
    assert (limits.requests, limits.per_s) == (60, 60)
    assert (limits.tokens_day, limits.tokens_month) == (1_000_000, 20_000_000)
    assert (limits.cost_day, limits.cost_month) == (5 * MICRO, 99_500_000)
    assert limits.words == ["60/min", "1000000 tokens/day", "20000000 tokens/month", "cost 5/day", "cost 99.5/month"]


def test_no_limit_is_no_limit():
    assert not Limits.parse().any
    assert Limits.parse().as_json() == {}
    assert Limits.parse(rate="1/s").any


@pytest.mark.parametrize(
    "rate", ["60", "60/day", "0/min", "-1/s", "1.5/s", "x/s", "inf/s", "nan/s", "/s", "", "1e99/s"]
)
def test_what_is_no_rate_is_refused_with_an_example(rate):
    with pytest.raises(UsageError) as refused:
        Limits.parse(rate=rate)
    assert refused.value.code == "access.limit_bad"
    assert "60/min" in refused.value.hint("en")


@pytest.mark.parametrize("tokens", ["1e6", "0.5/day", "1e6/week", "1e6/min"])
def test_what_is_no_budget_is_refused(tokens):
    with pytest.raises(UsageError) as refused:
        Limits.parse(tokens=[tokens])
    assert refused.value.code == "access.limit_bad"


amounts = st.none() | st.integers(1, 10**12)


@given(amounts, st.sampled_from([1, 60, 3600]), amounts, amounts, amounts, amounts)
def test_limits_survive_the_ledger(requests, per_s, tokens_day, tokens_month, cost_day, cost_month):
    limits = Limits(
        requests=requests,
        per_s=per_s if requests else 60,
        tokens_day=tokens_day,
        tokens_month=tokens_month,
        cost_day=cost_day,
        cost_month=cost_month,
    )
    assert Limits.of_json(limits.as_json()) == limits
