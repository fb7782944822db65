"""The `keys` verbs."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from seekloop.app.main import app
from seekloop.serve.access.secret import identity_of
from seekloop.system.errors import SeekloopError


@pytest.fixture
def call(tmp_path):
    """Run a verb of the group on a project of its own; its stdout."""

    def run(*words):
        result = CliRunner().invoke(app, ["keys", *words, "-p", str(tmp_path / "p")], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    CliRunner().invoke(app, ["init", str(tmp_path / "p")], catch_exceptions=False)
    return run


def test_a_key_is_printed_once_and_told_of_ever_after(call):
    flags = ("--role", "reviewer", "--rate", "60/min", "--tokens", "1e6/day", "--tokens", "2e7/month", "--tier", "0")
    key = call("create", "app", *flags, "--by", "li", "--reason", "the app").strip()
    (listed,) = json.loads(call("list", "--json"))
    assert identity_of(key) == listed["id"]
    assert (listed["role"], listed["tier"], listed["state"]) == ("reviewer", 0, "in use")
    assert listed["limits"] == ["60/min", "1000000 tokens/day", "20000000 tokens/month"]
    assert key not in call("show", "app") + call("list")


def test_who_did_what_to_a_key_and_why_is_shown(call):
    call("create", "app", "--by", "li", "--reason", "the app")
    again = json.loads(call("rotate", "app", "--json"))["key"]
    call("revoke", identity_of(again), "--by", "mo", "--reason", "leaked")
    shown = json.loads(call("show", "app", "--json"))
    assert [(one["what"], one["by"], one["reason"]) for one in shown["history"]] == [
        ("key.created", "li", "the app"),
        ("key.rotated", "local", "by hand"),
        ("key.revoked", "mo", "leaked"),
    ]
    assert (shown["state"], shown["used_this_month"]["tokens"]) == ("revoked", 0)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("create", "app", "--role", "boss"), "access.role_unknown"),
        (("create", "local"), "access.name_bad"),
        (("create", "app", "--expires", "yesterday"), "access.moment_bad"),
        (("create", "app", "--cost", "5"), "access.limit_bad"),
        (("revoke", "nobody"), "access.no_such_key"),
    ],
)
def test_what_cannot_be_is_a_sentence(call, words, code):
    with pytest.raises(SeekloopError) as refused:
        call(*words)
    assert refused.value.code == code
