"""Who may ask which route."""

import httpx2
import pytest
from fastapi.routing import APIRoute
from starlette.routing import Route

from seekloop.serve.access.issue import Grant, issue
from seekloop.serve.access.routes import OPEN, ROUTES, methods_of
from seekloop.serve.app import build_app
from seekloop.serve.caller import Role
from seekloop.system.clock import SystemClock


@pytest.fixture(scope="module")
def served(lasting_world):
    with lasting_world.serving(lasting_world.release("a")) as served:
        yield served


@pytest.fixture(scope="module")
def keys(lasting_world):
    """A key of each role."""
    ledger = lasting_world.ctx.ledger
    grants = [Grant(name=f"a-{role}", role=role) for role in Role]
    made = [issue(grant, ledger=ledger, clock=SystemClock(), actor="t", reason="t")[1] for grant in grants]
    return dict(zip(Role, made, strict=True))


@pytest.fixture
def status(served, keys):
    """The status that a role gets from a route."""

    def _status(role, method, path, **body):
        headers = {"Authorization": f"Bearer {keys[role]}"}
        return httpx2.request(method, f"{served.url}{path}", headers=headers, **body).status_code

    return _status


def routed(app):
    """(path, method) of everything that the application answers."""
    found = {(path, method.upper()) for path, item in app.openapi()["paths"].items() for method in item}
    single = [route for route in app.routes if isinstance(route, APIRoute | Route)]
    return found | {(route.path, method) for route in single for method in route.methods or ()} - {
        ("/openapi.json", "HEAD")
    }


def test_every_route_is_in_the_table_and_nothing_else_is(served):
    listed = {(path, method) for path, methods in ROUTES.items() for method in methods}
    assert routed(build_app(served.gateway)) == listed | {(path, "GET") for path in OPEN}


def test_roles_are_a_ladder():
    assert [[role.covers(needed) for needed in Role] for role in Role] == [
        [place <= rank for place in range(len(Role))] for rank in range(len(Role))
    ]


@pytest.mark.parametrize("role", Role)
def test_a_role_gets_what_the_table_says_and_403_for_the_rest(status, role):
    for path, methods in ROUTES.items():
        for method, needed in methods.items():
            found = status(role, method, path.replace("{", "").replace("}", ""))
            assert (found == 403) == (not role.covers(needed)), (method, path)


def test_a_refusal_names_the_role_that_is_needed_in_openais_shape(served, keys):
    refused = httpx2.post(
        f"{served.url}/v1/completions", headers={"Authorization": f"Bearer {keys[Role.VIEWER]}"}, json={}
    )
    error = refused.json()["error"]
    assert refused.status_code == 403
    assert (error["code"], error["type"]) == ("insufficient_permissions", "invalid_request_error")
    assert "a-viewer is a viewer" in error["message"]
    assert "--role user" in error["message"]


@pytest.mark.parametrize(
    "path",
    ["/", "/v1", "/v1/models/", "/v1/models/a/b", "//v1/models", "/v1/answers//lineage", "/v1/answers/a", "/docs"],
)
def test_what_is_not_listed_is_not_there_for_anybody(status, path):
    assert status(Role.ADMIN, "GET", path) == 404


@pytest.mark.parametrize("method", ["DELETE", "PUT", "OPTIONS", "HEAD", "PATCH", "TRACE"])
def test_a_method_that_is_not_listed_is_refused(status, method):
    assert status(Role.ADMIN, method, "/v1/models") == 405


def test_a_name_in_a_path_is_one_segment():
    assert methods_of("/v1/models/release:abc") == {"GET": Role.VIEWER}
    assert not methods_of("/v1/models/{name}/x")
    assert not methods_of("/v1/answers/a/b/lineage")


def test_a_user_judges_its_own_answers_only_and_a_reviewer_everybodys(served, keys, status):
    question = {"model": "production", "messages": [{"role": "user", "content": "Hi"}]}
    asked = httpx2.post(
        f"{served.url}/v1/chat/completions", json=question, headers={"Authorization": f"Bearer {keys[Role.USER]}"}
    ).json()
    others = served.ask().json()
    told = [
        status(role, "POST", "/v1/feedback", json={"answer": answer["id"], "score": 1})
        for role, answer in ((Role.USER, asked), (Role.USER, others), (Role.REVIEWER, others))
    ]
    assert told == [200, 404, 200]
    (given,) = served.world.ctx.ledger.feedback(answer=asked["id"])
    assert given.caller == "a-user"


def test_everybody_is_told_what_their_key_is(served, keys):
    told = httpx2.get(f"{served.url}/v1/keys/self", headers={"Authorization": f"Bearer {keys[Role.VIEWER]}"}).json()
    assert (told["name"], told["role"], told["limits"], told["left"]) == ("a-viewer", "viewer", [], {})


def test_an_admin_sees_every_key_and_revokes_one_with_a_reason(served, lasting_world):
    ledger = lasting_world.ctx.ledger
    made, key = issue(Grant(name="short-lived"), ledger=ledger, clock=SystemClock(), actor="t", reason="t")
    assert served.http.post("/v1/keys/short-lived/revoke", json={"reason": ""}).status_code == 400
    assert served.http.post("/v1/keys/nobody/revoke", json={"reason": "r"}).status_code == 404
    assert served.http.post("/v1/keys/short-lived/revoke", json={"reason": "leaked"}).json()["state"] == "revoked"
    assert served.http.post("/v1/keys/short-lived/revoke", json={"reason": "again"}).status_code == 409
    (event,) = ledger.events(kind="key.revoked", subject=made.id)
    assert (event.actor, event.facts["reason"]) == ("tester", "leaked")
    listed = served.http.get("/v1/keys").json()["data"]
    assert {one["name"]: one["state"] for one in listed}["short-lived"] == "revoked"
    assert key.rpartition("_")[2] not in str(listed)
    assert "argon2" not in str(listed)
