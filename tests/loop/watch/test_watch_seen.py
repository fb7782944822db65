"""What the triggers are told is counted in the ledger: the first answers of a release against its newest."""

from seekloop.artifact.ledger import Answer
from seekloop.loop import registry
from seekloop.loop.watch.once import now
from tests.loop.watch.making import answered

RIGHT = {"name": "right", "source": "traffic", "column": "score", "aggregate": "share", "counts": ">= 0.5"}
TRIGGERS = [{"kpi_drop": "3pt", "of": "right", "window": 20}, {"drift": "psi > 0.2", "window": 40}]


def asked(ctx, *, first, count, text):
    """Answers that nobody spoke of."""
    release, at = registry.promoted("production", ctx=ctx).target, ctx.clock.now().isoformat()
    facts = {"release": release, "at": at, "caller": "c", "content": "x\ny", "finish_reason": "stop"}
    figures = {"prompt_tokens": 5, "completion_tokens": 3, "first_token_ms": 1.0, "total_ms": 2.0}
    for number in range(first, first + count):
        messages = [{"role": "user", "content": f"{text} {number}"}]
        ctx.ledger.record_answers([Answer(id=f"ans_{number:04x}", messages=messages, **facts, **figures)])


def test_a_share_that_fell_fires_and_one_that_stays_does_not(project):
    project = project(watch={"triggers": TRIGGERS}, kpis=[RIGHT])
    with project.context() as ctx:
        answered(ctx, count=40, wrong=False)
        _, looked = now(project.spec, ctx=ctx)
        assert not looked.checks[0].fired
        answered(ctx, first=40, count=20)
        _, looked = now(project.spec, ctx=ctx)
        assert looked.checks[0].reason.startswith("right 0.000 (n = 20) where it was 1.000 (n = 20)")
        assert looked.fired == looked.checks[0]


def test_messages_of_another_kind_are_drift(project):
    project = project(watch={"triggers": TRIGGERS}, kpis=[RIGHT])
    with project.context() as ctx:
        asked(ctx, first=0, count=40, text="Where is my card")
        asked(ctx, first=40, count=40, text="Where is my card")
        assert now(project.spec, ctx=ctx)[1].fired is None
        asked(ctx, first=80, count=40, text="贷款利率为什么又上涨了，我想知道详细的原因和计算方法")
        _, looked = now(project.spec, ctx=ctx)
        assert looked.fired == looked.checks[1]
        assert looked.fired.counts["value"] > 0.2
