"""The guard: budgets, suspicion, blocks that outlive it and hold for other gateways, and what answers give away."""

from __future__ import annotations

import itertools
import random

import pytest

from seekloop.artifact.ledger import Answer
from seekloop.artifact.payloads import subject_name
from seekloop.runtime.generate.backend import Chance, Prompt
from seekloop.serve.caller import Caller
from seekloop.serve.guard.guard import BASELINE, BLOCKED, LIFTED, SUSPECTED, Guard
from seekloop.serve.guard.honey import Honey, tokens_in
from seekloop.serve.guard.learning import learn, suspects
from seekloop.serve.guard.spec import ChanceOptions, GuardOptions, HoneyOptions, WatermarkOptions
from seekloop.system.clock import ManualClock
from seekloop.system.errors import UsageError

SECRET = b"s" * 32
APP, SHOP = Caller(name="app", tenant="bank"), Caller(name="shop", tenant="bank")
PROMPT = Prompt(ids=(1, 2, 3), stop_ids=frozenset({0}), top=5)


@pytest.fixture
def clock():
    return ManualClock()


def guard(ledger, clock, **options):
    return Guard(GuardOptions(**options), secret=SECRET, ledger=ledger, clock=clock)


def normal(rng):
    """Questions of an ordinary key: few words, often again."""
    common = [" ".join(str(rng.randrange(40)) * 3 for _ in range(4)) for _ in range(60)]
    while True:
        yield rng.choice(common[: rng.randint(1, 60)])


def copier(rng):
    """Never the same question."""
    while True:
        yield " ".join(str(rng.randrange(10**6)) for _ in range(6))


def answers(scope, asked, day, count=300):
    tenant, name = scope.split("/")
    return [
        Answer(
            id=f"ans_{tenant}{name}{day}{number}",
            release="release:1",
            at=f"2026-01-{day:02}T00:00:00+00:00",
            caller=name,
            messages=[{"role": "user", "content": next(asked)}],
            content=f"intent{min(int(random.Random(number).expovariate(0.5)), 9)}",
            finish_reason="stop",
            prompt_tokens=1,
            completion_tokens=1,
            first_token_ms=1.0,
            total_ms=1.0,
            subject=subject_name(tenant, name),
        )
        for number in range(count)
    ]


@pytest.fixture
def learnt(ledger):
    """A ledger whose project knows what is normal."""
    for day in range(1, 7):
        ledger.record_answers(answers("bank/app", normal(random.Random(day)), day))
    baseline = learn(ledger, after="2026-01-01T00:00:00+00:00", least=200, days=30)
    ledger.note(BASELINE, "guard", facts={"baseline": baseline.model_dump(mode="json")}, actor="li")
    return ledger


def ask(watch, caller, asked, count):
    """How many of `count` questions were refused, by code."""
    refused = []
    for text in itertools.islice(asked, count):
        try:
            watch.admit(caller, text)
        except UsageError as error:
            refused.append(error.code)
        watch.heard(caller, f"intent{len(text) % 10}")
    return refused


def test_a_budget_counts_different_prompts_and_repeats_are_free(ledger, clock):
    watch = guard(ledger, clock, prompts_a_day=10)
    asked = [f"question number {n}" for n in range(10)]
    assert ask(watch, APP, iter(asked * 5), 50) == []
    assert ask(watch, APP, iter(["another one", *asked]), 11) == ["guard.budget"]
    assert ask(watch, SHOP, iter(["another one"]), 1) == []


def test_a_budget_slides_over_midnight(ledger, clock):
    watch = guard(ledger, clock, prompts_a_day=10)
    ask(watch, APP, (f"question number {n}" for n in itertools.count()), 10)
    clock.advance(24 * 3600 + 60)
    assert ask(watch, APP, iter(["the first of today"]), 1) == ["guard.budget"]
    clock.advance(20 * 3600)
    assert ask(watch, APP, iter(["later today"]), 1) == []


