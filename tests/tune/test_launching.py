"""How a command finds out that it is one of several processes, and what it then takes and refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from seekloop.system import settings
from seekloop.system.errors import UsageError
from seekloop.tune.spec import TuneSpec

PRINT = "from seekloop.system import settings; print(settings.threads(), settings.cores(), sorted(settings.faults()))"


def _python(code: str, **environment: str) -> str:
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=settings.child_environment(**environment), capture_output=True, text=True)
    return done.stdout.strip()


def test_processes_of_one_machine_share_its_cores() -> None:
    asked = {"SEEKLOOP_THREADS": "", "RANK": "0", "WORLD_SIZE": "8"}
    here = settings.cores()
    assert _python(PRINT, **asked, LOCAL_WORLD_SIZE="1") == f"{here} {here} []"
    assert _python(PRINT, **asked, LOCAL_WORLD_SIZE=str(here)) == f"1 {here} []"


def test_numbers_of_a_launcher_that_make_no_sense_are_faults() -> None:
    code = "from seekloop.system import settings; print(sorted(settings.faults().items()))"
    assert _python(code, RANK="first", WORLD_SIZE="0") == "[('RANK', 'first'), ('WORLD_SIZE', '0')]"


def test_a_verb_that_one_process_does_is_refused_under_a_launcher(tmp_path: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("seekloop"), "status", "--project", tmp_path],
        env=settings.child_environment(RANK="1", WORLD_SIZE="2", SEEKLOOP_LANG="en"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error of process 1: this was started as 2 processes, and only tune, continue")


@pytest.mark.parametrize("given", [{"deepspeed": "zero3.json"}, {"fsdp": "full_shard"}])
def test_splitting_a_model_is_refused_in_one_sentence(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        TuneSpec.parse(given)
    assert caught.value.code == "tune.not_sharded"


def test_configs_that_split_nothing_read_as_they_are() -> None:
    assert TuneSpec.parse({"deepspeed": None, "fsdp": ""}) == TuneSpec()
