"""`compare` and `kpi` give people sentences and tables, and scripts one JSON document."""

from __future__ import annotations

import json

import pytest

from seekloop.app.verbs import business, comparing
from seekloop.app.verbs.stages import inputs_of, report_table
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Dataset, Release, Report
from seekloop.artifact.ledger import Answer, Feedback
from seekloop.artifact.rows import write_rows
from seekloop.evaluate import stage
from seekloop.evaluate.spec import EvaluateSpec
from seekloop.loop import catalog
from seekloop.loop.project import Project
from seekloop.runtime.tiny import tiny_base
from seekloop.system.errors import UsageError
from tests.evaluate.conftest import bank_rows

PROJECT = {
    "domain": "bank support",
    "base": "tiny",
    "kpis": [
        {"name": "satisfaction", "source": "traffic", "column": "score"},
        {"name": "fast", "source": "traffic", "column": "total_ms", "aggregate": "share", "counts": "<= 500"},
        {"name": "solved", "source": "csv", "path": "tickets.csv", "column": "solved", "aggregate": "share"},
        {"name": "empty", "source": "csv", "path": "tickets.csv", "column": "note"},
    ],
}


@pytest.fixture
def compared(tmp_path):
    """A folder with three reports on the same rows, and what people are told of the last, which has two baselines."""
    with RunContext.in_folder(tmp_path) as ctx:
        dataset, base = committed(ctx), tiny_base(ctx)
        ids: list[str] = []
        for tokens in (3, 4, 5):
            inputs = inputs_of(catalog.stage("evaluate"), [dataset, base.id, *ids], ctx=ctx)
            spec = EvaluateSpec(engine="echo", resamples=100, max_tokens=tokens, threads=1)
            ids.append(stage.run(spec, inputs, ctx=ctx).id)
        return tmp_path, ids, report_table(ctx.store.open(ids[-1], Report), ctx=ctx, language="zh")


def committed(ctx):
    """The id of a small dataset."""
    rows = bank_rows(30)
    with ctx.job("data", EvaluateSpec()) as job:
        for split in ("train", "validation", "test", "calibration", "dropped"):
            write_rows(job.path(f"{split}.jsonl"), rows if split == "test" else [])
        splits = {"train": 0, "validation": 0, "test": len(rows)}
        labels = tuple(sorted({one.label for one in rows}))
        form = "label_then_text"
        made = Dataset(made_by=job.origin, rows=len(rows), splits=splits, dropped={}, labels=labels, answer=form)
        return job.commit(made).id


def test_an_evaluation_with_two_baselines_says_both_verdicts_and_its_costs(compared):
    _, _, told = compared
    sentences = [line for line in told.splitlines() if line.startswith("- ")]
    assert ["baseline：" in one or "baseline " in one or "baseline.1" in one for one in sentences] == [True, True]
    assert "本次运行的耗时与成本" in told
    assert "| first_token_p95_s |" in told


def test_compare_takes_several_reports(compared, capsys):
    folder, ids, _ = compared
    comparing.compare(folder=folder, report=ids[2], others=[ids[1], ids[0], ids[1]], as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert [one["baseline"] for one in told["verdicts"]] == [ids[1], ids[0]]
    assert all(one["sentence"] for one in told["verdicts"])
    assert {one["baseline"] for one in told["comparisons"]} == set(ids[:2])
    assert set(told["cost"]) == set(ids)
    assert told["cost"][ids[0]]["first_token_p95_s"]["n"] == 30


def test_compare_prints_a_sentence_then_the_figures(compared, capsys):
    folder, ids, _ = compared
    comparing.compare(folder=folder, report=ids[2], others=[ids[0]], as_json=False)
    said = capsys.readouterr().out
    assert said.splitlines()[0].partition(" ")[0] in ("inconclusive", "not", "better", "worse")
    assert "guard" in said
    assert "times and costs" in said


@pytest.fixture
def project(tmp_path):
    """A project with four business figures and a little production."""
    folder = tmp_path / "project"
    opened = Project.create(folder, PROJECT)
    (folder / "tickets.csv").write_text("ticket,solved,note\n1,yes,\n2,no,\n3,,\n", "utf-8")
    with opened.context() as ctx:
        with ctx.job("serve", opened.spec.serve) as job:
            release = job.commit(Release(made_by=job.origin, checkpoint="checkpoint:1", report="report:1"))
        fields = {
            "release": release.id,
            "caller": "c",
            "messages": [{"role": "user", "content": "Why?"}],
            "content": "x",
        }
        counts = {"finish_reason": "stop", "prompt_tokens": 1, "completion_tokens": 1, "first_token_ms": 1.0}
        ctx.ledger.record_answers(
            [
                Answer(id=f"ans_{n:032x}", at="2026-01-01T00:00:00+00:00", total_ms=200.0 * n, **fields, **counts)
                for n in range(4)
            ]
        )
        said = Feedback(id="fb", answer=f"ans_{1:032x}", at="2026-01-01T00:00:01+00:00", caller="c", score=0.5)
        ctx.ledger.record_feedback(said)
    return folder


def test_kpi_counts_production_and_tables(project, capsys):
    business.kpi(folder=project, release=None, after=None, as_json=True)
    told = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert (told["satisfaction"]["figure"]["value"], told["satisfaction"]["missing"]) == (0.5, 3)
    assert (told["fast"]["figure"]["value"], told["fast"]["figure"]["n"]) == (0.75, 4)
    assert (told["solved"]["figure"]["value"], told["solved"]["missing"]) == (0.5, 1)
    assert told["empty"]["figure"] is None


def test_kpi_says_what_has_no_value_yet(project, capsys):
    business.kpi(folder=project, release=None, after=None, as_json=False)
    said = capsys.readouterr().out
    assert "none yet" in said
    assert "satisfaction" in said


def test_a_project_without_business_figures_is_told_how_to_define_them(tmp_path):
    Project.create(tmp_path / "project", {"domain": "x"})
    with pytest.raises(UsageError) as caught:
        business.kpi(folder=tmp_path / "project", release=None, after=None, as_json=False)
    assert caught.value.code == "loop.no_kpis"
