"""`seekloop top`: what it reads from a scrape, and what it shows of a gateway that runs."""

import io
import math

import pytest
from rich.console import Console

from seekloop.app.verbs.watching import figures, shown, top
from seekloop.serve.telemetry.reading import parse
from seekloop.system.errors import EngineError, UsageError

BEFORE = """# HELP seekloop:ready text
# TYPE seekloop:ready gauge
seekloop:ready 1.0
seekloop:answers_total{cache="miss",finish_reason="stop",release="release:abc"} 10.0
seekloop:cache_looks_total{outcome="hit"} 1.0
vllm:generation_tokens_total{model_name="production"} 100.0
vllm:time_to_first_token_seconds_bucket{le="0.1",model_name="production"} 10.0
vllm:time_to_first_token_seconds_bucket{le="0.2",model_name="production"} 10.0
vllm:time_to_first_token_seconds_bucket{le="+Inf",model_name="production"} 10.0
"""
AFTER = """seekloop:ready 1.0
seekloop:answers_total{cache="miss",finish_reason="stop",release="release:abc"} 14.0
seekloop:answers_total{cache="hit",finish_reason="stop",release="release:abc"} 6.0
seekloop:cache_looks_total{outcome="hit"} 7.0
seekloop:cache_looks_total{outcome="miss"} 2.0
seekloop:refusals_total{code="say \\"no\\""} 2.0
vllm:generation_tokens_total{model_name="production"} 40.0
vllm:time_to_first_token_seconds_bucket{le="0.1",model_name="production"} 10.0
vllm:time_to_first_token_seconds_bucket{le="0.2",model_name="production"} 14.0
vllm:time_to_first_token_seconds_bucket{le="+Inf",model_name="production"} 14.0
"""
RELEASES = {
    "alias": "production",
    "version": 3,
    "serving": {"release": "release:sha256:" + "a" * 64, "engine": "echo", "alive": True},
    "previous": None,
    "problem": None,
}


def test_two_scrapes_tell_what_happened_between_them():
    told = figures(parse(AFTER), releases=RELEASES, before=parse(BEFORE), seconds=2.0)
    assert told["counts"]["answers"] == 10
    assert told["cache_hit_share"] == 6 / 8
    assert told["finished"] == {"stop": 10}
    assert told["refusals"] == {'say "no"': 2}
    assert told["latency"]["first_token_s"]["p50"] == pytest.approx(0.15)


def test_a_count_that_fell_was_counted_anew():
    assert parse(AFTER).since(parse(BEFORE)).total("vllm:generation_tokens_total") == 40


def test_quantiles_are_those_of_the_buckets():
    scrape = parse(BEFORE)
    assert scrape.quantile("vllm:time_to_first_token_seconds", 0.5) == pytest.approx(0.05)
    assert scrape.quantile("vllm:nothing", 0.5) is None
    beyond = parse('m_bucket{le="1.0"} 0\nm_bucket{le="+Inf"} 4\n')
    assert beyond.quantile("m", 0.5) == 1.0
    assert math.isfinite(beyond.quantile("m", 0.99))


def test_everything_of_importance_is_on_the_screen():
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(shown("http://127.0.0.1:8000", figures(parse(AFTER), releases=RELEASES)))
    text = console.export_text()
    for part in ("ready", "production version 3", "release:sha256:aaaaaaaaaaaa on echo", "first token", 'say "no" 2'):
        assert part in text


def test_a_project_without_a_gateway_says_so(tmp_path):
    with pytest.raises(EngineError) as refused:
        top(folder=tmp_path, url=None, key=None, every=1.0, once=True, as_json=True)
    assert refused.value.code == "telemetry.not_running"


def test_nobody_at_the_address_says_so(tmp_path):
    with pytest.raises(EngineError) as refused:
        top(folder=tmp_path, url="http://127.0.0.1:1", key="k", every=1.0, once=True, as_json=True)
    assert refused.value.code == "telemetry.no_answer"


def test_no_key_is_made_where_there_is_none(tmp_path):
    with pytest.raises(UsageError) as refused:
        top(folder=tmp_path, url="http://127.0.0.1:1", key=None, every=1.0, once=True, as_json=True)
    assert refused.value.code == "telemetry.no_key"
    assert list(tmp_path.iterdir()) == []
