"""Cycles from their trigger to their end: each is explained by its events, and only one process at a time decides."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from seekloop.app.main import app
from seekloop.artifact import approvals
from seekloop.loop import approval, registry
from seekloop.loop.project import Project
from seekloop.loop.watch.cycles import cycles_of
from seekloop.loop.watch.held import NAME
from seekloop.loop.watch.once import once
from seekloop.system import settings
from seekloop.system.errors import UsageError
from seekloop.system.progress import Silent
from tests.loop.watch.making import CLOSED, OPEN, answered

STATES = ["begun", "learned", "built", "measured", "judged", "released", "promoted"]


def states(cycle):
    return [one.state for one in cycle.changes]


def test_a_cycle_runs_from_its_trigger_to_production_and_says_why(project):
    project = project()
    with project.context() as ctx:
        old = registry.promoted("production", ctx=ctx)
        answered(ctx, count=5)
        assert once(project.spec, ctx=ctx).exit_code == 4
        answered(ctx, first=5, count=5)
        found = once(project.spec, ctx=ctx)
        assert (found.exit_code, states(found.cycle)) == (0, STATES)
        assert found.cycle.reason == "10 wrong answers of 10 that were spoken of, and 6 begin a cycle"
        alias = registry.promoted("production", ctx=ctx)
        assert (alias.target, alias.version) == (found.cycle.told("promoted")["release"], old.version + 1)
        assert alias.target != old.target
        assert alias.reason.startswith("cycle_0001: gate sha256:")
        assert once(project.spec, ctx=ctx).what == "nothing"
        assert len(cycles_of(ctx.ledger)) == 1
        assert ctx.ledger.verify() > 0


def test_what_the_gate_does_not_let_through_is_held(project):
    project = project(gate={"rules": [CLOSED], "min_rows": 1})
    with project.context() as ctx:
        answered(ctx)
        before = registry.promoted("production", ctx=ctx)
        found = once(project.spec, ctx=ctx)
        assert (found.exit_code, found.cycle.state) == (3, "held")
        assert "size_mb" in found.reason
        assert registry.promoted("production", ctx=ctx) == before


def test_a_lesson_that_teaches_too_little_is_held_with_its_reason(project):
    project = project(learn={"min_corrections": 100})
    with project.context() as ctx:
        answered(ctx)
        found = once(project.spec, ctx=ctx)
        assert (found.exit_code, states(found.cycle)) == (3, ["begun", "learned", "held"])
        assert "a retraining needs 100" in found.reason


def test_a_cycle_that_fails_says_so_and_is_tried_again(project):
    project = project(incremental={"data": {"sources": []}, "tune": {"method": {"type": "lora", "rank": 64}}})
    with project.context() as ctx:
        answered(ctx)
        found = once(project.spec, ctx=ctx)
        assert (found.exit_code, found.cycle.state) == (2, "failed")
        assert found.cycle.told("failed")["code"]
        assert once(project.spec, ctx=ctx).cycle.id == "cycle_0002"


def test_one_caller_alone_triggers_nothing_beyond_its_cap(project):
    project = project(learn={"min_corrections": 4, "max_per_caller": 5})
    with project.context() as ctx:
        answered(ctx, count=20, callers=1)
        assert once(project.spec, ctx=ctx).reason.startswith("5 wrong answers")


def test_a_candidate_waits_for_a_person_and_goes_on_from_the_verdict(project):
    project = project(gate={"rules": [OPEN], "min_rows": 1, "approval": "required"})
    with project.context() as ctx:
        answered(ctx)
        found = once(project.spec, ctx=ctx)
        assert (found.exit_code, found.cycle.state) == (5, "waiting")
        assert once(project.spec, ctx=ctx).exit_code == 5
        candidate = found.cycle.told("judged")["candidate"]
        approval.answer(candidate, project.spec.gate, agrees=True, by="li", reason="read it", ctx=ctx)
        found = once(project.spec, ctx=ctx)
        assert (found.exit_code, states(found.cycle)[-3:]) == (0, ["waiting", "released", "promoted"])
        assert len(list(ctx.ledger.events(kind="gate.verdict"))) == 1


def test_a_word_through_the_gateway_lets_a_waiting_cycle_go_on(project):
    project = project(gate={"rules": [OPEN], "min_rows": 1, "approval": "required"})
    with project.context() as ctx:
        answered(ctx)
        once(project.spec, ctx=ctx)
        (waiting,) = approvals.waiting(ledger=ctx.ledger, now=ctx.clock.now())
        said = approvals.Opinion(agrees=True, by="li", reason="read it", through="gateway")
        approvals.answer(waiting.candidate, said, ledger=ctx.ledger, now=ctx.clock.now())
        assert once(project.spec, ctx=ctx).cycle.state == "promoted"


def test_what_a_person_declines_is_held(project):
    project = project(gate={"rules": [OPEN], "min_rows": 1, "approval": "required"})
    with project.context() as ctx:
        answered(ctx)
        candidate = once(project.spec, ctx=ctx).cycle.told("judged")["candidate"]
        approval.answer(candidate, project.spec.gate, agrees=False, by="li", reason="rude", ctx=ctx)
        found = once(project.spec, ctx=ctx)
        assert (found.exit_code, found.reason) == (3, "let through, but then: declined")


def test_what_people_move_meanwhile_wins(project):
    project = project(gate={"rules": [OPEN], "min_rows": 1, "approval": "required"})
    with project.context() as ctx:
        answered(ctx)
        candidate = once(project.spec, ctx=ctx).cycle.told("judged")["candidate"]
        current = registry.promoted("production", ctx=ctx)
        ctx.ledger.move_alias("production", current.target, expected_version=1, actor="li", reason="looked at it")
        approval.answer(candidate, project.spec.gate, agrees=True, by="li", reason="read it", ctx=ctx)
        found = once(project.spec, ctx=ctx)
        assert (found.exit_code, found.cycle.state) == (3, "held")
        assert "moved by li meanwhile" in found.reason


def test_people_begin_a_cycle_only_where_they_may(project):
    project = project(watch={"triggers": [{"n_errors": 6}]})
    with project.context() as ctx:
        with pytest.raises(UsageError) as caught:
            once(project.spec, ctx=ctx, reason="now")
        assert caught.value.code == "watch.not_by_hand"


def test_a_cycle_over_its_budget_is_held(project):
    project = project(watch={"budget_minutes": 1e-6})
    with project.context() as ctx:
        answered(ctx)
        found = once(project.spec, ctx=ctx)
        assert (found.exit_code, found.cycle.state) == (3, "held")
        assert "budget" in found.reason


class Halts(Silent):
    """Progress that lets its process sleep at a point until somebody wakes it."""

    def say(self, text):
        if text.startswith("cycle_0001: judged"):
            os.kill(os.getpid(), signal.SIGSTOP)


@pytest.fixture
def sleeping(project):
    """A project, the id of a process that fell asleep in the middle of its cycle, and the pipe that it will tell."""
    project = project(watch={"lease_s": 2})
    with project.context() as ctx:
        answered(ctx)
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        with project.context() as ctx:
            found = once(project.spec, ctx=replace(ctx, progress=Halts()))
        os.write(writing, found.what.encode())
        os._exit(0)
    os.close(writing)
    _, status = os.waitpid(process, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    with os.fdopen(reading) as pipe:
        yield project, process, pipe
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


def test_a_process_that_slept_through_its_lease_can_promote_nothing(sleeping):
    project, process, pipe = sleeping
    with project.context() as ctx:
        first = registry.promoted("production", ctx=ctx).target
        while (found := once(project.spec, ctx=ctx)).what == "elsewhere":
            time.sleep(0.05)
        assert found.cycle.state == "promoted"
        registry.roll_back("production", reason="odd answers", ctx=ctx)
        os.kill(process, signal.SIGCONT)
        assert pipe.read() == "elsewhere"
        history = [one.target for one in ctx.ledger.alias_history("production")]
        assert (history[0::2], len(history)) == ([first, first], 3)


def test_a_daemon_that_is_told_to_end_gives_its_lease_back_and_another_goes_on(project):
    project = project(watch={"poll_s": 0.05})
    with project.context() as ctx:
        answered(ctx)
    environment = settings.child_environment(OMP_NUM_THREADS="1", SEEKLOOP_THREADS="1")
    command = [sys.executable, "-c", "from seekloop.app.main import main; main()", "loop", "watch"]
    daemon = subprocess.Popen([*command, "-p", str(project.folder)], env=environment, stderr=subprocess.PIPE, text=True)
    with project.context() as ctx:
        deadline = time.monotonic() + 60
        while not list(ctx.ledger.events(kind="loop.cycle")):
            assert daemon.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        daemon.terminate()
        _, said = daemon.communicate(timeout=60)
        assert (daemon.returncode, "goes on from here" in said) == (0, True)
        assert not ctx.ledger.leases.live(ctx.ledger.leases.find(NAME))
        found = once(project.spec, ctx=ctx)
        cycles = cycles_of(ctx.ledger)
        assert (len(cycles), cycles[0].state) == (1, "promoted"), found


def call(folder, *words, code=0):
    result = CliRunner().invoke(app, ["loop", *words, "-p", str(folder)], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout


def test_the_verbs_tell_what_came_of_it_by_their_exit_codes(project):
    project = project()
    assert "0 wrong answers" in call(project.folder, "once", code=4)
    with project.context() as ctx:
        answered(ctx)
    told = json.loads(call(project.folder, "run", "--reason", "the desk asked", "--json"))
    assert (told["exit_code"], told["cycle"]["trigger"], told["cycle"]["state"]) == (0, "manual", "promoted")
    status = json.loads(call(project.folder, "status", "--json"))
    assert [one["state"] for one in status["cycles"]] == ["promoted"]
    assert status["triggers"][0]["fires"] is False
    assert "cycle_0001" in call(project.folder, "status")


def test_a_project_without_a_release_has_nothing_to_watch(tmp_path):
    Project.create(tmp_path, {"domain": "x"})
    result = CliRunner().invoke(app, ["loop", "status", "-p", str(tmp_path)])
    assert isinstance(result.exception, UsageError)
    assert result.exception.code == "loop.nothing_released"
