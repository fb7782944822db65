"""What raters said becomes a report: figures over rows, with agreement, gaps and sides told."""

from __future__ import annotations

import json

import pytest

from seekloop.artifact.kinds import Report
from seekloop.evaluate.compare import compare
from seekloop.evaluate.human.closing import FINDINGS, close
from seekloop.evaluate.human.verdicts import VERDICTS, Verdict, write_verdicts
from seekloop.system.errors import DataError
from tests.evaluate.human.saying import figure, prefers, rates


def findings(report, ctx):
    return json.loads(ctx.store.path(report.id, FINDINGS).read_text("utf-8"))


def test_a_row_counts_once_however_many_looked_at_it(study_of, ctx):
    study = study_of()
    first, second, _ = study.tasks
    study.book.put(rates("ann", first, 5, 5, 5), rates("bob", first, 3, 5, 5), rates("ann", second, 1, 5, 5))
    report = close(study, ctx=ctx)
    assert figure(report, "human_relevance_mean") == (2.5, 2)
    assert report.figure("human_relevance_mean").ci == (1.0, 4.0)
    assert (report.engine, report.parents["report"]) == ("human", study.spec.reports[0])


def test_the_same_ratings_give_the_same_report_and_it_opens_like_any_other(study_of, ctx, reports):
    study = study_of()
    study.book.put(*(rates("ann", task, 4, 4, 4) for task in study.tasks))
    report = close(study, ctx=ctx)
    assert close(study, ctx=ctx).id == report.id
    assert ctx.store.open(report.id, Report).subject == reports[0].subject
    assert compare(report, reports[1], store=ctx.store, seed=1)[0].n == 3


def test_agreement_is_of_the_rows_that_two_looked_at(study_of, ctx):
    study = study_of(limit=10)
    numbers = [(index % 6, 2, 2) for index in range(10)]
    study.book.put(*(rates("ann", task, *said) for task, said in zip(study.tasks, numbers, strict=True)))
    study.book.put(*(rates("bob", task, *said) for task, said in zip(study.tasks[:8], numbers, strict=False)))
    report = close(study, ctx=ctx)
    assert figure(report, "agreement_relevance_alpha") == (1.0, 8)
    told = findings(report, ctx)["people"]
    assert told["agreement_missing"] == ["fluency", "safety"]
    assert told["kappas"]["relevance"] == [{"raters": ["ann", "bob"], "kappa": 1.0, "n": 8}]


def test_gaps_and_skips_are_counted_by_rater(study_of, ctx):
    study = study_of()
    first, second, third = study.tasks
    study.book.put(rates("ann", first, 5, 5, 5), rates("ann", second, 2), rates("ann", third, skipped=True))
    ann, bob = findings(close(study, ctx=ctx), ctx)["people"]["raters"]
    assert [ann[name] for name in ("rated", "begun", "skipped", "gaps")] == [1, 1, 1, 0]
    assert [bob[name] for name in ("rated", "begun", "skipped", "gaps")] == [0, 0, 0, 3]


def test_a_tie_is_half_a_win_and_the_majority_has_the_row(study_of, ctx):
    study = study_of(ask=("prefer",), limit=4, raters=("ann", "bob", "cy"))
    said = [("subject", "subject", "baseline"), ("baseline",), ("tie", "tie"), ("subject", "baseline")]
    for task, winners in zip(study.tasks, said, strict=True):
        study.book.put(*(prefers(who, task, won) for who, won in zip(study.spec.raters, winners, strict=False)))
    report = close(study, ctx=ctx)
    assert (figure(report, "human_win_rate"), figure(report, "human_tie_rate")) == ((0.5, 4), (0.5, 4))
    (comparison,) = report.comparisons
    assert (comparison.difference, comparison.baseline, comparison.p_value) == (0.0, study.spec.reports[1], 1.0)


def test_a_rater_who_always_takes_the_first_is_seen(study_of, ctx):
    study = study_of(ask=("prefer",), limit=20)
    sides = ["subject", "baseline"] * 10
    study.book.put(*(prefers("ann", task, side, first=side) for task, side in zip(study.tasks, sides, strict=True)))
    report = close(study, ctx=ctx)
    assert figure(report, "human_first_shown_rate") == (1.0, 20)
    assert findings(report, ctx)["people"]["position"]["p_value"] < 1e-5
    assert figure(report, "human_win_rate") == (0.5, 20)


def test_two_models_rated_on_the_same_rows_are_compared_in_pairs(study_of, ctx):
    study = study_of(ask=("rate", "prefer"), limit=10)
    for task in study.tasks:
        if task.kind == "rate":
            study.book.put(rates("ann", task, 5 if task.reports == study.spec.reports[:1] else 3, 4, 4))
    report = close(study, ctx=ctx)
    assert {one.figure: one.difference for one in report.comparisons}["human_relevance_mean"] == 2.0
    assert report.figure("human_relevance_mean").value == 5.0


def test_a_study_that_nobody_answered_is_no_report(study_of, ctx):
    with pytest.raises(DataError) as caught:
        close(study_of(), ctx=ctx)
    assert caught.value.code == "human.nothing_said"


def test_a_judge_that_flatters_is_put_right_by_the_people(study_of, ctx):
    study = study_of(limit=20)
    people = {task.row: 1 + place % 3 for place, task in enumerate(study.tasks)}
    study.book.put(*(rates("ann", task, people[task.row], 3, 3) for task in study.tasks))
    judged = [
        Verdict(task=t.id, row=t.row, kind="rate", reports=t.reports, values=_two_more(people[t.row]))
        for t in study.tasks
    ]
    common = {"kind": "rate", "reports": study.spec.reports}
    judged += [Verdict(task=f"t{n}", row=f"r{n}", values=_two_more(1 + n % 3), **common) for n in range(30)]
    judged.append(Verdict(task="t", row="r", invalid="refused", **common))
    write_verdicts(study.folder / VERDICTS, judged)
    report = close(study, ctx=ctx)
    assert report.figure("judge_relevance_mean").value > 3.9
    powered = report.figure("human_relevance_mean_powered")
    assert powered.ci[0] < 2 < powered.ci[1] and report.engine == "human+judge"
    told = findings(report, ctx)["judge"]
    assert told["calibration"]["relevance"]["bias"] == 2.0 and told["invalid"] == {"refused": 1}
    assert told["calibration"]["relevance"]["isotonic"] == {"at": [3.0, 4.0, 5.0], "values": [1.0, 2.0, 3.0]}
    assert figure(report, "agreement_judge_relevance_spearman") == (1.0, 20)


def _two_more(number):
    return {"relevance": number + 2, "fluency": 3, "safety": 3}
