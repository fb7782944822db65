import copy

import pytest

from seekloop.system.errors import DataError, GateRefused, MissingPackage, SeekloopError, UsageError

missing = MissingPackage("system.package_missing", package="torch", extra="train")


def test_an_error_is_one_sentence_then_a_hint(monkeypatch):
    monkeypatch.setenv("SEEKLOOP_LANG", "en")
    assert str(missing) == "torch is not installed\nhint: pip install 'seekloop[train]'"


def test_the_same_error_speaks_chinese():
    assert missing.sentence("zh") == "未安装 torch"


def test_the_language_is_the_users(monkeypatch):
    monkeypatch.setenv("SEEKLOOP_LANG", "zh_CN.UTF-8")
    assert missing.sentence() == "未安装 torch"


def test_where_stands_before_the_sentence():
    error = DataError("system.spec_not_utf8", where="rows.csv:7")
    assert error.sentence("en").startswith("rows.csv:7: this file")


@pytest.mark.parametrize(("kind", "code"), [(UsageError, 2), (DataError, 2), (GateRefused, 3)])
def test_exit_codes_tell_a_mistake_from_a_refusal(kind, code):
    assert kind("system.disk_full", path="x").exit_code == code


def test_an_error_survives_the_way_between_processes(monkeypatch):
    monkeypatch.setenv("SEEKLOOP_LANG", "en")
    arrived = copy.deepcopy(missing)  # by way of __reduce__, as pickle does
    assert isinstance(arrived, MissingPackage)
    assert str(arrived) == str(missing)


def test_every_kind_of_error_is_a_seekloop_error():
    assert {UsageError, DataError, GateRefused, MissingPackage} < set(SeekloopError.__subclasses__())
