"""Base, parent and candidate on the same rows: one verdict each, beside the report, and rows in groups."""

from __future__ import annotations

import json

import pytest

from seekloop.artifact.rows import Row, Source
from seekloop.evaluate import scoring, stage, verdict
from seekloop.evaluate.baselines import judge_reports, spec_of
from seekloop.evaluate.compare import compare_answers, measure
from seekloop.evaluate.compare_spec import CompareSpec
from seekloop.evaluate.groups import groups_of
from seekloop.evaluate.slice_compare import differing_slices
from seekloop.evaluate.spec import EvaluateInputs, EvaluateSpec
from seekloop.metrics.significance import mcnemar, paired_share_difference
from tests.evaluate.conftest import bank_rows, row

ECHO = EvaluateSpec(max_tokens=4, resamples=100, threads=1, engine="echo")


def evaluate(checkpoint, dataset, ctx, *, spec=ECHO, baseline=None, others=()):
    inputs = EvaluateInputs(checkpoint=checkpoint, dataset=dataset, baseline=baseline, others=others)
    return stage.run(spec, inputs, ctx=ctx)


def answer(identity, right, *, label="a", score=None):
    return scoring.Scored(
        row=f"row:{identity}",
        label=label,
        got_label=label if right else "z",
        correct=right,
        expected="x",
        got="x" if right else "y",
        reference_text="x",
        text="y",
        rougeL=float(right) if score is None else score,
        finish_reason="stop",
        completion_tokens=1,
        language="en",
    )


def pairs(first, second, *, label="a"):
    both = enumerate(zip(first, second, strict=True))
    return [(answer(i, a, label=label), answer(i, b, label=label)) for i, (a, b) in both]


@pytest.fixture
def compared(ctx, tiny, dataset_of):
    """A report with a parent and two others, one of them on fewer rows."""
    parent = evaluate(tiny, dataset_of(bank_rows(30)), ctx)
    few = evaluate(tiny, dataset_of(bank_rows(6)), ctx)
    tight = evaluate(tiny, dataset_of(bank_rows(30)), ctx, spec=ECHO.model_copy(update={"max_tokens": 3}))
    report = evaluate(tiny, dataset_of(bank_rows(30)), ctx, baseline=parent, others=(few, tight, parent))
    return report, parent, few, tight


def test_each_baseline_is_compared_once_on_the_rows_it_shares(compared):
    report, parent, few, tight = compared
    found = {(one.baseline, one.n) for one in report.comparisons if one.figure == "accuracy"}
    assert found == {(parent.id, 30), (few.id, 6), (tight.id, 30)}
    assert [report.parents[role] for role in ("baseline", "baseline.1", "baseline.2")] == [parent.id, few.id, tight.id]


def test_the_verdicts_are_in_the_reports_folder_and_open_again(ctx, compared):
    report, parent, few, tight = compared
    verdicts = verdict.read(report, store=ctx.store)
    assert [one.baseline for one in verdicts] == [parent.id, few.id, tight.id]
    assert [one.state for one in verdicts][1] == "invalid", "six rows are no evidence"
    assert verdict.FILE in report.files
    assert verdict.FILE not in parent.files


def test_comparing_again_gives_the_verdict_that_is_stored(ctx, compared):
    report, parent, *_ = compared
    again = judge_reports(report, parent, store=ctx.store, seed=ctx.seed)
    assert again.verdict == verdict.read(report, store=ctx.store)[0]


def test_what_was_declared_is_read_from_the_report(ctx, tiny, dataset_of):
    declared = CompareSpec(primary="exact_match", margin=0.1)
    report = evaluate(tiny, dataset_of(bank_rows()), ctx, spec=ECHO.model_copy(update={"compare": declared}))
    assert spec_of(report) == declared


def test_shares_of_rows_for_themselves_are_tangos_and_mcnemars(ctx):
    first, second = [True] * 8 + [False] * 4, [False] * 3 + [True] * 6 + [False] * 3
    accuracy = compare_answers(pairs(first, second), baseline="report:b", seed=1, resamples=100)[0]
    assert accuracy.ci == pytest.approx(paired_share_difference(3, 1, n=12))
    assert accuracy.p_value == pytest.approx(mcnemar(3, 1))


def test_rows_of_one_conversation_widen_every_interval():
    first, second = [True] * 32 + [False] * 8, [True] * 16 + [False] * 16 + [True] * 8
    both = pairs(first, second)
    alone = measure(both, seed=1, resamples=200)
    grouped = measure(both, seed=1, resamples=200, groups={f"row:{i}": f"talk {i // 4}" for i in range(40)})
    assert [one.groups for one in grouped] == [10] * len(grouped)
    for wide, narrow in zip(grouped, alone, strict=True):
        if narrow.difference:
            assert wide.ci[0] < narrow.ci[0]
            assert wide.p_value > narrow.p_value
            assert wide.difference == narrow.difference


def test_groups_are_joined_over_whatever_rows_share():
    def of(identity, **meta):
        return Row(id=identity, source=Source(file="f", line=1), meta=meta)

    rows = [
        of("row:1", group=7),
        of("row:2", augmented_from="row:1"),
        of("row:2-2"),
        of("row:3", group="7"),
        of("row:4", synthetic={"seeds": ["row:5"]}),
        of("row:5"),
        of("row:6"),
    ]
    found = groups_of(rows)
    assert len({found[name] for name in ("row:1", "row:2", "row:2-2", "row:3")}) == 1
    assert found["row:4"] == found["row:5"]
    assert len(set(found.values())) == 3


def test_rows_of_one_conversation_are_told_by_the_dataset(ctx, tiny, dataset_of):
    rows = [one.model_copy(update={"meta": {"group": f"talk {i // 3}"}}) for i, one in enumerate(bank_rows(30))]
    dataset = dataset_of(rows)
    report = evaluate(tiny, dataset, ctx, baseline=evaluate(tiny, dataset, ctx))
    stored = json.loads(ctx.store.path(report.id, verdict.FILE).read_text("utf-8"))["verdicts"][0]
    assert {one["measured"]["groups"] for one in stored["outcomes"]} == {10}


def test_only_slices_that_differ_beyond_chance_are_named():
    bad = pairs([False] * 12, [True] * 12, label="card_lost")
    alike = [pair for label in "bcdefgh" for pair in pairs([True, False] * 6, [True, False] * 6, label=label)]
    found, looked = differing_slices([*bad, *alike], groups={}, resamples=100, seed=0)
    assert looked == 8
    assert [(one.name, one.difference) for one in found] == [("label=card_lost", -1.0)]
    assert found[0].q_value == pytest.approx(8 * 2 / 2**12)


def test_the_order_of_the_rows_changes_no_share_and_no_p_value():
    both = pairs([True] * 20 + [False] * 5, [False] * 9 + [True] * 16)
    forward, back = (measure(rows, seed=1, resamples=100) for rows in (both, both[::-1]))
    assert forward[0] == back[0]
    assert [one.difference for one in forward] == pytest.approx([one.difference for one in back])


def test_a_baseline_of_other_rows_is_refused(ctx, tiny, dataset_of):
    first = evaluate(tiny, dataset_of([row("Other?", "card_lost", "card_lost\nx")]), ctx)
    with pytest.raises(Exception) as caught:
        evaluate(tiny, dataset_of(bank_rows(3)), ctx, others=(first,))
    assert caught.value.code == "evaluate.no_shared_rows"
