"""A month of the story: customers ask the real gateway, agents and liars send feedback, the frozen release is asked the
same after hours, and the loop runs by itself. What happened stands in the ledger; nothing is kept beside it.

A month that was killed is begun again with its customers; steps of its cycle that were done are found again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import httpx2
import yaml

from bench.learn_scenario import Liar, Scenario, Visitor
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Release, Report
from seekloop.artifact.ledger import Answer
from seekloop.artifact.rows import Message
from seekloop.loop import registry
from seekloop.loop.project import FILE, Project, recipe_text
from seekloop.loop.run import first_round
from seekloop.loop.steps import Steps
from seekloop.loop.watch.cycles import Cycle, cycles_of
from seekloop.loop.watch.once import once
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.open import open_backend
from seekloop.runtime.models import codec_of
from seekloop.serve.access.issue import Grant, issue, rotate
from seekloop.serve.caller import Role
from seekloop.serve.process import ServerProcess
from seekloop.system.errors import LedgerError
from seekloop.system.files import write_whole
from seekloop.system.plain import parse_yaml
from seekloop.system.spec import override
from seekloop.text import labelled

__all__ = ["ASKED", "BEGUN", "CYCLE", "live", "project"]

BEGUN, ASKED, CYCLE = "story.begun", "story.asked", "story.cycle"
"""Events of the story: the first release, a month's answers, and what its cycle came to."""
AGENTS, STREAMS = 12, 8
RECIPE, SAMPLE = "bank-support_smollm2-135m_lora_cpu", "messages.jsonl"
CHANGES = (
    "compress={int8: {method: {type: gguf, precision: q8_0}}}",
    "tune.epochs=3",
    "learn={min_corrections: 6, max_per_caller: 8, max_confirmed: 48}",
    "incremental.strategies=[retrain, continue]",
    "incremental.data.split={validation: 0.0, test: 0.25}",
    "incremental.data.replay={rows: 240}",
    # A month's lesson has some fifteen test rows: they can show that a candidate is worse on them, hardly that it is
    # better.
    "gate={rules: [{require: non_inferior, figure: accuracy, on: frozen, margin: 0.08}, "
    "{require: non_inferior, figure: accuracy, on: lesson, margin: 0.25}], min_rows: 6}",
    "watch={triggers: [{n_errors: 3}, manual], cool_down: 1s, max_a_day: 100}",
    # Where a twentieth of all feedback lies, most of the few corrections of a good month do; still more is a campaign.
    f"learn.trust={{staff: [{', '.join(f'agent-{number:02d}' for number in range(AGENTS))}], max_poison: 0.7}}",
)
"""The story's own values over the recipe's."""
BUDGET = 0.02
"""Of accuracy on the frozen rows: what the desk lets any later release have forgotten of what the first one knew."""
JSON = dict[str, Any]


def project(folder: Path, *, changes: Sequence[str] = ()) -> Project:
    """The story's project: the demo's recipe and sample; an unfinished one is gone on with.

    Args:
        folder: of the project.
        changes: `KEY=VALUE` over recipe and story.
    """
    if (folder / "seekloop.yaml").exists():
        return Project.open(folder)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    sample = resources.files("seekloop.data").joinpath("sample", SAMPLE).read_bytes()
    (folder / "data" / SAMPLE).write_bytes(sample)
    values = override(parse_yaml(recipe_text(RECIPE), where=RECIPE), CHANGES)
    return Project.create(folder, override(values, changes))


def live(made: Project, scenario: Scenario, *, ctx: RunContext) -> None:
    """Month 0's release, unless the project has released one before, then each month that did not happen yet."""
    if not list(ctx.ledger.events(kind=BEGUN)):
        started = ctx.clock.monotonic()
        if ctx.ledger.alias(made.spec.alias) is None:
            first_round(made.spec, Steps(ctx, "month 0"))
        first = registry.released(made.spec.alias, ctx=ctx).release
        _set_floor(made, first, ctx=ctx)
        facts = {"release": first.id, "seconds": ctx.clock.monotonic() - started}
        ctx.ledger.note(BEGUN, "month 0", facts=facts, actor="story")
    (begun,) = ctx.ledger.events(kind=BEGUN)
    made = Project.open(made.folder)
    done = {event.subject for event in ctx.ledger.events(kind=CYCLE)}
    frozen = ctx.store.open(begun.facts["release"], Release)
    with ServerProcess(made.folder, alias=made.spec.alias) as server:
        for month in range(1, scenario.months + 1):
            if f"month {month}" not in done:
                _month(made, month, scenario=scenario, server=server, frozen=frozen, ctx=ctx)


