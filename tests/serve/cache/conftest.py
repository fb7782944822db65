"""Kept answers to put on shelves, and a Redis server where one is installed."""

import dataclasses

import pytest

from seekloop.runtime.generate.backend import Chance
from seekloop.serve.cache.kept import Kept
from tests.redis_server import redis_server

WHOLE = Kept(
    answer="ans_1",
    tenant="a",
    release="r1",
    ids=(1, 2, 3),
    content="您好 hello",
    reasoning="because",
    tool_calls=({"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}},),
    finish_reason="tool_calls",
    written="您好 hello <call>",
    prompt_tokens=2,
    completion_tokens=3,
    at=0.0,
    chances=((1, Chance(-0.5, ((1, -0.5), (2, -1.25)))),),
    prompt_chances=(Chance(-1.0),),
)


@pytest.fixture
def keep():
    """A kept answer with everything in it, some of it changed."""
    return lambda **changes: dataclasses.replace(WHOLE, **changes)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory):
    """A private Redis server on a free port of this machine."""
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url
