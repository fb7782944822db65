"""The description of the gateway is complete and true: whatever fits or breaks it is answered as it says."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.serve.conftest import KEY

CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
EXAMPLES = 12


@pytest.fixture(scope="module")
def served(lasting_world):
    with lasting_world.serving(lasting_world.release("a")) as served:
        yield served


@pytest.fixture(scope="module")
def description(served):
    return served.http.get("/openapi.json").json()


ROUTES = [
    "POST /v1/chat/completions",
    "POST /v1/completions",
    "POST /v1/embeddings",
    "GET /v1/models",
    "GET /v1/models/{name}",
    "POST /v1/feedback",
    "POST /v1/ratings",
    "POST /v1/feedback/batch",
    "POST /v1/consent",
    "GET /v1/answers/{identity}/lineage",
    "GET /v1/releases",
    "GET /v1/rollouts",
    "POST /v1/rollouts",
    "GET /v1/rollouts/{identity}",
    "POST /v1/rollouts/{identity}/step",
    "POST /v1/rollouts/{identity}/abort",
    "GET /v1/approvals",
    "POST /v1/approvals/{candidate}",
    "GET /v1/safety",
    "GET /v1/keys",
    "GET /v1/keys/self",
    "POST /v1/keys/{name}/revoke",
    "GET /metrics",
    "GET /livez",
    "GET /readyz",
]


def test_every_route_is_described_and_no_other(description):
    found = [f"{method.upper()} {path}" for path, one in description["paths"].items() for method in one]
    assert sorted(found) == sorted(ROUTES)


def test_every_route_tells_its_errors_in_one_shape_and_whether_it_needs_a_key(description):
    for path, operations in description["paths"].items():
        for operation in operations.values():
            assert operation["responses"]["4XX"]["content"]["application/json"]["schema"]["$ref"].endswith("/Error")
            assert ("security" in operation) == (path not in ("/livez", "/readyz"))
            assert operation["summary"]


schemathesis.serializer.alias("application/x-ndjson", "text/plain")
BREAKABLE = [route for route in ROUTES if route.startswith("POST")]
CASES = [(route, GenerationMode.POSITIVE) for route in ROUTES]
CASES += [(route, GenerationMode.NEGATIVE) for route in BREAKABLE]


@pytest.mark.parametrize(("route", "mode"), CASES, ids=str)
def test_whatever_comes_is_answered_as_the_description_says(served, description, route, mode):
    method, path = route.split()
    schema = schemathesis.openapi.from_dict(description)
    schema.config.update(base_url=served.url)
    schema.config.generation.update(with_security_parameters=False)
    operation = schema[path][method]

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case):
        if isinstance(case.body, dict) and isinstance(case.body.get("model"), str):
            case.body["model"] = "production"
        case.call_and_validate(headers={"Authorization": f"Bearer {KEY}"}, checks=CHECKS)

    check()