def test_a_baseline_needs_enough_keys_and_days(ledger):
    ledger.record_answers(answers("bank/app", normal(random.Random(1)), 1))
    with pytest.raises(UsageError) as refused:
        learn(ledger, after="2026-01-01T00:00:00+00:00", least=200, days=30)
    assert (refused.value.code, refused.value.facts["callers"]) == ("guard.few_callers", 1)


def test_nobody_is_judged_before_there_is_a_baseline(ledger, clock):
    watch = guard(ledger, clock, action="block")
    assert ask(watch, APP, copier(random.Random(1)), 500) == []
    watch.exchange()
    assert suspects(ledger) == {}


def test_a_copier_is_slowed_then_shut_out_and_a_customer_is_not(learnt, clock):
    watch = guard(learnt, clock, action="block", throttle_at=4.0, block_at=6.0)
    watch.exchange()
    assert ask(watch, APP, normal(random.Random(99)), 600) == []
    refused = ask(watch, SHOP, copier(random.Random(1)), 600)
    assert set(refused) == {"guard.throttled", "guard.blocked"} or set(refused) == {"guard.blocked"}
    assert len(refused) >= 350
    watch.exchange()
    assert suspects(learnt) == {"bank/shop": BLOCKED}
    assert watch.score(APP) < 4 < 6 <= watch.score(SHOP)


def test_watching_refuses_nobody_and_records_once(learnt, clock):
    watch = guard(learnt, clock)
    watch.exchange()
    assert ask(watch, SHOP, copier(random.Random(1)), 600) == []
    watch.exchange()
    watch.exchange()
    (event,) = learnt.events(kind=SUSPECTED)
    assert event.subject == "bank/shop"
    assert event.facts["score"] >= 5 and event.facts["growth"] > 0


def test_a_slowed_key_may_ask_a_few_a_minute(learnt, clock):
    watch = guard(learnt, clock, action="throttle", slow_per_minute=6)
    watch.exchange()
    ask(watch, SHOP, copier(random.Random(1)), 400)
    assert ask(watch, SHOP, copier(random.Random(2)), 5) == ["guard.throttled"] * 5
    clock.advance(11)
    assert ask(watch, SHOP, copier(random.Random(3)), 5) == ["guard.throttled"] * 4


def test_a_block_holds_in_another_gateway_and_after_a_restart_until_it_is_lifted(learnt, clock):
    one = guard(learnt, clock, action="block", throttle_at=4.0, block_at=6.0)
    one.exchange()
    ask(one, SHOP, copier(random.Random(1)), 600)
    one.exchange()
    two = guard(learnt, clock, action="block", throttle_at=4.0, block_at=6.0)
    two.exchange()
    assert ask(two, SHOP, iter(["Where is my card?"]), 1) == ["guard.blocked"]
    learnt.note(LIFTED, "bank/shop", facts={"reason": "a test of ours"}, actor="li")
    for watch in (one, two):
        watch.exchange()
        assert ask(watch, SHOP, copier(random.Random(5)), 50) == []
    assert suspects(learnt) == {}


def test_what_two_gateways_saw_adds_up_and_survives_both(learnt, clock):
    one, two = (guard(learnt, clock, throttle_at=4.0) for _ in range(2))
    one.exchange()
    two.exchange()
    for watch, seed in ((one, 1), (two, 2)):
        ask(watch, SHOP, copier(random.Random(seed)), 150)
        assert watch.score(SHOP) == 0.0  # not enough yet for either
    for watch in (one, two):
        watch.exchange()
    one.exchange()
    ask(one, SHOP, copier(random.Random(3)), 16)
    assert one.score(SHOP) > 4
    one.exchange()
    three = guard(learnt, clock, throttle_at=4.0)
    three.exchange()
    ask(three, SHOP, copier(random.Random(4)), 16)
    assert three.score(SHOP) > 4


def test_days_out_of_the_window_count_no_more(learnt, clock):
    one = guard(learnt, clock, window_days=2)
    one.exchange()
    ask(one, SHOP, copier(random.Random(1)), 400)
    one.exchange()
    clock.advance(3 * 24 * 3600)
    two = guard(learnt, clock, window_days=2)
    two.exchange()
    ask(two, SHOP, normal(random.Random(1)), 100)
    assert two.score(SHOP) == 0.0


