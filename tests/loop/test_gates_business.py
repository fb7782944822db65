"""Gates hold a candidate to times, sizes and business figures by the same rule: whole intervals, or no promotion."""

from __future__ import annotations

import pytest

from seekloop.artifact.kinds import Comparison, Figure, Origin, Receipt, Report
from seekloop.loop import gates
from seekloop.loop.gates import AtLeast, AtMost, Better, GateSpec
from seekloop.loop.project import ProjectSpec
from seekloop.system.errors import UsageError

ORIGIN = Origin(stage="evaluate", spec={}, spec_digest="", code_version="", lock_digest="", seed=0)
FAST = AtMost(figure="first_token_p95_s", value=0.5)
HAPPY = AtLeast(figure="satisfaction", value=0.7, on="business")


def report(**changes):
    accuracy = Figure(name="accuracy", value=0.9, n=60, ci=(0.8, 0.95))
    fields = {"made_by": ORIGIN, "subject": "checkpoint:a", "dataset": "d", "split": "test", "engine": "echo"}
    return Report(**{**fields, "figures": (accuracy,), **changes})


def receipt(low=0.3, value=0.4, high=0.45, *, answers=60.0, **more):
    times = {"first_token_p95_s": value, "first_token_p95_s.low": low, "first_token_p95_s.high": high}
    return Receipt(created_at="", hardware={}, wall_s=1, cost={**times, "answers": answers, **more})


def satisfaction(low, high, n=40):
    return Figure(name="satisfaction", value=(low + high) / 2, n=n, ci=(low, high))


def decide(*rules, receipts=None, business=()):
    evidence = gates.evidence_of({"frozen": report()}, receipts=receipts, business=business)
    return gates.decide(GateSpec(rules=rules), evidence)


@pytest.mark.parametrize(
    ("times", "state"),
    [((0.3, 0.4, 0.45), "passed"), ((0.4, 0.45, 0.6), "inconclusive"), ((0.55, 0.6, 0.7), "failed")],
)
def test_a_time_is_held_against_its_whole_interval(times, state):
    outcome = decide(FAST, receipts={"frozen": receipt(*times)}).outcomes[0]
    assert (outcome.state, outcome.n, outcome.ci) == (state, 60, (times[0], times[2]))


def test_a_time_that_was_not_measured_is_invalid():
    for receipts in (None, {}, {"frozen": Receipt(created_at="", hardware={}, wall_s=1)}):
        verdict = decide(FAST, receipts=receipts)
        assert (verdict.decision, verdict.outcomes[0].code) == ("hold", "loop.gate_no_figure")


def test_a_time_of_few_answers_is_invalid():
    verdict = decide(FAST, receipts={"frozen": receipt(answers=9.0)})
    assert (verdict.decision, verdict.outcomes[0].code) == ("hold", "loop.gate_few_rows")


def test_size_and_memory_are_taken_as_they_are():
    rules = (AtMost(figure="size_mb", value=100), AtMost(figure="peak_rss_mib", value=900))
    assert decide(*rules, receipts={"frozen": receipt(size_mb=100.0, peak_rss_mib=800.0)}).decision == "promote"
    assert decide(*rules, receipts={"frozen": receipt(size_mb=100.1, peak_rss_mib=800.0)}).decision == "roll_back"


@pytest.mark.parametrize(
    ("figures", "decision"),
    [
        ((satisfaction(0.75, 0.9),), "promote"),
        ((satisfaction(0.6, 0.8),), "inconclusive"),
        ((satisfaction(0.3, 0.5),), "roll_back"),
        ((satisfaction(0.75, 0.9, n=9),), "hold"),
        ((), "hold"),
    ],
)
def test_a_business_figure_is_held_like_any_other(figures, decision):
    verdict = decide(AtLeast(figure="accuracy", value=0.5), HAPPY, business=figures)
    assert (verdict.decision, verdict.subject) == (decision, "checkpoint:a")


def test_production_alone_promotes_nobody():
    with pytest.raises(UsageError) as caught:
        GateSpec.parse({"rules": [HAPPY.model_dump()]})
    assert "nothing of the candidate" in caught.value.sentence("en")


def test_of_several_baselines_the_parent_counts():
    def against(baseline, low):
        return Comparison(figure="accuracy", baseline=baseline, difference=0.1, ci=(low, 0.2), p_value=0.01, n=60)

    both = report(
        parents={"baseline": "report:parent", "baseline.1": "report:base"},
        comparisons=(against("report:parent", -0.1), against("report:base", 0.05)),
    )
    verdict = gates.decide(GateSpec(rules=(Better(figure="accuracy"),)), gates.evidence_of({"frozen": both}))
    assert (verdict.decision, verdict.outcomes[0].ci) == ("inconclusive", (-0.1, 0.2))


def test_two_figures_of_one_name_are_refused():
    with pytest.raises(UsageError) as caught:
        ProjectSpec.parse(
            {
                "domain": "x",
                "kpis": [
                    {"name": "csat", "source": "traffic"},
                    {"name": "csat", "source": "csv", "path": "a.csv", "column": "b"},
                ],
            }
        )
    assert "two are called csat" in caught.value.sentence("en")
