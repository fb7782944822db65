"""The shipped workflows are what the CI systems take, and every command in them is one of ours."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from seekloop import __version__
from seekloop.app.main import app
from seekloop.loop.watch.templates import TARGETS, write
from seekloop.system.errors import UsageError

SCHEMAS = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci"}
LATER = {("gate", "approve")}
"""Verbs that come with another package of this issue."""
OURS = re.compile(r"(?:^|[\s;(])(seekloop (?:loop|gate|report|lineage|verify) [^;|>\n]*)", re.MULTILINE)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Every workflow, by its CI system."""
    out = tmp_path_factory.mktemp("ci") / "out"
    return dict(zip(TARGETS, write("all", out), strict=True))


def commands(path):
    """Our commands in a workflow, as words."""
    for match in OURS.finditer(path.read_text("utf-8")):
        yield shlex.split(match[1].replace("|| code=$?", "").strip())


@pytest.mark.parametrize("target", SCHEMAS)
def test_a_workflow_is_what_its_schema_says(target, written):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", SCHEMAS[target], str(written[target])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_argo_is_given_a_template_and_a_schedule_that_name_each_other(written):
    template, cron = yaml.safe_load_all(written["argo"].read_text("utf-8"))
    assert (template["kind"], cron["kind"]) == ("WorkflowTemplate", "CronWorkflow")
    assert {one["apiVersion"] for one in (template, cron)} == {"argoproj.io/v1alpha1"}
    assert cron["spec"]["workflowSpec"]["workflowTemplateRef"]["name"] == template["metadata"]["name"]
    known = {one["name"]: one for one in template["spec"]["templates"]}
    steps = [step for group in known["loop"]["steps"] for step in group]
    assert {step["template"] for step in steps} | {template["spec"]["entrypoint"]} == set(known)
    volumes = {one["name"] for one in template["spec"]["volumes"]}
    for one in known.values():
        assert {mount["name"] for mount in one.get("script", {}).get("volumeMounts", [])} <= volumes
    for step, output in re.findall(r"steps\.([\w-]+)\.outputs\.parameters\.(\w+)", written["argo"].read_text("utf-8")):
        assert output in {entry["name"] for entry in known[step]["outputs"]["parameters"]}


@pytest.mark.parametrize("target", TARGETS)
def test_every_command_of_a_workflow_is_one_of_ours(target, written):
    group = typer.main.get_command(app)
    found = list(commands(written[target]))
    assert {tuple(words[1:3]) for words in found} >= {("loop", "once"), ("loop", "run"), ("loop", "status")}
    for _, verb, *words in found:
        command = group.commands.get(verb)
        if (verb, words[0]) in LATER and command is None:
            continue
        if hasattr(command, "commands"):
            command, words = command.commands[words[0]], words[1:]
        command.make_context(verb, list(words), resilient_parsing=False)


@pytest.mark.parametrize("target", TARGETS)
def test_a_workflow_installs_this_version_and_holds_no_secret(target, written):
    text = written[target].read_text("utf-8")
    assert __version__ in text and "$version" not in text
    for name in ("SEEKLOOP_DATABASE_URL", "SEEKLOOP_VAULT_URL"):
        assert name in text
    assert not re.search(r"postgres(ql)?://", text)


def test_each_shell_script_is_read_by_a_shell(written):
    scripts = [
        step["run"]
        for job in yaml.safe_load(written["github"].read_text("utf-8"))["jobs"].values()
        for step in job["steps"]
        if "run" in step
    ]
    for document in yaml.safe_load_all(written["argo"].read_text("utf-8")):
        scripts += [one["script"]["source"] for one in document["spec"].get("templates", []) if "script" in one]
    pipeline = yaml.safe_load(written["gitlab"].read_text("utf-8"))
    for job in (".prepared", "loop", "approve"):
        scripts += [
            line for part in ("before_script", "script", "after_script") for line in pipeline[job].get(part, [])
        ]
    for script in scripts:
        done = subprocess.run(["bash", "-n", "-c", script], capture_output=True, text=True, check=False)
        assert done.returncode == 0, script + done.stderr


def test_one_system_can_be_asked_for_and_a_folder_is_not_overwritten(tmp_path):
    result = CliRunner().invoke(app, ["loop", "templates", "--out", str(tmp_path / "ci"), "--for", "gitlab"])
    assert Path(result.stdout.strip()) == tmp_path / "ci" / ".gitlab-ci.yml"
    for target, out, code in (("jenkins", "new", "watch.unknown_target"), ("argo", "ci", "watch.folder_exists")):
        with pytest.raises(UsageError) as caught:
            write(target, tmp_path / out)
        assert caught.value.code == code