def _set_floor(made: Project, first: Release, *, ctx: RunContext) -> None:
    """The desk's own rule, once the first release is known: none may be below it by more than the budget.

    Forgetting is not held against the parent here: of releases that are as good as each other one is lucky on the
    frozen rows now and then, and all that follow would be held for it.
    """
    accuracy = ctx.store.open(first.report, Report).figure("accuracy").value
    path = made.folder / FILE
    values = parse_yaml(path.read_text("utf-8"), where=FILE)
    floor = {"require": "at_least", "figure": "accuracy", "value": round(accuracy - BUDGET, 4), "by": "value"}
    rules = [rule for rule in values["gate"]["rules"] if rule["require"] != floor["require"]]
    values["gate"]["rules"] = [*rules, floor]
    write_whole(path, yaml.safe_dump(values, sort_keys=False, allow_unicode=True).encode())


def _month(
    made: Project, month: int, *, scenario: Scenario, server: ServerProcess, frozen: Release, ctx: RunContext
) -> None:
    """Customers, feedback, the frozen release, the cycle."""
    name = f"month {month}"
    asked = next(iter(ctx.ledger.events(kind=ASKED, subject=name)), None)
    if asked is None:
        with _Desk(server, ctx=ctx) as desk:
            facts = desk.open_for(scenario.visitors(month), scenario.lies(month))
        facts |= {"frozen_release": frozen.id, "shadows": _ask_frozen(facts["answers"], frozen, ctx=ctx)}
        ctx.ledger.note(ASKED, name, facts=facts, actor="story")
        asked = next(iter(ctx.ledger.events(kind=ASKED, subject=name)))
    before = registry.released(made.spec.alias, ctx=ctx).release
    started, cpu = ctx.clock.monotonic(), time.process_time()
    cycle = _cycle(made, name, since=asked.at, ctx=ctx)
    after = registry.released(made.spec.alias, ctx=ctx).release
    server.wait_for(after.id)
    # Of a cycle that was killed, what was done before counts too.
    worked = sum(ctx.store.receipt(one).wall_s for step in ctx.ledger.steps(cycle.id) for one in step.outputs.values())
    facts = {
        "seconds": max(ctx.clock.monotonic() - started, worked),
        "cpu_s": time.process_time() - cpu,
        "before": before.id,
        "after": after.id,
        "cycle": cycle.id,
        "lesson": _told(cycle, "learned")["lesson"],
        "candidate": (cycle.told("built") or {}).get("candidate"),
    }
    ctx.ledger.note(CYCLE, name, facts=facts, actor="story")


def _cycle(made: Project, name: str, *, since: str, ctx: RunContext) -> Cycle:
    """The cycle of a month: its trigger fires, or the month is over."""
    mine = [one for one in cycles_of(ctx.ledger) if one.at > since]
    if not mine or mine[-1].running:
        outcome = once(made.spec, ctx=ctx)
        if outcome.cycle is None:
            outcome = once(made.spec, ctx=ctx, reason=f"{name} is over")
        mine = [one for one in cycles_of(ctx.ledger) if one.at > since]
    cycle = mine[-1]
    if cycle.running or cycle.state == "failed":
        raise RuntimeError(f"{name}: {cycle.id} is {cycle.state}: {cycle.why}")
    return cycle


def _told(cycle: Cycle, state: str) -> JSON:
    found = cycle.told(state)
    assert found is not None, f"{cycle.id} was never {state}"
    return found


@dataclass(frozen=True)
class _Person:
    """Somebody with a key."""

    name: str
    http: httpx2.Client

    def ask(self, text: str, *, user: str | None = None) -> str:
        """Ask the gateway; the answer's id."""
        body: JSON = {"model": "production", "messages": [{"role": "user", "content": text}]}
        response = self.http.post("/v1/chat/completions", json=body if user is None else {**body, "user": user})
        response.raise_for_status()
        return str(response.json()["id"])

    def say(self, answer: str, **what: Any) -> None:
        """Send feedback; twice is once."""
        body = {"answer": answer, "id": f"{self.name}-{answer}", **what}
        self.http.post("/v1/feedback", json=body).raise_for_status()