def test_a_baseline_leaves_out_keys_under_suspicion(learnt):
    learnt.record_answers(answers("bank/shop", copier(random.Random(1)), 7))
    loose = learn(learnt, after="2026-01-01T00:00:00+00:00", least=200, days=30)
    learnt.note(SUSPECTED, "bank/shop", facts={}, actor="guard")
    tight = learn(learnt, after="2026-01-01T00:00:00+00:00", least=200, days=30)
    assert (loose.callers, tight.callers) == (7, 6)
    assert tight.growth.spread < loose.growth.spread


def test_chances_are_rounded_shortened_and_told_in_full_to_those_who_may(ledger, clock):
    watch = guard(ledger, clock, chances=ChanceOptions(decimals=1, top=1))
    blur = watch.blur("reader", PROMPT)
    assert blur(7, Chance(-0.1234, ((7, -0.1234), (8, -2.5)))) == Chance(-0.1, ((7, -0.1),))
    assert watch.blur("admin", PROMPT) is None
    assert guard(ledger, clock).blur("reader", PROMPT) is None


def test_noise_is_small_the_same_each_time_and_another_for_another_prompt(ledger, clock):
    watch = guard(ledger, clock, chances=ChanceOptions(noise=0.1))
    other = Prompt(ids=(9,), stop_ids=PROMPT.stop_ids, top=5)
    told = [watch.blur("", prompt)(7, Chance(-1.0)).logprob for prompt in (PROMPT, PROMPT, other)]
    assert told[0] == told[1] != told[2]
    assert all(-1.1 <= value <= -0.9 for value in told)
    assert watch.blur("", PROMPT)(7, Chance(0.0)).logprob <= 0.0


def test_a_honeytoken_is_of_one_key_and_release_and_is_found_again():
    honey = Honey(HoneyOptions(share=0.1, prompts=("What is the colour of the vault?",)), secret=SECRET)
    assert honey.planted(b"what is the colour of the vault?", caller="bank/app", release="r1")
    marked = [n for n in range(2000) if honey.planted(b"q%d" % n, caller="bank/app", release="r1")]
    assert 140 < len(marked) < 260
    assert marked == [n for n in range(2000) if honey.planted(b"q%d" % n, caller="bank/shop", release="r1")]
    said = honey.planted(b"q%d" % marked[0], caller="bank/app", release="r1")
    known = {
        honey.token(caller, release): (caller, release) for caller in ("bank/app", "x") for release in ("r1", "r2")
    }
    assert len(known) == 4
    assert tokens_in(["nothing", f"It is on its way.{said.lower()}"], known) == {("bank/app", "r1"): 1}


def test_a_watermark_is_for_torch_and_its_absence_elsewhere_is_said(ledger, clock, caplog):
    watch = guard(ledger, clock, watermark=WatermarkOptions(delta=2.0))
    assert watch.mark("torch 2.13.0").delta == 2.0
    with caplog.at_level("WARNING"):
        assert [watch.mark("llama.cpp 1") for _ in range(3)] == [None] * 3
    assert len(caplog.records) == 1
    assert guard(ledger, clock).mark("torch 2.13.0") is None


def test_a_gateway_refuses_and_marks_as_its_guard_says(world):
    release = world.release("a", {"Where is my card?": "On its way."})
    options = GuardOptions(prompts_a_day=2, honey=HoneyOptions(prompts=("where is MY card?",)))
    with world.serving(release, guard=options) as served:
        first = served.ask("Where is my card?")
        stream = served.ask("Where is my card?", stream=True)
        assert served.ask("Two").status_code == 200
        refused = served.ask("Three")
        assert served.ask("Two").status_code == 200
    said = first.json()["choices"][0]["message"]["content"]
    assert said.startswith("On its way.\n\nRef. ")
    assert said[-9:] in stream.text
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "guard.budget")
    assert [answer.content for answer in world.ctx.ledger.answers()][:2] == [said, said]
    assert len(world.ctx.ledger.answers()) == 4
