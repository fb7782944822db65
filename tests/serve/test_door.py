"""Nobody gets in without a key."""

import httpx2
import pytest
from fastapi.routing import APIRoute

from seekloop.serve.access.routes import OPEN
from seekloop.serve.app import build_app


@pytest.fixture(scope="module")
def served(lasting_world):
    with lasting_world.serving(lasting_world.release("a"), access={"max_body_kib": 1}) as served:
        yield served


def test_every_route_but_those_of_health_needs_a_key(served):
    app = build_app(served.gateway)
    routed = {(method, path) for path, item in app.openapi()["paths"].items() for method in item}
    routed |= {
        (method.lower(), route.path) for route in app.routes if isinstance(route, APIRoute) for method in route.methods
    }
    routed |= {
        ("get", "/openapi.json"),
        ("get", "/docs"),
        ("get", "/nowhere"),
        ("post", "/"),
        ("options", "/v1/models"),
    }
    assert ("post", "/v1/chat/completions") in routed
    with httpx2.Client(base_url=served.url) as stranger:
        answers = {where: stranger.request(where[0].upper(), where[1]).status_code for where in routed}
    assert {where for where, status in answers.items() if status != 401} == {("get", "/livez"), ("get", "/readyz")}
    assert {"/livez", "/readyz"} == OPEN


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic test-key", "test-key", "Bearer test-key2"])
def test_a_wrong_key_is_refused_in_openais_shape(served, header):
    refused = httpx2.get(f"{served.url}/v1/models", headers={"Authorization": header})
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert refused.json()["error"]["code"] == "invalid_api_key"


def test_livez_says_no_more_than_that_it_lives(served):
    assert httpx2.get(f"{served.url}/livez").json() == {"status": "ok"}


def test_a_body_that_is_too_large_is_refused_with_and_without_its_length(served):
    assert served.ask("x" * 2000).status_code == 413
    pieces = iter([b"{", b" " * 2000, b"}"])
    headers = {"Content-Type": "application/json"}
    assert served.http.post("/v1/chat/completions", content=pieces, headers=headers).status_code == 413


def test_a_websocket_is_turned_away(served):
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": "x", "Sec-WebSocket-Version": "13"}
    assert httpx2.get(f"{served.url}/v1/models", headers=upgrade).status_code >= 400
