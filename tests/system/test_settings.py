from pathlib import Path

import pytest

from seekloop.system import settings

ours = ["SEEKLOOP_HOME", "SEEKLOOP_LANG", "SEEKLOOP_THREADS", "SEEKLOOP_DATABASE_URL"]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in [*ours, "LC_ALL", "LC_MESSAGES", "LANG"]:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_TW"}, "zh"),
        ({"LC_ALL": "zh_CN", "SEEKLOOP_LANG": "en"}, "en"),
    ],
)
def test_the_language_follows_the_usual_order(monkeypatch, variables, language):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert settings.language() == language


def test_the_model_cache_moves_with_its_variable(monkeypatch):
    monkeypatch.setenv("SEEKLOOP_HOME", "/models")
    assert settings.home() == Path("/models")


def test_without_variables_the_ledger_is_embedded_and_all_cores_work():
    assert settings.database_url() is None
    assert settings.threads() == settings.cores() >= 1


def test_an_empty_variable_is_no_variable(monkeypatch):
    monkeypatch.setenv("SEEKLOOP_DATABASE_URL", "")
    monkeypatch.setenv("SEEKLOOP_THREADS", "")
    assert settings.database_url() is None
    assert settings.threads() == settings.cores()


@pytest.mark.parametrize("value", ["two", "0", "-1", "1.5"])
def test_a_number_of_threads_that_makes_no_sense_is_a_fault(monkeypatch, value):
    monkeypatch.setenv("SEEKLOOP_THREADS", value)
    assert settings.faults() == {"SEEKLOOP_THREADS": (value, 1)}


def test_a_number_of_threads_is_taken(monkeypatch):
    monkeypatch.setenv("SEEKLOOP_THREADS", "3")
    assert settings.threads() == 3
    assert settings.faults() == {}


def test_a_child_process_gets_the_environment_and_its_changes(monkeypatch):
    monkeypatch.setenv("SEEKLOOP_HOME", "/models")
    child = settings.child_environment(SEEKLOOP_THREADS="1")
    assert child["SEEKLOOP_HOME"] == "/models"
    assert child["SEEKLOOP_THREADS"] == "1"


@pytest.mark.parametrize(("given", "left"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_wait_quietly_unless_told_otherwise(monkeypatch, given, left):
    monkeypatch.setenv("OMP_WAIT_POLICY", given or "")
    if given is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")
    settings.wait_quietly()
    assert settings.child_environment()["OMP_WAIT_POLICY"] == left