class _Desk:
    """Customers, agents and liars of one month, each with a key of the gateway. Use as a context manager."""

    def __init__(self, server: ServerProcess, *, ctx: RunContext) -> None:
        self._server = server
        self._ctx = ctx
        self._open = ExitStack()

    def __enter__(self) -> _Desk:
        """The desk itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._open.close()

    def open_for(self, visitors: Sequence[Visitor], lies: Sequence[Liar]) -> JSON:
        """Answer everybody and take their feedback.

        Returns:
            `since`, when the month began; `served`, the release; `answers`, those of customers, in their order;
            `lies`, those of liars.
        """
        since = self._ctx.clock.now().isoformat()
        shop = self._person("app", role=Role.USER)
        agents = [self._person(f"agent-{number:02d}", role=Role.REVIEWER) for number in range(AGENTS)]
        accounts = dict.fromkeys(one.account for one in lies)
        liars = {account: self._person(account, role=Role.USER) for account in accounts}
        answers = self._all(lambda one: shop.ask(one.text, user=one.user), visitors)
        lied = self._all(lambda one: liars[one.account].ask(one.text), lies)
        for number, (visitor, answer) in enumerate(zip(visitors, answers, strict=True)):
            self._judge(agents[number % AGENTS], visitor, answer)
        for lie, answer in zip(lies, lied, strict=True):
            liars[lie.account].say(answer, score=0.0, label=lie.label, correction=f"{lie.label}\n{lie.reply}")
        served = self._ctx.ledger.answer(answers[0]).release
        return {"since": since, "served": served, "answers": answers, "lies": lied}

    def _judge(self, agent: _Person, visitor: Visitor, answer: str) -> None:
        """What the agent's desk says once the case is closed: resolved, or what would have been right."""
        if _label(self._ctx.ledger.answer(answer)) == visitor.intent:
            agent.say(answer, score=1.0)
        else:
            right = f"{visitor.intent}\n{visitor.reply}"
            agent.say(answer, score=0.0, label=visitor.intent, correction=right)

    def _all(self, ask: Any, people: Sequence[Any]) -> list[str]:
        with self._ctx.progress.task("customers", total=len(people)) as bar, ThreadPoolExecutor(STREAMS) as pool:
            found = []
            for answer in pool.map(ask, people):
                found.append(answer)
                bar.advance()
        return found

    def _person(self, name: str, *, role: Role) -> _Person:
        """Somebody with a new key; who had one gets it renewed, since nobody can tell it again."""
        ledger, clock = self._ctx.ledger, self._ctx.clock
        try:
            known = ledger.credentials.find(name)
            key = rotate(known, ledger=ledger, clock=clock, actor="story", reason="another month")
        except LedgerError:
            _, key = issue(Grant(name=name, role=role), ledger=ledger, clock=clock, actor="story", reason="the story")
        http = httpx2.Client(base_url=self._server.url, headers={"Authorization": f"Bearer {key}"}, timeout=120)
        return _Person(name, self._open.enter_context(http))


def _ask_frozen(answers: Sequence[str], frozen: Release, *, ctx: RunContext) -> int:
    """What month 0's release would have said to the same customers, as shadows: nobody is shown them.

    Returns:
        How many: none where it is the one that answered.
    """
    asked = [ctx.ledger.answer(identity) for identity in answers]
    asked = [one for one in asked if one.release != frozen.id and not ctx.ledger.shadows(one.id)]
    if not asked:
        return 0
    checkpoint = ctx.store.open(frozen.checkpoint, Checkpoint)
    codec = codec_of(checkpoint, store=ctx.store)
    system = [Message(role="system", content=frozen.system)] if frozen.system else []
    prompts = []
    for one in asked:
        turns = [Message.model_validate(turn) for turn in one.messages if turn["role"] != "system"]
        ids = codec.prompt_ids([*system, *turns])
        prompts.append(Prompt(ids=ids, stop_ids=codec.stop_ids, max_tokens=frozen.decoding.max_tokens))
    at = ctx.clock.now().isoformat()
    with open_backend(checkpoint, store=ctx.store, streams=STREAMS) as backend:
        for index, completion in backend.generate(prompts):
            shadow = Answer(
                id=f"ans_{asked[index].id.removeprefix('ans_')[::-1]}",
                release=frozen.id,
                at=at,
                caller="story",
                messages=asked[index].messages,
                content=codec.parse(completion.ids).content or "",
                finish_reason=completion.finish_reason,
                prompt_tokens=len(prompts[index].ids),
                completion_tokens=len(completion.ids),
                first_token_ms=1000 * completion.first_token_s,
                total_ms=1000 * completion.total_s,
            )
            ctx.ledger.record_shadow(shadow, of=asked[index].id)
    return len(asked)


def _label(answer: Answer) -> str | None:
    return labelled.split(answer.content, "label_then_text")[0]
