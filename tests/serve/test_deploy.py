"""What `seekloop deploy` writes is taken by the tools that it is for: Helm, Kubernetes, Compose, systemd, a shell."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from seekloop.serve.deploy.writing import TARGETS, Deployment, write
from seekloop.system.errors import UsageError

HELM = Path(sys.executable).with_name("helm")
KUBERNETES = "1.30"
EVERYTHING = (
    *("--set", "ingress.enabled=true", "--set", "ingress.host=models.example.com", "--set", "ingress.tlsSecret=tls"),
    *("--set", "project.existingClaim=bank", "--set", "gateway.set={streams=16}", "--set", "autoscaling.enabled=false"),
)


@pytest.fixture
def told(world, tmp_path):
    """A deployment of a release of full weights, from a project in an awkward place."""
    release = world.release("one")
    return Deployment(
        release=release,
        checkpoint=world.ctx.store.load(release.checkpoint),
        project=tmp_path / "100 % of $my bank",
        command=Path("/opt/seek loop/bin/seekloop"),
        user="bank",
        name="production",
        context=2048,
    )


def rendered(chart, *options):
    """The objects that Helm makes of a chart."""
    done = subprocess.run([HELM, "template", "bank", chart, *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {one["kind"]: one for one in yaml.safe_load_all(done.stdout) if one}


@pytest.mark.parametrize(
    ("options", "own"), [((), {"HorizontalPodAutoscaler", "PersistentVolumeClaim"}), (EVERYTHING, {"Ingress"})]
)
def test_kubernetes_takes_every_object_of_the_chart(world, told, tmp_path, options, own):
    write("helm", tmp_path / "out", told=told, store=world.ctx.store)
    found = rendered(tmp_path / "out/seekloop", *options)
    assert set(found) == {"Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy", *own}
    for one in found.values():
        kubernetes_validate.validate(one, KUBERNETES, strict=True)


def test_the_autoscaler_turns_the_deployment(world, told, tmp_path):
    write("helm", tmp_path / "out", told=told, store=world.ctx.store)
    found = rendered(tmp_path / "out/seekloop", "--set", "replicas=3")
    scaler, deployment = found["HorizontalPodAutoscaler"], found["Deployment"]
    assert scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert scaler["spec"]["minReplicas"] == 3
    assert "replicas" not in deployment["spec"]  # or each upgrade would undo what the autoscaler did


def test_the_pods_labels_are_what_service_budget_and_network_select(world, told, tmp_path):
    write("helm", tmp_path / "out", told=told, store=world.ctx.store)
    found = rendered(tmp_path / "out/seekloop")
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    assert found["Service"]["spec"]["selector"].items() <= labels
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"].items() <= labels
    assert found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"].items() <= labels


@pytest.mark.parametrize(
    "wrong", ["replicas=0", "ingress.enabled=true", "gateway.set={--host 1.2.3.4}", "no.such.value=1"]
)
def test_a_wrong_value_of_the_chart_is_refused_by_helm(world, told, tmp_path, wrong):
    write("helm", tmp_path / "out", told=told, store=world.ctx.store)
    done = subprocess.run([HELM, "template", "bank", tmp_path / "out/seekloop", "--set", wrong], capture_output=True)
    assert done.returncode != 0
    assert b"values don't meet the specifications of the schema" in done.stderr


def test_compose_knows_every_key_and_its_paths_are_those_of_the_project(world, told, tmp_path):
    write("compose", tmp_path / "out", told=told, store=world.ctx.store)
    file = tmp_path / "out/compose.yaml"
    checked = subprocess.run(
        [Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", file],
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout
    gateway = yaml.safe_load(file.read_text("utf-8"))["services"]["gateway"]
    assert gateway["volumes"][0]["source"].replace("$$", "$") == str(told.project)
    assert gateway["ports"] == ["127.0.0.1:8000:8000"]


def test_systemd_takes_the_unit(world, told, tmp_path):
    analyse = shutil.which("systemd-analyze")
    if analyse is None:
        pytest.skip("systemd-analyze is not installed")
    told.project.mkdir()
    command = tmp_path / "seek loop"
    command.symlink_to("/bin/true")
    placed = Deployment(**{**vars(told), "command": command, "user": "root"})
    write("systemd", tmp_path / "out", told=placed, store=world.ctx.store)
    checked = subprocess.run(
        [analyse, "verify", "--recursive-errors=no", tmp_path / "out/seekloop.service"], capture_output=True, text=True
    )
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("target", ["vllm", "sglang", "triton"])
def test_an_engines_folder_has_the_weights_and_names_the_release(world, told, tmp_path, target):
    write(target, tmp_path / "out", told=told, store=world.ctx.store)
    assert (tmp_path / "out/model/model.safetensors").read_bytes() == b"one"
    assert json.loads((tmp_path / "out/release.json").read_text())["release"] == told.release.id
    assert subprocess.run(["sh", "-n", tmp_path / "out/serve.sh"]).returncode == 0
    assert (tmp_path / "out/serve.sh").stat().st_mode & 0o111


def test_tritons_model_is_called_as_its_folder(world, told, tmp_path):
    write("triton", tmp_path / "out", told=told, store=world.ctx.store)
    folder = tmp_path / "out/models/production"
    assert 'name: "production"' in (folder / "config.pbtxt").read_text()
    assert (tmp_path / "out" / json.loads((folder / "1/model.json").read_text())["model"]).is_dir()


def test_weights_in_a_form_that_the_engine_cannot_read_are_refused_and_nothing_is_written(world, told, tmp_path):
    with pytest.raises(UsageError) as refused:
        write("llama-server", tmp_path / "out", told=told, store=world.ctx.store)
    assert refused.value.code == "deploy.wrong_form"
    assert "gguf" in refused.value.hint("en")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_there_is_not_touched(world, told, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageError) as refused:
        write("compose", tmp_path / "out", told=told, store=world.ctx.store)
    assert refused.value.code == "deploy.folder_exists"
    assert list((tmp_path / "out").iterdir()) == []


def test_an_unknown_target_names_the_known_ones(world, told, tmp_path):
    with pytest.raises(UsageError) as refused:
        write("mesos", tmp_path / "out", told=told, store=world.ctx.store)
    assert all(target in refused.value.hint("en") for target in TARGETS)
