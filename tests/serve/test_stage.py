"""A release is a checkpoint that was measured."""

import pytest

from seekloop.artifact.kinds import Decoding, Release
from seekloop.serve import stage
from seekloop.serve.spec import ServeInputs, ServeSpec
from seekloop.system.errors import UsageError


def test_a_checkpoint_with_a_report_about_another_is_refused(world):
    measured, other = world.checkpoint("measured"), world.checkpoint("other")
    with pytest.raises(UsageError) as refused:
        stage.run(ServeSpec(), ServeInputs(checkpoint=other, report=world.report(measured)), ctx=world.ctx)
    assert refused.value.code == "serve.not_measured"
    assert "evaluate this checkpoint first" in refused.value.hint("en")


def test_a_release_names_its_checkpoint_its_report_and_its_decoding(world):
    checkpoint = world.checkpoint("a")
    report = world.report(checkpoint)
    release = stage.run(
        ServeSpec(max_tokens=9, top_p=0.5), ServeInputs(checkpoint=checkpoint, report=report), ctx=world.ctx
    )
    assert release.parents == {"checkpoint": checkpoint.id, "report": report.id}
    assert release.decoding == Decoding(max_tokens=9, temperature=0.0, top_p=0.5)
    assert world.ctx.store.open(release.id, Release) == release
    assert world.ctx.ledger.created(release.id) is not None


def test_the_system_message_is_the_one_the_model_was_trained_with(world):
    checkpoint = world.checkpoint("a")
    inputs = ServeInputs(checkpoint=checkpoint, report=world.report(checkpoint, system="You are a bank."))
    assert stage.run(ServeSpec(), inputs, ctx=world.ctx).system == "You are a bank."
    assert stage.run(ServeSpec(system="Be brief."), inputs, ctx=world.ctx).system == "Be brief."


def test_a_model_trained_without_a_system_message_is_released_without_one(world):
    assert world.release("a").system is None


def test_the_same_inputs_make_the_same_release(world):
    assert world.release("a").id == world.release("a").id
