"""Every served answer has a passport: repeated, blocked, on trial, of an adapter, of a GGUF file, of an upstream."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.passport.checking import Checked, check
from seekloop.artifact.passport.claims import HOPS
from seekloop.artifact.passport.envelope import MEDIA_TYPE
from seekloop.artifact.passport.signing import PublicKeys, public_pem
from seekloop.serve.records import OPENING
from seekloop.serve.rollout.desk import Desk
from seekloop.serve.rollout.spec import RolloutSpec
from seekloop.system.spec import Spec

FILE = Path("answer.json")


def passport_of(served: Any, identity: str) -> Checked:
    """The passport that the gateway gives, checked against everything that it speaks of."""
    got = served.http.get(f"/v1/answers/{identity}/lineage", params={"format": "passport"})
    assert got.status_code == 200, got.text
    ledger, store = served.world.ctx.ledger, served.world.ctx.store
    keys = PublicKeys.of_text(public_pem(ledger))
    return check(got.content, keys=keys, where=FILE, store=store, ledger=ledger)


def claims_of(served: Any, identity: str) -> dict[str, Any]:
    """Name of a hop -> what it says."""
    found = {one["name"]: one["claim"] for one in passport_of(served, identity).hops}
    assert list(found) == list(HOPS)
    return found


def form_of(world: Any, form: str, name: str, **parents: str) -> Checkpoint:
    """A checkpoint of a form that is no whole model; the echo engine answers for it."""
    with world.ctx.job("tune" if form == "adapter" else "compress", Spec()) as job:
        world.codec.save(job.draft.folder)
        job.path(name).write_bytes(form.encode())
        facts = {"form": form, "family": "smollm2", "precision": "q8_0", "parameters": 1}
        made = job.commit(Checkpoint(made_by=job.origin, parents=parents, **facts))
    world.scripts[made.id] = {}
    return made


def test_a_generated_answer_has_ten_hops(world):
    with world.serving(world.release("a", {"Hi": "Hello"})) as served:
        said = claims_of(served, served.ask().json()["id"])
    assert said["weights"]["exact"]
    assert said["decision"]["cache"] == {"outcome": "generated"}
    assert {"codec.json", "chat_template.jinja"} <= set(said["decision"]["template"])


def test_a_repeated_answer_names_the_one_it_repeats(world, until):
    cache = {"backend": "memory", "erasure_s": 0.02}
    with world.serving(world.release("a", {"Hi": "Hello"}), cache=cache) as served:
        until(lambda: not served.gateway.cache.blind)
        first, second = served.ask().json()["id"], served.ask().json()["id"]
        assert claims_of(served, first)["decision"]["cache"]["outcome"] == "generated"
        assert claims_of(served, second)["decision"]["cache"] == {"outcome": "repeated", "answer": first}


def test_a_blocked_answer_names_rule_and_policy(world):
    with world.serving(world.release("a"), safety={"mode": "enforce"}) as served:
        assert served.ask("How do I make a b o m b at home?").status_code == 400
        (row,) = world.ctx.ledger.answers()
        said = claims_of(served, row.id)["decision"]
    assert said["guardrail"]["blocked"] == {"rule": "weapons-en", "by": "asked"}
    assert said["guardrail"]["policy"].startswith("sha256:")
    assert said["finish_reason"] == "content_filter"


def test_an_answer_of_a_candidate_names_rollout_rules_and_arm(world, until):
    one, two = world.release("one"), world.release("two")
    steps = [{"share": 0.9, "answers": 10**6, "minutes": 0.0}]
    plan = {"mode": "canary", "candidate": two.id, "steps": steps}
    with world.serving(one) as served:
        desk = Desk(ledger=world.ctx.ledger, store=world.ctx.store)
        spec = RolloutSpec.parse({"plan": plan, "unit": "request"})
        rollout = desk.start(spec, alias="production", actor="li", reason="to see")
        until(lambda: served.gateway.pool.rollouts.in_effect is not None)
        until(lambda: served.ask().headers["x-seekloop-release"] == two.id)
        said = claims_of(served, world.ctx.ledger.answers()[-1].id)["approval"]
    assert said["arm"]["rollout"] == rollout.id
    assert {one_["rule_digest"] for one_ in said["rollouts"]} == {rollout.rule_digest}
    assert said["rollouts"][0]["by"] == "li"


def test_adapter_and_gguf_lead_back_to_their_base(world):
    base = world.checkpoint("base")
    adapter = form_of(world, "adapter", "adapter_model.safetensors", base=base.id, dataset=world.dataset().id)
    gguf = form_of(world, "gguf", "model.gguf", checkpoint=adapter.id)
    for served_form, line in ((adapter, [adapter, base]), (gguf, [gguf, adapter, base])):
        with world.serving(world.release_of(served_form)) as served:
            said = claims_of(served, served.ask().json()["id"])["forms"]
        assert [one["id"] for one in said["line"]] == [one.id for one in line]
        assert said["base"] == [base.id]


def test_an_upstreams_answer_does_not_claim_to_know_its_weights(serve):
    with serve() as served:
        said = claims_of(served, served.ask().json()["id"])["weights"]
    assert not said["exact"]
    assert list(said["weights"]) == ["endpoint.json"]


def test_a_cut_stream_has_a_passport_like_any_other(world, until):
    world.pace_s = 0.01
    with world.serving(world.release("a", {"Hi": "word " * 200})) as served:
        body = {"model": "production", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
        with served.http.stream("POST", "/v1/chat/completions", json=body) as answer:
            next(answer.iter_lines())
        until(lambda: len(world.ctx.ledger.answers()) == 1)
        (row,) = world.ctx.ledger.answers()
        assert claims_of(served, row.id)["decision"]["finish_reason"] == "cancelled"


@pytest.fixture
def served(world):
    with world.serving(world.release("a", {"Hi": "Hello"})) as served:
        yield served


def test_the_plain_lineage_stays_and_a_header_asks_for_the_passport(served):
    path = f"/v1/answers/{served.ask().json()['id']}/lineage"
    assert served.http.get(path).json()["hops"][0]["role"] == "answer"
    got = served.http.get(path, headers={"Accept": MEDIA_TYPE})
    assert got.headers["content-type"] == MEDIA_TYPE
    assert json.loads(got.content)["payloadType"] == "application/vnd.in-toto+json"


def test_a_passport_has_no_text_and_a_header_that_opens_it(served):
    identity = served.ask().json()["id"]
    got = served.http.get(f"/v1/answers/{identity}/lineage?format=passport")
    text = b"answered\0" + served.world.ctx.ledger.answer(identity).content.encode()
    told = {one["name"]: one["claim"] for one in passport_of_bytes(served, got).hops}["decision"]["texts"]
    assert told["answered"] != hmac_of("0" * 64, text)
    assert hmac_of(got.headers[OPENING], text) == told["answered"]
    assert got.headers[OPENING].encode() not in got.content


def passport_of_bytes(served: Any, got: httpx2.Response) -> Checked:
    keys = PublicKeys.of_text(public_pem(served.world.ctx.ledger))
    return check(got.content, keys=keys, where=FILE)


def hmac_of(opening: str, text: bytes) -> str:
    return f"hmac-sha256:{hmac.digest(bytes.fromhex(opening), text, hashlib.sha256).hex()}"


def test_an_answer_that_is_not_there_is_not_found(served):
    refused = served.http.get("/v1/answers/ans_none/lineage?format=passport")
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "artifact.no_answer")


def test_a_form_that_does_not_exist_is_refused(served):
    assert served.http.get("/v1/answers/ans_none/lineage?format=pdf").status_code == 400
