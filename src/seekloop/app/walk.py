"""The whole loop in one walk: a first round, production between the rounds, a second round, and back; one receipt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seekloop.app.traffic import Client, Customer
from seekloop.artifact import lineage
from seekloop.artifact.context import RunContext
from seekloop.loop import registry
from seekloop.loop.project import Project
from seekloop.loop.receipt import first_receipt, next_receipt
from seekloop.loop.run import first_round, next_round
from seekloop.loop.steps import Steps
from seekloop.serve.process import ServerProcess
from seekloop.serve.traffic import collect
from seekloop.system import digests

__all__ = ["walk"]

JSON = dict[str, Any]


def walk(project: Project, customers: Sequence[Customer], *, ctx: RunContext) -> JSON:
    """Both rounds, with production between them.

    Args:
        project: what to make. After a crash the finished steps of its rounds are found again.
        customers: who asks the live server, and what an agent would have answered.
        ctx: of `project`.

    Returns:
        The receipt, a JSON document: the first round's figures, `round2`, `production`, `promoted`, `rolled_back_to`,
        `answer_id` with its verified `lineage`, and `wall_s` by stage.
    """
    started = ctx.clock.monotonic()
    steps = Steps(ctx, "first round")
    receipt = first_receipt(first_round(project.spec, steps), steps)
    production = _production(project, customers, ctx=ctx)
    second = production.pop("round2")
    for key in ("accuracy", "macro_f1", "reply_quality", "intervals", "paired"):
        if "frozen" in second.get(key, {}):
            receipt[key]["round2"] = second[key]["frozen"]
    wall = receipt["wall_s"] | second["wall_s"] | production.pop("wall_s")
    total = round(ctx.clock.monotonic() - started, 1)
    return receipt | production | {"round2": second, "wall_s": {**_by_stage(wall), "total": total}, "steps_s": wall}


def _production(project: Project, customers: Sequence[Customer], *, ctx: RunContext) -> JSON:
    """Serve, take traffic and feedback, learn, pass the gate, promote, roll back, trace and verify."""
    alias, now = project.spec.alias, ctx.clock.monotonic
    first = registry.released(alias, ctx=ctx).release.id
    found: JSON = {"promoted": False, "rolled_back_to": None, "wall_s": {}}
    with ServerProcess(project.folder, alias=alias) as server, Client(server.url, key=server.key) as client:
        started = now()
        answers = client.ask_all(customers, progress=ctx.progress)
        found["streamed_answer_id"], _ = client.ask_streaming(customers[0].text)
        wrong = client.give_feedback(customers, answers)
        found["wall_s"]["serve traffic"] = round(now() - started, 1)
        ctx.progress.say(f"production: {wrong} of {len(customers)} answers were wrong and sent back")

        steps = Steps(ctx, "second round")
        made = next_round(project.spec, collect(ctx, release=first), steps=steps)
        found["round2"] = next_receipt(made, steps)
        found["promoted"] = made.promoted
        if made.release is not None:
            started = now()
            server.wait_for(made.release.id)
            again = client.ask_all(customers, progress=ctx.progress)
            still = sum(not customer.is_answered_by(answer) for customer, answer in zip(customers, again, strict=True))
            found["production"] = {"asked": len(customers), "wrong_before": wrong, "wrong_after": still}
            back = registry.roll_back(alias, reason="the walk shows that it can", ctx=ctx).target
            server.wait_for(back)
            served = client.ask(customers[0].text)["system_fingerprint"]
            assert served == back == first, "after a rollback the old digest answers"
            found["rolled_back_to"] = served
            found["wall_s"]["serve swap"] = round(now() - started, 1)
    found["answer_id"] = answers[0]["id"]
    trace = lineage.verify(answers[0]["id"], store=ctx.store, ledger=ctx.ledger)
    return found | {"lineage": [f"{hop.role}: {digests.short(hop.id)}" for hop in trace.hops]}


def _by_stage(steps: dict[str, float]) -> dict[str, float]:
    """Seconds by the first word of each step's name."""
    stages: dict[str, float] = {}
    for name, seconds in steps.items():
        stage = name.split()[0]
        stages[stage] = round(stages.get(stage, 0.0) + seconds, 1)
    return stages
