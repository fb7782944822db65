"""The gate lets through only what was shown, and says why in the same bytes every time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.artifact.kinds import Comparison, Figure, Origin, Report
from seekloop.loop import gates
from seekloop.loop.gates import AtLeast, AtMost, Better, Evidence, GateSpec, NonInferior
from seekloop.metrics.significance import paired_share_difference
from seekloop.system import digests
from seekloop.system.errors import GateRefused, UsageError


def evidence(
    value=0.9, ci=(0.85, 0.95), n=60, *, won=0, lost=0, name="accuracy", better="higher", subject="checkpoint:a"
):
    low, high = paired_share_difference(won, lost, n=n)
    return Evidence(
        report="report:b",
        subject=subject,
        figures=(Figure(name=name, value=value, n=n, ci=ci, better=better),),
        comparisons=(
            Comparison(figure=name, baseline="report:p", difference=(won - lost) / n, ci=(low, high), p_value=0.5, n=n),
        ),
    )


def decide(*rules, **given):
    return gates.decide(GateSpec(rules=rules), given)


def states(verdict):
    return [outcome.state for outcome in verdict.outcomes]


def test_a_candidate_that_holds_every_rule_is_promoted():
    rules = (NonInferior(figure="accuracy", margin=0.1), Better(figure="accuracy", on="lesson"))
    verdict = decide(*rules, frozen=evidence(won=1, lost=1), lesson=evidence(won=9, lost=0, n=12))
    assert (verdict.decision, verdict.subject) == ("promote", "checkpoint:a")


@pytest.mark.parametrize(
    ("lost", "margin", "state", "decision"),
    [(0, 0.10, "passed", "promote"), (0, 0.03, "inconclusive", "inconclusive"), (15, 0.03, "failed", "roll_back")],
)
def test_non_inferiority_needs_enough_rows_to_be_shown(lost, margin, state, decision):
    verdict = decide(NonInferior(figure="accuracy", margin=margin), frozen=evidence(lost=lost))
    assert (states(verdict), verdict.decision) == ([state], decision)


@pytest.mark.parametrize(
    ("won", "lost", "state"), [(8, 0, "passed"), (1, 0, "inconclusive"), (0, 0, "inconclusive"), (0, 9, "failed")]
)
def test_better_means_the_whole_interval_is_above_zero(won, lost, state):
    assert states(decide(Better(figure="accuracy"), frozen=evidence(won=won, lost=lost))) == [state]


@pytest.mark.parametrize(("floor", "state"), [(0.85, "passed"), (0.86, "inconclusive"), (0.951, "failed")])
def test_a_floor_is_held_against_the_whole_interval(floor, state):
    assert states(decide(AtLeast(figure="accuracy", value=floor), frozen=evidence())) == [state]


@pytest.mark.parametrize(("ceiling", "state"), [(0.95, "passed"), (0.94, "inconclusive"), (0.84, "failed")])
def test_a_ceiling_is_held_against_the_whole_interval(ceiling, state):
    assert states(decide(AtMost(figure="accuracy", value=ceiling), frozen=evidence())) == [state]


def test_where_lower_is_better_fewer_is_an_improvement():
    fewer = evidence(won=0, lost=9, name="refusals", better="lower")
    assert states(decide(Better(figure="refusals"), frozen=fewer)) == ["passed"]
    assert states(decide(NonInferior(figure="refusals", margin=0.0), frozen=fewer)) == ["passed"]


@pytest.mark.parametrize(
    ("rule", "given", "code"),
    [
        (Better(figure="accuracy", on="lesson"), {"frozen": evidence()}, "gate_no_evidence"),
        (AtLeast(figure="rougeL_en", value=0.1), {"frozen": evidence()}, "gate_no_figure"),
        (AtLeast(figure="accuracy", value=0.1), {"frozen": evidence(ci=None)}, "gate_no_interval"),
        (AtLeast(figure="accuracy", value=0.1), {"frozen": evidence(n=9)}, "gate_few_rows"),
    ],
)
def test_invalid_evidence_holds_and_says_what_is_wrong(rule, given, code):
    verdict = decide(rule, **given)
    assert (verdict.decision, states(verdict)) == ("hold", ["invalid"])
    assert verdict.outcomes[0].code == f"loop.{code}"


def test_a_report_without_a_parent_shows_no_improvement():
    alone = Evidence(report="report:b", subject="checkpoint:a", figures=evidence().figures, comparisons=())
    verdict = decide(Better(figure="accuracy"), frozen=alone)
    assert (verdict.decision, verdict.outcomes[0].code) == ("hold", "loop.gate_no_parent")


def test_reports_of_two_checkpoints_are_no_evidence():
    rules = (AtLeast(figure="accuracy", value=0.1), AtLeast(figure="accuracy", value=0.1, on="lesson"))
    verdict = decide(*rules, frozen=evidence(), lesson=evidence(subject="checkpoint:other"))
    assert (verdict.decision, verdict.subject) == ("hold", None)
    assert {outcome.code for outcome in verdict.outcomes} == {"loop.gate_other_subject"}


def test_a_failed_rule_rejects_even_beside_invalid_evidence():
    rules = (AtLeast(figure="accuracy", value=0.99), Better(figure="accuracy", on="lesson"))
    assert decide(*rules, frozen=evidence()).decision == "roll_back"


@given(st.integers(0, 30), st.integers(0, 30), st.floats(0, 0.5))
def test_deciding_again_gives_the_same_bytes(won, lost, margin):
    spec = GateSpec(rules=(NonInferior(figure="accuracy", margin=margin),))
    first, again = (
        digests.canonical(gates.decide(spec, {"frozen": evidence(won=won, lost=lost)}).model_dump(mode="json"))
        for _ in range(2)
    )
    assert first == again
    assert gates.Verdict.model_validate_json(first).rule_digest == spec.digest


@given(st.integers(0, 30), st.integers(0, 30), st.floats(0, 0.4), st.floats(0, 0.4))
def test_a_wider_margin_never_turns_a_pass_into_less(won, lost, one, other):
    narrow, wide = sorted((one, other))
    given_ = {"frozen": evidence(won=won, lost=lost)}
    if decide(NonInferior(figure="accuracy", margin=narrow), **given_).decision == "promote":
        assert decide(NonInferior(figure="accuracy", margin=wide), **given_).decision == "promote"


@pytest.mark.parametrize(
    ("rule", "shares"),
    [
        (Better(figure="accuracy"), (0.1, 0.1, 0.8)),
        (NonInferior(figure="accuracy", margin=0.1), (0.05, 0.15, 0.8)),
    ],
)
def test_a_candidate_at_the_limit_is_promoted_in_at_most_five_percent_of_simulations(rule, shares):
    drawn = np.random.default_rng(5).multinomial(60, shares, size=2000)
    promoted = [decide(rule, frozen=evidence(won=int(w), lost=int(lo))).decision == "promote" for w, lo, _ in drawn]
    assert np.mean(promoted) <= 0.05


def test_every_outcome_is_a_sentence_in_both_languages():
    verdict = decide(NonInferior(figure="accuracy", margin=0.1), frozen=evidence(won=1, lost=2))
    (en,), (zh,) = verdict.sentences("en"), verdict.sentences("zh")
    assert en.startswith("accuracy on frozen: -0.017 to the parent, 95 % interval -0.100 to 0.060")
    assert en.endswith("n = 60; may lose at most 0.1")
    assert "样本数 60" in zh


def test_a_refusal_names_the_rules_that_did_not_pass():
    verdict = decide(AtLeast(figure="accuracy", value=0.99), frozen=evidence())
    error = verdict.refusal()
    assert isinstance(error, GateRefused)
    assert (error.exit_code, error.code) == (3, "loop.gate_said_no")
    assert "must be at least 0.99" in error.sentence("en")


def test_a_gate_without_rules_is_refused():
    with pytest.raises(UsageError) as caught:
        GateSpec.parse({"rules": []})
    assert caught.value.code == "system.spec_bad_value"


def test_rules_are_read_from_plain_values():
    spec = GateSpec.parse({"rules": [{"require": "at_most", "figure": "answer_tokens", "value": 40}]})
    assert spec.rules == (AtMost(figure="answer_tokens", value=40),)


def test_evidence_is_what_the_reports_store():
    origin = Origin(stage="evaluate", spec={}, spec_digest="", code_version="", lock_digest="", seed=0)
    figures = evidence().figures
    report = Report(made_by=origin, subject="checkpoint:a", dataset="d", split="test", engine="echo", figures=figures)
    (found,) = gates.evidence_of({"frozen": report}).values()
    assert (found.report, found.subject, found.figures) == (report.id, "checkpoint:a", figures)
