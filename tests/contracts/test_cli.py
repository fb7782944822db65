"""The command line is a promise: a verb or flag changes only together with `surface.txt`."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from seekloop.app.main import app
from tests.contracts.source import REPOSITORY

SURFACE = REPOSITORY / "tests" / "contracts" / "surface.txt"


def verbs(group=None, before=""):
    """Every verb by its name, those of a group behind the group's: `labels import`."""
    found = {}
    for name, command in (group or typer.main.get_command(app)).commands.items():
        inner = isinstance(command, typer.core.TyperGroup)
        found |= verbs(command, f"{before}{name} ") if inner else {f"{before}{name}": command}
    return found


def surface():
    """One line a verb: its arguments, then its flags."""
    lines = []
    for name, command in sorted(verbs().items()):
        arguments = [one.name.upper() for one in command.params if one.param_type_name == "argument"]
        flags = sorted(flag for one in command.params if one.param_type_name == "option" for flag in one.opts)
        lines.append(" ".join([name, *arguments, *(flag for flag in flags if flag != "--help")]))
    return lines


def test_verbs_and_flags_are_those_that_were_promised():
    assert surface() == SURFACE.read_text("utf-8").splitlines()


@pytest.mark.parametrize("verb", sorted(verbs()))
def test_a_verb_says_in_one_sentence_what_it_does(verb):
    command = verbs()[verb]
    assert (command.help or "").strip().endswith(".")
    assert all(one.help for one in command.params if one.param_type_name == "option")


def test_a_mistyped_verb_is_refused_with_exit_code_2():
    done = subprocess.run(
        [Path(sys.executable).with_name("seekloop"), "tunee"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "tune" in done.stderr
    assert "Traceback" not in done.stderr
