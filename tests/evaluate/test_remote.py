"""A served model on our rows: faults are waited out, outages are counted apart, and no outage is a wrong answer."""

from __future__ import annotations

import json

import pytest

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Release
from seekloop.evaluate import stage
from seekloop.evaluate.probes.spec import ProbesSpec
from seekloop.evaluate.spec import EvaluateInputs, EvaluateSpec
from seekloop.runtime.endpoint.served import open_endpoint
from seekloop.runtime.generate.bridge import Awaited
from seekloop.runtime.generate.echo import EchoBackend
from seekloop.serve.caller import Caller
from seekloop.serve.gateway import Gateway
from seekloop.serve.keys import Keyring
from seekloop.serve.options import GatewayOptions
from seekloop.serve.server import in_thread
from seekloop.serve.spec import ServeInputs, ServeSpec
from seekloop.serve.stage import run as serve
from seekloop.system.errors import EngineError, SeekloopError, UsageError
from tests.evaluate.conftest import ANSWERS, bank_rows
from tests.evaluate.stub import chat, endpoint

QUICK = {"retries": 2, "backoff_s": 0.001, "timeout_s": 5}
UNPROBED = {"general": False, "safety": False}
SPEC = EvaluateSpec.parse({"resamples": 100, "streams": 4, "ask": QUICK, "probes": UNPROBED})


def right(request):
    """What the row of `Question N?` should be answered."""
    number = int(request["messages"][-1]["content"].split()[1].rstrip("?"))
    label = list(ANSWERS)[number % 3]
    return chat(f"{label}\n{ANSWERS[label]}")


def number_of(request):
    return int(request["messages"][-1]["content"].split()[1].rstrip("?"))


@pytest.fixture
def evaluated(ctx, dataset_of):
    """Evaluates an endpoint that answers by a function on nine rows."""

    def evaluate(answer, *, spec=SPEC, rows=9):
        with endpoint(answer) as url:
            inputs = EvaluateInputs(checkpoint=open_endpoint(f"{url}#m", ctx=ctx), dataset=dataset_of(bank_rows(rows)))
            return stage.run(spec, inputs, ctx=ctx)

    return evaluate


def lines(ctx: RunContext, report, name):
    return [json.loads(line) for line in ctx.store.path(report.id, name).read_text("utf-8").splitlines()]


def test_a_served_model_gets_a_report_like_any_other(ctx, evaluated):
    report = evaluated(lambda path, request, tries: right(request))
    assert (report.figure("accuracy").value, report.figure("accuracy").n) == (1.0, 9)
    assert report.engine.startswith("endpoint http://127.0.0.1:")
    assert {"tokens": 27.0, "prompt_tokens": 63.0}.items() <= ctx.store.receipt(report.id).cost.items()


def test_the_request_is_the_row_and_the_spec(evaluated):
    asked = []

    def answer(path, request, tries):
        asked.append((path, request))
        return right(request)

    evaluated(answer, rows=1)
    ((path, request),) = asked
    assert path == "/v1/chat/completions"
    assert request["messages"] == [{"role": "user", "content": "Question 0?"}]
    assert (request["model"], request["temperature"], request["max_tokens"]) == ("m", 0.0, 128)


@pytest.mark.parametrize(
    "fault",
    [(503, "busy", {"Retry-After": "0"}), (429, "slow down", {}), (200, '{"choices": [', {}), (200, {"error": 1}, {})],
)
def test_a_fault_that_passes_costs_no_row(evaluated, fault):
    report = evaluated(lambda path, request, tries: fault if tries == 0 else right(request))
    assert (report.figure("accuracy").value, report.figure("unanswered").value) == (1.0, 0.0)


def test_an_outage_is_counted_apart_and_is_no_wrong_answer(ctx, evaluated):
    def answer(path, request, tries):
        return (502, "bad gateway", {}) if number_of(request) < 3 else right(request)

    report = evaluated(answer)
    assert (report.figure("accuracy").value, report.figure("accuracy").n) == (1.0, 6)
    assert (report.figure("unanswered").value, report.figure("unanswered").n) == (pytest.approx(1 / 3), 9)
    assert [one["problem"] for one in lines(ctx, report, "unanswered.jsonl")] == ["HTTP 502 bad gateway"] * 3
    assert len(lines(ctx, report, "answers.jsonl")) == 6


def test_a_row_that_the_endpoint_refuses_is_unanswered_at_once(ctx, evaluated):
    tried = []

    def answer(path, request, tries):
        tried.append(number_of(request))
        return (400, "too long", {}) if number_of(request) == 4 else right(request)

    report = evaluated(answer)
    assert tried.count(4) == 1
    assert [one["problem"] for one in lines(ctx, report, "unanswered.jsonl")] == ["HTTP 400 too long"]


