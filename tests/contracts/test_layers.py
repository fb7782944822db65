"""Imports only go down, need no ML package on the way to the command line, and change nothing."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
import tomllib

import pytest

from seekloop.system import settings
from tests.contracts.source import PACKAGE, REPOSITORY, modules

CONTRACTS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
HEAVY = {"torch", "transformers", "xllamacpp", "fastapi", "numpy", "sqlalchemy"}

# What an import could change, before and after.
PROBE = """
import importlib, json, logging, os, signal, sys, threading, warnings
def state():
    return [dict(os.environ), os.getcwd(), sys.path[:], str(warnings.filters), threading.active_count(),
            [repr(h) for h in logging.root.handlers], logging.root.level, str(signal.getsignal(signal.SIGINT))]
for name in json.loads(sys.argv[2]):
    importlib.import_module(name)
before = state()
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
changed = [str(new) for old, new in zip(before, state()) if old != new]
print(json.dumps({"changed": changed, "loaded": sorted(sys.modules)}))
"""

LINT = "from importlinter.cli import lint_imports_command as lint; lint()"

# Three sins, one against each contract: a stage that knows its neighbour, an ML import on the way to a spec, a cycle.
PLANTED = {
    "evaluate/spec.py": "from seekloop.tune import spec as _neighbour\n",
    "system/seeds.py": "import torch as _heavy\n",
    "system/clock.py": "from seekloop.system import provenance as _cycle_one\n",
    "system/digests.py": "from seekloop.system import clock as _cycle_two\n",
}


def after_import(names, *, given=()):
    """What importing `names` changed and loaded, in a fresh process where `given` was imported before."""
    command = [sys.executable, "-c", PROBE, json.dumps(names), json.dumps(given)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def light_modules():
    """What the pyproject contract says loads without an ML package, with everything inside."""
    roots = next(one["source_modules"] for one in CONTRACTS if one["type"] == "forbidden")
    names = [module.name for module in modules() if module.path.name != "env.py"]
    return [name for name in names if any(name == root or name.startswith(f"{root}.") for root in roots)]


def test_specs_foundations_and_the_cli_load_without_an_ml_package():
    loaded = set(after_import(light_modules())["loaded"])
    assert loaded & {"torch", "transformers", "xllamacpp", "fastapi"} == set()


def test_help_needs_neither_numbers_nor_a_database():
    assert set(after_import(["seekloop.app.main"])["loaded"]) & HEAVY == set()


def test_importing_the_package_changes_nothing():
    ours = [name for name in light_modules() if "migrations" not in name]
    # What numpy does to the warning filters is not ours to answer for.
    assert after_import(ours, given=["numpy", "sqlalchemy"])["changed"] == []


def test_no_module_acts_when_it_is_imported():
    acts = []
    for module in modules():
        own = {node.id for node in module.nodes(ast.Name) if isinstance(node.ctx, ast.Store)}
        own |= {owner.name for owner in module.classes()} | {function.name for function in module.functions()}
        calls = [n for n in module.tree.body if isinstance(n, ast.Expr) and isinstance(n.value, ast.Call)]
        acts += [module.at(call) for call in calls if ast.unparse(call.value.func).split(".")[0] not in own]
    assert [at for at in acts if "/migrations/" not in at] == []


def test_every_room_is_in_the_layers():
    layers = next(one["layers"] for one in CONTRACTS if one["type"] == "layers")
    declared = {room.strip() for layer in layers for room in layer.split("|")}
    assert declared == {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


def test_every_stage_has_its_spec_kept_light():
    roots = next(one["source_modules"] for one in CONTRACTS if one["type"] == "forbidden")
    stages = {module.room for module in modules() if module.name.endswith(".stage")}
    assert {f"seekloop.{room}.spec" for room in stages} <= set(roots)
    assert stages == {"data", "tune", "evaluate", "compress", "serve", "learn"}


@pytest.mark.slow
def test_a_planted_sin_breaks_each_contract(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "seekloop", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    for name, sin in PLANTED.items():
        path = tmp_path / "seekloop" / name
        path.write_text(path.read_text("utf-8") + sin, "utf-8")
    command = [sys.executable, "-c", LINT, "--no-cache"]
    environment = settings.child_environment(PYTHONPATH=str(tmp_path), COLUMNS="200")
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.count(" BROKEN") == len(CONTRACTS), done.stdout + done.stderr
    assert "seekloop.evaluate.spec -> seekloop.tune.spec" in done.stdout
