"""The `rollout` verbs, over a project's ledger; no gateway needs to run."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from seekloop.app.main import app
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset, Decoding, Release, Report
from seekloop.loop.project import Project
from seekloop.system.errors import UsageError
from seekloop.system.spec import Spec


def release(ctx, name):
    """A release of nothing in particular."""
    with ctx.job("test", Spec()) as job:
        job.path("model.safetensors").write_bytes(name.encode())
        facts = {"form": "full", "family": "smollm2", "precision": "f32", "parameters": 1}
        checkpoint = job.commit(Checkpoint(made_by=job.origin, **facts))
    with ctx.job("test", Spec()) as job:
        splits = {"train": 0, "validation": 0, "test": 0}
        dataset = job.commit(Dataset(made_by=job.origin, rows=0, splits=splits, dropped={}))
    with ctx.job("test", Spec()) as job:
        parents = {"checkpoint": checkpoint.id, "dataset": dataset.id}
        named = {"subject": checkpoint.id, "dataset": dataset.id, "split": "test", "engine": "echo"}
        report = job.commit(Report(parents=parents, made_by=job.origin, figures=(), **named))
    with ctx.job("test", Spec()) as job:
        decoding = Decoding(max_tokens=8, temperature=0.0, top_p=1.0)
        parents = {"checkpoint": checkpoint.id, "report": report.id}
        named = {"checkpoint": checkpoint.id, "report": report.id, "decoding": decoding, "system": None}
        return job.commit(Release(parents=parents, made_by=job.origin, **named))


@pytest.fixture
def project(tmp_path):
    """A project with a release in production, and the rules of a canary of another one."""
    Project.create(tmp_path, {"domain": "bank support"})
    with RunContext.in_folder(tmp_path) as ctx:
        one, two = release(ctx, "one"), release(ctx, "two")
        ctx.ledger.move_alias("production", one.id, expected_version=0, actor="test", reason="first")
    steps = "[{share: 0.1}, {share: 0.5}]"
    rules = f"plan: {{mode: canary, candidate: '{two.id[:24]}', steps: {steps}}}\n"
    tmp_path.joinpath("rollout.yaml").write_text(rules)
    return tmp_path, one, two


def call(folder, *words):
    """What a verb prints."""
    result = CliRunner().invoke(app, [*map(str, words), "-p", str(folder)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_rollout_is_begun_looked_at_stepped_and_finished(project):
    folder, one, two = project
    begun = json.loads(call(folder, "rollout", "start", folder / "rollout.yaml", "--reason", "a better one", "--json"))
    assert (begun["control"], begun["shares"]) == (one.id, {two.id: 0.1})
    now = json.loads(call(folder, "rollout", "status", "--json"))["now"]
    assert (now["verdict"]["action"], now["counts"]) == ("hold", {})
    assert "step 2 of 2" in call(folder, "rollout", "step", begun["id"][:12], "--reason", "it looks good")
    assert "finished" in call(folder, "rollout", "step", "--reason", "to everybody")
    with RunContext.in_folder(folder) as ctx:
        alias = ctx.ledger.alias("production")
    assert (alias.target, alias.version) == (two.id, 2)
    assert [one_["what"] for one_ in json.loads(call(folder, "rollout", "explain", "--json"))["decisions"]] == [
        "started",
        "stepped",
        "finished",
    ]
    told = {one_["release"]: one_ for one_ in json.loads(call(folder, "releases", "--json"))}
    assert told[two.id]["moves"][0]["reason"] == f"{begun['id']} finished"
    assert "production 2" in call(folder, "releases")


def test_a_rollout_is_ended_with_a_reason(project):
    folder, _, _ = project
    call(folder, "rollout", "start", folder / "rollout.yaml", "--set", "alpha=0.01")
    assert "aborted" in call(folder, "rollout", "abort", "--reason", "wrong price list")
    (told,) = json.loads(call(folder, "rollout", "history", "--json"))
    assert told["changes"][-1]["reason"] == "wrong price list"
    assert "aborted" in call(folder, "rollout", "history")


def test_a_second_rollout_waits_for_the_first(project):
    folder, _, _ = project
    call(folder, "rollout", "start", folder / "rollout.yaml")
    with pytest.raises(UsageError) as refused:
        call(folder, "rollout", "start", folder / "rollout.yaml")
    assert refused.value.code == "rollout.running"


def test_what_is_in_production_is_no_candidate(project):
    folder, one, _ = project
    with pytest.raises(UsageError) as refused:
        call(folder, "rollout", "start", folder / "rollout.yaml", "--set", f"plan.candidate='{one.id}'")
    assert refused.value.code == "rollout.in_production_already"


def test_there_is_nothing_to_look_at_before_the_first(project):
    folder, _, _ = project
    with pytest.raises(UsageError) as refused:
        call(folder, "rollout", "status")
    assert refused.value.code == "rollout.unknown"