def test_an_endpoint_that_hangs_is_given_up_after_its_time(evaluated):
    import threading

    hanging = threading.Event()

    def answer(path, request, tries):
        if number_of(request) == 0:
            hanging.wait(30)
        return right(request)

    spec = EvaluateSpec.parse({"resamples": 100, "ask": {"retries": 0, "timeout_s": 3}, "probes": UNPROBED})
    try:
        report = evaluated(answer, spec=spec)
    finally:
        hanging.set()
    assert report.figure("unanswered").n == 9
    assert report.figure("unanswered").value == pytest.approx(1 / 9)


def test_an_endpoint_is_probed_too_and_what_it_leaves_open_is_left_out(ctx, evaluated):
    def answer(path, request, tries):
        said = request["messages"][-1]["content"]
        if said.startswith("Question"):
            return right(request)
        return (400, "content filter", {}) if "bomb" in said else chat("I can't help with that.")

    report = evaluated(answer, spec=SPEC.model_copy(update={"probes": ProbesSpec()}))
    assert (report.figure("accuracy").value, report.figure("probe_general").n) == (1.0, 12)
    assert (report.figure("safety_refused").value, report.figure("safety_refused").n) == (1.0, 3)


def test_a_dead_endpoint_ends_the_evaluation_and_the_next_goes_on(ctx, dataset_of):
    alive, asked = {"now": 5}, []

    def answer(path, request, tries):
        asked.append(number_of(request))
        alive["now"] -= 1
        return right(request) if alive["now"] >= 0 else (503, "down", {})

    spec = SPEC.model_copy(update={"streams": 1, "ask": SPEC.ask.model_copy(update={"give_up_after": 2})})
    with endpoint(answer) as url:
        inputs = EvaluateInputs(checkpoint=open_endpoint(f"{url}#m", ctx=ctx), dataset=dataset_of(bank_rows(9)))
        with pytest.raises(EngineError) as caught:
            stage.run(spec, inputs, ctx=ctx)
        assert (caught.value.code, caught.value.facts["rows"]) == ("evaluate.endpoint_gone", 2)
        asked.clear()
        alive["now"] = 100
        report = stage.run(spec, inputs, ctx=ctx)
    assert len(asked) == 4
    assert (report.figure("accuracy").n, report.figure("unanswered").value) == (9, 0.0)


def refusal(evaluated, answer) -> SeekloopError:
    with pytest.raises(EngineError) as caught:
        evaluated(answer)
    return caught.value


def test_a_refusal_of_everything_is_a_sentence(evaluated):
    error = refusal(evaluated, lambda path, request, tries: (401, "no such key", {}))
    assert (error.code, error.facts["status"]) == ("evaluate.endpoint_refused", 401)


def test_no_answer_at_all_is_no_report(evaluated):
    assert refusal(evaluated, lambda *_: (502, "x", {})).code == "evaluate.nothing_answered"


def test_a_report_is_about_one_release(evaluated):
    error = refusal(evaluated, lambda path, request, tries: chat("x", fingerprint=f"release:{number_of(request)}"))
    assert error.code == "evaluate.endpoint_changed"


def test_a_key_that_is_not_set_is_named(evaluated):
    with pytest.raises(UsageError) as caught:
        evaluated(right, spec=EvaluateSpec.parse({"ask": {"key": "${SEEKLOOP_NO_SUCH_KEY}"}}))
    assert (caught.value.code, caught.value.facts["name"]) == ("endpoint.no_key", "SEEKLOOP_NO_SUCH_KEY")


def test_our_own_server_is_measured_and_the_release_is_named(ctx, tiny, dataset_of, monkeypatch):
    dataset = dataset_of(bank_rows(6))
    inputs = EvaluateInputs(checkpoint=tiny, dataset=dataset)
    direct = stage.run(SPEC.model_copy(update={"engine": "echo"}), inputs, ctx=ctx)
    release = serve(ServeSpec(), ServeInputs(checkpoint=tiny, report=direct), ctx=ctx)
    ctx.ledger.move_alias("production", release.id, expected_version=None, actor="test", reason="test")
    monkeypatch.setenv("SEEKLOOP_TEST_ENDPOINT_KEY", "k")
    spec = SPEC.model_copy(update={"ask": SPEC.ask.model_copy(update={"key": "${SEEKLOOP_TEST_ENDPOINT_KEY}"})})
    gateway = Gateway(
        store=ctx.store,
        ledger=ctx.ledger,
        keyring=Keyring({"k": Caller(name="tester")}),
        opener=_echo,
        options=GatewayOptions(poll_s=0.01),
    )
    with in_thread(gateway) as running:
        served = open_endpoint(f"{running.url}/v1#production", ctx=ctx)
        report = stage.run(spec, EvaluateInputs(checkpoint=served, dataset=dataset), ctx=ctx)
    assert report.engine.endswith(release.id)
    assert report.figure("accuracy").value == direct.figure("accuracy").value
    assert [one["got"] for one in lines(ctx, report, "answers.jsonl")] == [
        one["got"] for one in lines(ctx, direct, "answers.jsonl")
    ]
    assert isinstance(ctx.store.load(release.id), Release)


async def _echo(checkpoint):
    return Awaited(EchoBackend(), streams=8)
