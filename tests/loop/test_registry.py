"""Promotion and rollback move one alias, with a reason, and never lose a version."""

import pytest

from seekloop.loop import registry
from seekloop.system.errors import GateRefused, UsageError


def point(ctx, *targets):
    for target in targets:
        current = ctx.ledger.alias("production")
        version = current.version if current else 0
        ctx.ledger.move_alias("production", target, expected_version=version, actor="test", reason="test")


def test_a_rollback_goes_to_the_release_before(ctx):
    point(ctx, "release:a", "release:b")
    assert registry.roll_back("production", reason="worse", ctx=ctx).target == "release:a"


def test_two_rollbacks_go_back_two_releases(ctx):
    point(ctx, "release:a", "release:b", "release:c")
    registry.roll_back("production", reason="worse", ctx=ctx)
    assert registry.roll_back("production", reason="still worse", ctx=ctx).target == "release:a"


def test_after_a_rollback_a_new_release_can_be_rolled_back_too(ctx):
    point(ctx, "release:a", "release:b")
    registry.roll_back("production", reason="worse", ctx=ctx)
    point(ctx, "release:c")
    assert registry.roll_back("production", reason="worse", ctx=ctx).target == "release:a"


def test_the_first_release_cannot_be_rolled_back(ctx):
    point(ctx, "release:a")
    with pytest.raises(UsageError) as caught:
        registry.roll_back("production", reason="worse", ctx=ctx)
    assert caught.value.code == "loop.nothing_to_roll_back"


def test_every_move_keeps_who_and_why(ctx):
    point(ctx, "release:a", "release:b")
    moved = registry.roll_back("production", reason="too many complaints", ctx=ctx)
    assert (moved.actor, moved.reason) == ("local", "rollback: too many complaints")


def test_a_release_that_was_trained_on_somebody_erased_is_not_promoted_again(ctx):
    point(ctx, "release:a")
    ctx.ledger.note(registry.TAINTED, "release:b", facts={"reason": "erased"}, actor="test")
    with pytest.raises(GateRefused) as caught:
        registry.to("production", "release:b", reason="again", ctx=ctx)
    assert caught.value.code == "loop.tainted"
