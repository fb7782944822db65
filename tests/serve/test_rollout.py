"""Rollouts on a running gateway: who answers and is named, what ends a bad candidate, and that no client notices."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from seekloop.serve.rollout.desk import Desk
from seekloop.serve.rollout.spec import RolloutSpec
from seekloop.serve.rollout.state import Kind

QUESTION = "Who are you?"
TALK = [{"role": "user", "content": QUESTION}]


def named(world, name):
    return world.release(name, {QUESTION: f"I am {name}."})


def canary(release, *, share=0.5, answers=10**6, minutes=0.0, **spec):
    steps = [{"share": share, "answers": answers, "minutes": minutes}]
    return RolloutSpec.parse(
        {"plan": {"mode": "canary", "candidate": release.id, "steps": steps}, "unit": "request", **spec}
    )


def desk_of(world):
    return Desk(ledger=world.ctx.ledger, store=world.ctx.store)


def begin(served, spec, until):
    """Start a rollout, and wait until this gateway takes part."""
    desk = desk_of(served.world)
    rollout = desk.start(spec, alias="production", actor="tester", reason="to see")
    until(lambda: served.gateway.pool.rollouts.in_effect is not None)
    return desk, rollout


def ask(served, **fields):
    """(status, release in the header, text)"""
    answer = served.ask(QUESTION, **fields)
    text = answer.json()["choices"][0]["message"]["content"] if answer.status_code == 200 else answer.text
    return answer.status_code, answer.headers.get("x-seekloop-release"), text


def end_of(desk, rollout, until):
    """The change that ended it."""
    until(lambda: not desk.read().known[rollout.id].running)
    return desk.read().known[rollout.id].changes[-1]


def test_the_rules_are_in_the_chain_before_the_candidate_is_asked(world, until):
    one, two = named(world, "one"), named(world, "two")
    with world.serving(one) as served:
        _, rollout = begin(served, canary(two, share=0.9), until)
        until(lambda: ask(served)[1] == two.id)
    (began,) = world.ctx.ledger.events(kind=Kind.STARTED)
    asked = [event for event in world.ctx.ledger.events(kind="answer.recorded") if event.facts["release"] == two.id]
    assert began.seq < asked[0].seq
    assert began.facts["rule_digest"] == RolloutSpec.model_validate(began.facts["spec"]).digest == rollout.rule_digest
    assert asked[0].facts["arm"]["rollout"] == rollout.id


def test_a_caller_stays_with_one_release_and_a_growing_share_moves_only_towards_the_candidate(world, until):
    one, two = named(world, "one"), named(world, "two")
    steps = [{"share": share, "answers": 10**6} for share in (0.3, 0.7)]
    spec = RolloutSpec.parse({"plan": {"mode": "canary", "candidate": two.id, "steps": steps}})
    sessions = [{"headers": {"x-seekloop-session": f"person {number}"}} for number in range(20)]

    def seen(served):
        body = {"model": "production", "messages": TALK}
        return [
            served.http.post("/v1/chat/completions", json=body, **one_).headers["x-seekloop-release"]
            for one_ in sessions
        ]

    with world.serving(one) as served:
        desk, rollout = begin(served, spec, until)
        first, again = seen(served), seen(served)
        desk.step(desk.find(rollout.id, alias="production"), actor="tester", reason="it looks good")
        until(lambda: served.gateway.pool.rollouts.live.rollout.step == 1)
        later = seen(served)
    assert first == again
    assert set(first) == {one.id, two.id}
    assert all(after == two.id for before, after in zip(first, later, strict=True) if before == two.id)
    assert later.count(two.id) > first.count(two.id)


def test_a_candidate_whose_engine_keeps_dying_is_rolled_back_and_no_client_sees_it(world, until):
    one, two = named(world, "one"), named(world, "two")
    bad = world.nursery(2)

    async def open_(checkpoint):
        return await (bad.open(checkpoint) if checkpoint.id == two.checkpoint else world.open(checkpoint))

    with world.serving(one, opener=open_) as served:
        desk, rollout = begin(served, canary(two), until)
        with ThreadPoolExecutor(4) as pool:
            said = list(pool.map(lambda number: ask(served), range(60)))
        end = end_of(desk, rollout, until)
        until(lambda: served.gateway.pool.rollouts.in_effect is None)
        assert ask(served) == (200, one.id, "I am one.")
    assert {status for status, _, _ in said} == {200}
    assert {(release, text) for _, release, text in said} == {(one.id, "I am one.")}
    assert (end.kind, end.actor) == (Kind.ROLLED_BACK, "rules")
    assert "errors of release:" in end.facts["reason"]
    (told,) = [one_ for one_ in desk.explain(desk.read().known[rollout.id]) if one_.what == "rolled_back"]
    assert (told.same_verdict, told.same_counts) == (True, True)


def test_a_stream_of_a_candidate_that_dies_is_labelled_with_the_release_that_answered(world, until):
    one, two = named(world, "one"), named(world, "two")
    bad = world.nursery(10**9, 1)

    async def open_(checkpoint):
        return await (bad.open(checkpoint) if checkpoint.id == two.checkpoint else world.open(checkpoint))

    with world.serving(one, opener=open_) as served:
        begin(served, canary(two, share=0.99, alpha=1e-9), until)
        bad.made[0].lives = 0
        for _ in range(3):
            raw = served.client.chat.completions.with_raw_response.create(
                model="production", messages=TALK, stream=True
            )
            chunks = list(raw.parse())
            assert raw.headers["x-seekloop-release"] == one.id
            assert {chunk.system_fingerprint for chunk in chunks} == {one.id}
            assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "I am one."
    failed = [row.arm.get("failed") for row in world.ctx.ledger.answers() if row.arm.get("arm") == two.id]
    assert failed
    assert all(failed)


def test_an_answer_in_the_place_of_an_upstreams_has_its_own_counts(world, upstream, until):
    one, two = named(world, "one"), world.upstream_release(upstream)
    with world.serving(one) as served:
        served.ask(QUESTION)
        begin(served, canary(two, share=0.99, alpha=1e-9), until)
        upstream.manner.status = 500
        for _ in range(5):
            served.ask(QUESTION)
    alone, *rows = world.ctx.ledger.answers()
    replaced = [row for row in rows if "failed" in row.arm]
    assert replaced
    assert {(row.content, row.prompt_tokens, row.completion_tokens) for row in replaced} == {
        (alone.content, alone.prompt_tokens, alone.completion_tokens)
    }


def test_a_candidate_that_is_silent_for_too_long_is_answered_for(world, until):
    one, two = named(world, "one"), named(world, "two")
    engines = {}

    async def open_(checkpoint):
        engines[checkpoint.id] = await world.open(checkpoint)
        return engines[checkpoint.id]

    async def never(prompt):
        await asyncio.Event().wait()
        yield

    with world.serving(one, opener=open_) as served:
        desk, rollout = begin(served, canary(two, first_token_s=0.05), until)
        engines[two.checkpoint].stream = never
        while desk.read().known[rollout.id].running:
            assert ask(served) == (200, one.id, "I am one.")
    assert {row.arm["failed"] for row in world.ctx.ledger.answers() if "failed" in row.arm} == {"rollout.silent"}


def test_a_candidate_that_people_dislike_is_rolled_back(world, until):
    one, two = named(world, "one"), named(world, "two")
    rules = [{"watch": "score", "margin": 0.05}]
    with world.serving(one) as served:
        desk, rollout = begin(served, canary(two, rules=rules), until)
        deadline = time.monotonic() + 20
        while desk.read().known[rollout.id].running:
            assert time.monotonic() < deadline
            answer = served.ask(QUESTION).json()
            score = float(answer["system_fingerprint"] == one.id)
            served.http.post("/v1/feedback", json={"answer": answer["id"], "score": score}).raise_for_status()
        end = end_of(desk, rollout, until)
    assert end.facts["reason"].startswith("score of release:")
    assert [o["state"] for o in end.facts["verdict"]["outcomes"]] == ["failed"]


def test_a_slow_candidate_is_rolled_back(world, until):
    one, two = named(world, "one"), named(world, "two")

    async def open_(checkpoint):
        world.pace_s = 0.02 if checkpoint.id == two.checkpoint else 0.0
        return await world.open(checkpoint)

    rules = [{"watch": "first_token", "quantile": 0.5, "ratio": 1.5}]
    with world.serving(one, opener=open_) as served:
        desk, rollout = begin(served, canary(two, rules=rules), until)
        deadline = time.monotonic() + 60
        with ThreadPoolExecutor(4) as pool:
            while desk.read().known[rollout.id].running:
                assert time.monotonic() < deadline
                list(pool.map(lambda number: ask(served), range(8)))
        assert end_of(desk, rollout, until).facts["reason"].startswith("first_token of release:")


def test_a_good_candidate_goes_up_and_the_alias_moves_with_the_last_step(world, until):
    one, two = named(world, "one"), named(world, "two")
    rules = [{"watch": "errors", "margin": 0.5}]
    with world.serving(one) as served:
        desk, rollout = begin(served, canary(two, answers=5, rules=rules), until)
        while desk.read().known[rollout.id].running:
            assert ask(served)[0] == 200
        served.wait_for(two)
        assert served.http.get("/v1/releases").json()["previous"]["release"] == one.id
        assert ask(served) == (200, two.id, "I am two.")
    assert len(world.opened) == 2
    finished, moved = [*world.ctx.ledger.events(kind=[Kind.FINISHED, "alias.moved"])][-2:]
    assert (finished.kind, moved.kind, moved.facts["target"]) == (Kind.FINISHED, "alias.moved", two.id)
    assert moved.seq == finished.seq + 1


def test_moving_the_alias_ends_the_rollout(world, until):
    one, two, three = (named(world, name) for name in ("one", "two", "three"))
    with world.serving(one) as served:
        desk, rollout = begin(served, canary(two), until)
        world.promote(three)
        served.wait_for(three)
        assert ask(served)[1] == three.id
        end = end_of(desk, rollout, until)
    assert (end.kind, end.actor) == (Kind.ABORTED, "gateway")


def test_a_candidate_that_does_not_start_is_rolled_back(world, until):
    one, two = named(world, "one"), named(world, "two")
    world.ctx.store.path(two.checkpoint, "model.safetensors").write_bytes(b"evil")
    with world.serving(one, retry_s=0.01) as served:
        desk = desk_of(world)
        rollout = desk.start(canary(two), alias="production", actor="tester", reason="to see")
        end = end_of(desk, rollout, until)
        assert ask(served)[1] == one.id
    assert "model.safetensors" in end.facts["reason"]


def test_a_shadow_is_no_answer_of_production(world, until):
    one, two = named(world, "one"), named(world, "two")
    plan = {"mode": "shadow", "candidate": two.id, "share": 1.0}
    with world.serving(one) as served:
        _, rollout = begin(served, RolloutSpec.parse({"plan": plan, "unit": "request"}), until)
        answers = [served.ask(QUESTION).json() for _ in range(3)]
        until(lambda: len([*world.ctx.ledger.events(kind="shadow.recorded")]) == 3)
        shadows = [shadow for answer in answers for shadow in world.ctx.ledger.shadows(answer["id"])]
        refused = served.http.post("/v1/feedback", json={"answer": shadows[0].id, "score": 1})
        now = served.http.get(f"/v1/rollouts/{rollout.id}").json()["now"]
    assert {answer["system_fingerprint"] for answer in answers} == {one.id}
    assert {(shadow.release, shadow.content) for shadow in shadows} == {(two.id, "I am two.")}
    assert {row.release for row in world.ctx.ledger.answers()} == {one.id}
    assert refused.json()["error"]["code"] == "artifact.no_answer"
    assert {release: arm["asked"] for release, arm in now["counts"]["0"].items()} == {one.id: 3, two.id: 3}
    assert world.ctx.ledger.verify() > 0


def test_an_erased_answer_takes_its_shadows_along(world, until):
    one, two = named(world, "one"), named(world, "two")
    plan = {"mode": "shadow", "candidate": two.id, "share": 1.0}
    with world.serving(one) as served:
        begin(served, RolloutSpec.parse({"plan": plan, "unit": "request"}), until)
        answer = served.ask(QUESTION).json()["id"]
        until(lambda: world.ctx.ledger.shadows(answer))
    world.ctx.ledger.erase(answer, actor="tester", reason="asked for")
    assert world.ctx.ledger.shadows(answer) == []
    assert world.ctx.ledger.verify() > 0


@pytest.mark.parametrize("stream", [True, False])
def test_a_release_that_takes_part_can_be_asked_for_by_name(world, until, stream):
    one, two, three = (named(world, name) for name in ("one", "two", "three"))
    with world.serving(one) as served:
        arms = [{"release": two.id, "share": 0.01}, {"release": three.id, "share": 0.01}]
        begin(served, RolloutSpec.parse({"plan": {"mode": "split", "arms": arms}}), until)
        for name, release in (("one", one), ("two", two), ("three", three)):
            if not stream:
                assert ask(served, model=release.id) == (200, release.id, f"I am {name}.")
                continue
            chunks = list(served.client.chat.completions.create(model=release.id, messages=TALK, stream=True))
            assert {chunk.system_fingerprint for chunk in chunks} == {release.id}
        assert {row.arm == {} for row in world.ctx.ledger.answers()} == {True}
        assert {model["id"] for model in served.http.get("/v1/models").json()["data"]} >= {two.id, three.id}


def test_a_rollout_is_begun_stepped_and_ended_over_http(world, until):
    one, two = named(world, "one"), named(world, "two")
    rules = {"plan": {"mode": "canary", "candidate": two.id, "steps": [{"share": 0.1}, {"share": 0.2}]}}
    with world.serving(one) as served:
        begun = served.http.post("/v1/rollouts", json={"rules": rules, "reason": "a better one"})
        assert begun.status_code == 201
        identity = begun.json()["id"]
        again = served.http.post("/v1/rollouts", json={"rules": rules, "reason": "twice"})
        assert (again.status_code, again.json()["error"]["code"]) == (409, "rollout.running")
        stepped = served.http.post(f"/v1/rollouts/{identity}/step", json={"reason": "it looks good"})
        assert (stepped.json()["step"], stepped.json()["shares"]) == (1, {two.id: 0.2})
        ended = served.http.post(f"/v1/rollouts/{identity}/abort", json={"reason": "enough"})
        assert ended.json()["phase"] == "aborted"
        over = served.http.post(f"/v1/rollouts/{identity}/step", json={"reason": "once more"})
        assert (over.status_code, over.json()["error"]["code"]) == (409, "rollout.over")
        wrong = served.http.post(
            "/v1/rollouts", json={"rules": {"plan": {"mode": "canary", "candidat": "x"}}, "reason": "typo"}
        )
        assert (wrong.status_code, "did you mean candidate" in wrong.json()["error"]["message"]) == (400, True)
        told = {one_["release"]: one_ for one_ in served.http.get("/v1/releases").json()["releases"]}
        assert told[two.id]["rollouts"] == [{"id": identity, "role": "candidate", "phase": "aborted"}]
    assert [(c["what"], c["actor"]) for c in ended.json()["changes"]] == [
        ("started", "tester"),
        ("stepped", "tester"),
        ("aborted", "tester"),
    ]


def test_the_answers_of_one_request_have_one_label(world, until):
    one, two = named(world, "one"), named(world, "two")
    with world.serving(one) as served:
        begin(served, canary(two, share=0.99), until)
        body = {"model": "production", "prompt": ["a", "b", "c"], "max_tokens": 2}
        answer = served.http.post("/v1/completions", json=body)
    assert answer.headers["x-seekloop-release"] == one.id
    assert {(row.release, len(row.arm)) for row in world.ctx.ledger.answers()} == {(one.id, 0)}
