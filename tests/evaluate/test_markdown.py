"""A report as a table for people, in both languages."""

from __future__ import annotations

import pytest

from seekloop.artifact.kinds import Comparison, Figure, Origin, Report
from seekloop.evaluate import markdown

ORIGIN = Origin(stage="evaluate", spec={}, spec_digest="", code_version="", lock_digest="", seed=0)


def report(value, *, comparisons=(), more=()):
    figures = (Figure(name="accuracy", value=value, n=60, ci=(value - 0.1, value + 0.1)), *more)
    subject = "checkpoint:0123456789abcdef"
    return Report(
        made_by=ORIGIN,
        subject=subject,
        dataset="dataset:1",
        split="test",
        engine="echo",
        figures=figures,
        comparisons=comparisons,
    )


BASE = report(0.2)
TUNED = report(
    0.8,
    comparisons=(
        Comparison(figure="accuracy", baseline=BASE.id, difference=0.6, ci=(0.4, 0.7), p_value=0.00001, n=60),
    ),
    more=(Figure(name="answer_tokens", value=12, n=60, ci=(11, 13), unit="tokens", better="lower"),),
)


def test_figures_stand_with_interval_and_n_in_a_column_for_each_report():
    text = markdown.render(TUNED, baselines={"base": BASE})
    assert "| figure | this | base |" in text
    assert "| accuracy | 0.800 [0.700, 0.900] n=60 | 0.200 [0.100, 0.300] n=60 |" in text
    assert "| answer_tokens | 12.000 tokens [11.000, 13.000] n=60 | – |" in text


def test_paired_differences_name_the_baseline():
    text = markdown.render(TUNED, baselines={"base": BASE})
    assert "#### Difference to base, same rows" in text
    assert "| accuracy | +0.600 | [+0.400, +0.700] | 1e-05 | 60 |" in text


def test_a_baseline_that_is_not_shown_is_named_by_its_digest():
    assert f"Difference to `{BASE.id[:19]}`" in markdown.render(TUNED)


@pytest.mark.parametrize(("language", "heading"), [("en", "95 % interval"), ("zh", "95% 区间")])
def test_headings_are_in_both_languages(language, heading):
    assert heading in markdown.render(TUNED, language=language)
