"""The three reports of the roadmap, on a project whose loop was walked."""

from __future__ import annotations

import pytest

from seekloop.artifact.context import RunContext
from seekloop.loop.adviser import Wish
from seekloop.loop.project import ProjectSpec
from seekloop.loop.roadmap.assess import assess
from seekloop.loop.roadmap.experiment import experiment
from seekloop.loop.roadmap.markdown import render
from seekloop.loop.roadmap.production import production
from seekloop.loop.roadmap.spec import RoadmapSpec

EMPTY = ProjectSpec(domain="bank support", base="tiny")


def states(report) -> dict[str, str]:
    return {one.code.removeprefix("roadmap."): one.state for one in report.criteria}


def reports(walked, spec: RoadmapSpec):
    project, ctx = walked.project.spec, walked.ctx
    return (
        assess(project, spec, wish=Wish(), ctx=ctx),
        experiment(project, spec, ctx=ctx),
        production(project, spec, ctx=ctx),
    )


def test_an_empty_project_is_told_what_to_begin_with(ctx: RunContext):
    found = assess(EMPTY, RoadmapSpec(), wish=Wish(), ctx=ctx)
    assert states(found)["no_data"] == "open"
    assert states(experiment(EMPTY, RoadmapSpec(), ctx=ctx)) == {"no_experiment": "open"}
    assert states(production(EMPTY, RoadmapSpec(), ctx=ctx))["nothing_live"] == "open"
    assert "data.sources" in render(found, language="en")


def test_the_rows_of_the_assessment_are_those_of_the_dataset(walked):
    found = assess(walked.project.spec, RoadmapSpec(), wish=Wish(), ctx=walked.ctx)
    (rows,) = (table.rows for table in found.tables if table.title == "roadmap.rows")
    count = {name: number for name, number, _ in rows}
    dropped = sum(number for name, number in count.items() if name.startswith("dropped"))
    assert count["in"] == count["train"] + count["validation"] + count["test"] + dropped


def test_labelling_costs_what_its_formula_says(walked):
    spec = RoadmapSpec(class_rows=10_000, label_seconds=36, label_hour=10, raters=2)
    found = assess(walked.project.spec, spec, wish=Wish(), ctx=walked.ctx)
    (rows,) = (table.rows for table in found.tables if table.title == "roadmap.labelling")
    missing, hours, cost = (amount for _, amount, _ in rows)
    assert missing > 10_000
    assert hours == pytest.approx(missing * 2 * 36 / 3600, abs=0.01)
    assert cost == pytest.approx(10 * hours, abs=0.1)


@pytest.mark.parametrize(("changed", "state"), [({"train_rows": 1}, "met"), ({"train_rows": 10**6}, "open")])
def test_a_threshold_decides(walked, changed, state):
    found = assess(walked.project.spec, RoadmapSpec(**changed), wish=Wish(), ctx=walked.ctx)
    assert states(found)["enough_rows"] == state


def test_a_random_model_does_not_pass_for_a_better_one(walked):
    found = experiment(walked.project.spec, RoadmapSpec(), ctx=walked.ctx)
    assert states(found)["better"] == "open"
    assert not found.is_done


def test_production_knows_its_versions_and_that_going_back_was_tried(walked):
    found = production(walked.project.spec, RoadmapSpec(first_token_s=60), ctx=walked.ctx)
    assert {name: states(found)[name] for name in ("reversible", "proven", "judged", "quick", "goal_read")} == {
        "reversible": "met",
        "proven": "met",
        "judged": "met",
        "quick": "met",
        "goal_read": "met",
    }
    assert states(found)["watched"] == "open"
    (moves,) = (table.rows for table in found.tables if table.title == "roadmap.history")
    assert len(moves) == len(walked.ctx.ledger.alias_history("production"))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_report_reads_in_both_languages(walked, language):
    for found in reports(walked, RoadmapSpec()):
        text = render(found, language=language)
        assert text.count("\n- [") == len(found.criteria)
        assert "{" not in text
        assert found.as_json(language)["done"] is found.is_done
