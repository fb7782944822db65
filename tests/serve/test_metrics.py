"""Figures: what happened is counted once, under names that dashboards know, and no caller's text is in them."""

import json
import re

import pytest

from seekloop.app.verbs.watching import top
from seekloop.serve.telemetry.figures import Gauge, Spread, Tally
from seekloop.serve.telemetry.shared import added

SCRIPT = {"Where is my card?": "It is on its way.", "Why?": "So."}


def samples(served):
    """`name{labels}` -> value, of a scrape."""
    lines = [line for line in served.http.get("/metrics").text.splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def vllm(name, **labels):
    inner = ",".join(f'{key}="{value}"' for key, value in sorted({"model_name": "production", **labels}.items()))
    return f"vllm:{name}{{{inner}}}"


def test_requests_tokens_and_times_are_under_vllms_names(world):
    with world.serving(world.release("a", SCRIPT)) as served:
        usage = [served.ask("Where is my card?").json()["usage"], served.ask("Why?", max_tokens=1).json()["usage"]]
        found = samples(served)
    assert found[vllm("prompt_tokens_total")] == sum(one["prompt_tokens"] for one in usage)
    assert found[vllm("generation_tokens_total")] == sum(one["completion_tokens"] for one in usage)
    assert found[vllm("request_success_total", finished_reason="stop")] == 1
    assert found[vllm("request_success_total", finished_reason="length")] == 1
    assert found[vllm("e2e_request_latency_seconds_count")] == 2
    assert found[vllm("time_to_first_token_seconds_count")] == 2
    assert found[vllm("request_queue_time_seconds_count")] == 2
    tokens = sum(one["completion_tokens"] for one in usage)
    assert found[vllm("inter_token_latency_seconds_count")] == tokens - 2
    assert found['vllm:e2e_request_latency_seconds_bucket{le="+Inf",model_name="production"}'] == 2
    assert found[vllm("num_requests_running")] == found[vllm("num_requests_waiting")] == 0


def test_who_serves_what_was_written_and_what_was_refused_is_told(world, until):
    release = world.release("a", SCRIPT)
    with world.serving(release) as served:
        served.ask("Why?")
        served.ask("Why?", model="gpt-9")
        served.ask("Why?", temperature=9)
        served.http.get("/v1/nowhere")
        served.http.get("/v1/models", headers={"Authorization": "Bearer wrong"})
        found = samples(served)
    assert found["seekloop:rows_recorded_total"] == 1
    assert found["seekloop:ready"] == 1
    assert found["seekloop:recorder_failing"] == 0
    codes = {"model_not_found": 1, "invalid_value": 1, "http_404": 1, "invalid_api_key": 1}
    assert {code: found[f'seekloop:refusals_total{{code="{code}"}}'] for code in codes} == codes
    assert found['seekloop:http_responses_total{route="/v1/chat/completions",status="200"}'] == 1
    info = next(name for name in found if name.startswith("seekloop:release_info"))
    assert 'state="serving"' in info
    assert release.id[:20] in info
    assert any(name.startswith("seekloop:build_info") for name in found)


def test_an_answer_from_the_cache_is_in_our_figures_and_in_none_of_an_engines(world, until):
    with world.serving(world.release("a", SCRIPT), cache={"backend": "memory", "erasure_s": 0.02}) as served:
        until(lambda: not served.gateway.cache.blind)
        for _ in range(3):
            served.ask("Where is my card?")
        found = samples(served)
    assert found[vllm("request_success_total", finished_reason="stop")] == 1
    assert found['seekloop:cache_looks_total{outcome="hit"}'] == 2
    assert found["seekloop:cached_request_latency_seconds_count"] == 2
    assert found["seekloop:rows_recorded_total"] == 3
    assert found["seekloop:cache_entries"] == 1


def test_figures_need_a_key(world):
    with world.serving(world.release("a", SCRIPT)) as served:
        refused = served.http.get("/metrics", headers={"Authorization": ""})
        given = served.http.get("/metrics")
    assert (refused.status_code, given.status_code) == (401, 200)
    assert given.headers["content-type"].startswith("text/plain")


def test_no_label_holds_a_callers_text(world):
    with world.serving(world.release("a", SCRIPT)) as served:
        for text in ("leaked-name", "leaked-name-2"):
            served.ask(text, model=text)
            served.ask(text, user=text, stop=text)
            served.http.get(f"/v1/{text}")
            served.http.get(f"/v1/models/{text}")
            served.http.get(f"/v1/answers/{text}/lineage")
        told = served.http.get("/metrics").text
    assert "leaked" not in told
    assert re.search(r'route="/v1/models/\{name\}"', told)


def test_two_gateways_in_one_process_count_apart(world):
    release = world.release("a", SCRIPT)
    with world.serving(release) as one, world.serving(release) as two:
        one.ask("Why?")
        counts = [samples(each)["seekloop:rows_recorded_total"] for each in (one, two)]
    assert counts == [1, 0]


def test_a_scrape_of_any_process_tells_of_all_that_share_its_address(world, tmp_path, until):
    release, share = world.release("a", SCRIPT), {"share": tmp_path / "figures"}
    with world.serving(release, telemetry=share) as one:
        with world.serving(release, telemetry=share) as two:
            one.ask("Why?")
            two.ask("Why?")
            two.ask(model="gpt-9")
            until(lambda: samples(one)["seekloop:rows_recorded_total"] == 2)
            found = samples(one)
            assert found[vllm("e2e_request_latency_seconds_count")] == 2
            assert found['seekloop:refusals_total{code="model_not_found"}'] == 1
            assert found["seekloop:ready"] == 1
        assert samples(one)["seekloop:rows_recorded_total"] == 2


def test_what_an_ended_process_counted_still_counts_and_what_it_saw_last_does_not():
    tally, spread = Tally("t", "text", labels=["who"]), Spread("s", "text", bounds=(1.0,))
    gauges = [Gauge(name=how, text="text", values={(): 2.0}, together=how) for how in ("sum", "max", "min")]
    tally.add("me")
    spread.add(0.5)
    other = {
        "t": {"values": [[["me"], 2.0], [["you"], 1.0]]},
        "s": {"counts": [1, 1], "total": 9.0},
        **{how: {"values": [[[], 5.0]]} for how in ("sum", "max", "min")},
    }
    whole = {figure.name: figure for figure in added([tally, spread, *gauges], [(other, True), (other, False)])}
    assert whole["t"].values == {("me",): 5.0, ("you",): 2.0}
    assert (whole["s"].counts, whole["s"].total) == ([3, 2], 18.5)
    assert [whole[how].values[()] for how in ("sum", "max", "min")] == [7.0, 5.0, 2.0]


def test_a_tally_never_has_more_series_than_it_may():
    tally = Tally("t", "text", labels=["who"], most=3)
    for number in range(10):
        tally.add(str(number))
    tally.add("1")
    assert tally.values == {("0",): 1, ("1",): 2, ("2",): 1, ("other",): 7}


@pytest.mark.parametrize(("value", "place"), [(0.0, 0), (1.0, 0), (1.5, 1), (2.0, 1), (9.0, 2)])
def test_a_value_at_a_bound_belongs_to_it(value, place):
    spread = Spread("s", "text", bounds=(1.0, 2.0))
    spread.add(value)
    assert spread.counts == [int(at == place) for at in range(3)]
    assert spread.total == value


def test_top_tells_of_a_gateway_in_json_and_for_a_terminal(world, tmp_path, capsys):
    release = world.release("a", SCRIPT)
    with world.serving(release) as served:
        served.ask("Where is my card?")
        served.ask(model="gpt-9")
        for as_json in (True, False):
            top(folder=tmp_path, url=served.url, key="test-key", every=1.0, once=True, as_json=as_json)
    told, text = json.JSONDecoder().raw_decode(out := capsys.readouterr().out)[0], out
    assert (told["ready"], told["counts"]["answers"]) == (True, 1)
    assert told["refusals"] == {"model_not_found": 1}
    assert told["releases"]["serving"]["release"] == release.id
    assert told["latency"]["whole_answer_s"]["p50"] > 0
    assert "since the start" in text
