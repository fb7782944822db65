"""Which objective rows are trained with, what is refused, and what a run with it leaves behind."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.rows import Message, Row
from seekloop.runtime import models
from seekloop.runtime.tiny import tiny_base
from seekloop.system.errors import SeekloopError, UsageError
from seekloop.system.progress import Silent
from seekloop.tune.objective_spec import AnswersObjective, DpoObjective, KtoObjective, TextObjective
from seekloop.tune.spec import TuneInputs, TuneSpec
from seekloop.tune.stage import run
from tests.runtime.train.judged import pairs, texts, verdicts
from tests.runtime.train.making import dataset, row, rows
from tests.tune.test_prepare import Told


@pytest.fixture
def base(ctx: RunContext) -> Checkpoint:
    return tiny_base(ctx)


def _tune(ctx: RunContext, base: Checkpoint, train: Sequence[Row], **spec: Any) -> tuple[Checkpoint, dict[str, Any]]:
    given = {"epochs": 3, "rows_per_step": 4, "learning_rate": 0.01, "method": {"rank": 4}, **spec}
    data = dataset(ctx, train=train, validation=spec.pop("validation", ()))
    given.pop("validation", None)
    made = run(TuneSpec.parse(given), TuneInputs(dataset=data, checkpoint=base), ctx=ctx)
    return made, json.loads(ctx.store.path(made.id, "trainer_state.json").read_text())


@pytest.mark.parametrize(
    ("made", "expected", "kind"),
    [(pairs, "dpo", "preferences"), (verdicts, "kto", "verdicts"), (texts, "text", "plain texts")],
)
def test_rows_of_one_kind_choose_their_objective_and_it_is_said(
    ctx: RunContext, base: Checkpoint, made: Any, expected: str, kind: str
) -> None:
    told = Told()
    _, state = _tune(replace(ctx, progress=told), base, made(6), epochs=1)
    assert state["objective"]["type"] == expected
    assert told.lines[0] == f"objective: {expected}, as the rows are {kind}"


@pytest.mark.parametrize("objective", ["dpo", "orpo", {"type": "dpo", "loss": "ipo"}])
def test_preferences_widen_the_margin(ctx: RunContext, base: Checkpoint, objective: Any) -> None:
    _, state = _tune(ctx, base, pairs(8), objective=objective, validation=pairs(12)[8:])
    steps = [entry for entry in state["log_history"] if "loss" in entry]
    held = [entry for entry in state["log_history"] if "eval_loss" in entry]
    assert steps[-1]["rewards/margins"] > steps[0]["rewards/margins"]
    assert held[-1]["eval_rewards/accuracies"] >= held[0]["eval_rewards/accuracies"]
    assert {"rewards/chosen", "rewards/rejected", "logps/chosen", "logps/rejected"} <= steps[0].keys()


def test_verdicts_raise_good_answers_above_bad_ones(ctx: RunContext, base: Checkpoint) -> None:
    _, state = _tune(ctx, base, verdicts(9), epochs=4)
    steps = [entry for entry in state["log_history"] if "loss" in entry]
    assert steps[-1]["loss"] < steps[0]["loss"]
    margins = [entry["rewards/margins"] for entry in steps if "rewards/margins" in entry]
    assert margins[-1] > margins[0]
    assert steps[-1]["kl"] >= 0


def test_text_reports_perplexity(ctx: RunContext, base: Checkpoint) -> None:
    _, state = _tune(ctx, base, texts(8), validation=texts(12)[8:])
    held = [entry["eval_perplexity"] for entry in state["log_history"] if "eval_loss" in entry]
    assert held[-1] < held[0]


def test_answers_and_plain_texts_train_together_when_asked(ctx: RunContext, base: Checkpoint) -> None:
    mixed = [*rows(4), *texts(8)[4:]]
    with pytest.raises(SeekloopError) as caught:
        _tune(ctx, base, mixed)
    assert caught.value.code == "tune.mixed_rows"
    _, state = _tune(ctx, base, mixed, objective={"type": "answers", "with_text": True})
    assert state["log_history"][-1]["loss"] < state["log_history"][0]["loss"]


@pytest.mark.parametrize(
    ("objective", "made"), [("answers", pairs), ("dpo", rows), ("orpo", verdicts), ("kto", pairs), ("text", rows)]
)
def test_rows_that_an_objective_is_not_for_are_refused(
    ctx: RunContext, base: Checkpoint, objective: str, made: Any
) -> None:
    with pytest.raises(SeekloopError) as caught:
        _tune(ctx, base, made(4), objective=objective)
    assert (caught.value.code, caught.value.facts["objective"]) == ("tune.other_rows", objective)


def test_a_single_verdict_is_refused(ctx: RunContext, base: Checkpoint) -> None:
    with pytest.raises(SeekloopError) as caught:
        _tune(ctx, base, verdicts(1))
    assert caught.value.code == "tune.one_verdict"


def test_an_adapter_that_is_trained_on_is_its_own_reference(ctx: RunContext, base: Checkpoint) -> None:
    first, _ = _tune(ctx, base, rows(8))
    _, state = _tune(ctx, first, pairs(8), method={})
    assert state["log_history"][0]["rewards/margins"] == pytest.approx(0.0, abs=1e-4)


class _Crashing(Silent):
    """Dies when so many rows or tokens of a task are done."""

    def __init__(self, task: str, after: float) -> None:
        self.named, self.after = task, after

    @contextlib.contextmanager
    def task(self, name: str, *, total: float | None = None, done: float = 0.0) -> Iterator[Any]:
        """The task, or one that dies."""
        with Silent().task(name, total=total, done=done) as task:
            yield _Dying(self.after) if name == self.named else task


class _Dying:
    def __init__(self, after: float) -> None:
        self.left = after

    def advance(self, amount: float = 1.0) -> None:
        """Die at the end of the time."""
        self.left -= amount
        if self.left <= 0:
            raise KeyboardInterrupt

    def note(self, text: str) -> None:
        """Say nothing."""


@pytest.mark.parametrize(("objective", "made"), [("dpo", pairs), ("kto", verdicts), ("classify", rows)])
def test_a_run_that_crashed_ends_with_the_same_id(ctx: RunContext, base: Checkpoint, objective: str, made: Any) -> None:
    options = {"objective": objective, "save_every_steps": 1, "epochs": 2}
    whole, _ = _tune(ctx, base, made(8), **options)
    for task, after in (("reference", 1), ("train", 500)):
        with contextlib.suppress(KeyboardInterrupt):
            _tune(replace(ctx, progress=_Crashing(task, after)), base, made(8), **options)
    again, _ = _tune(ctx, base, made(8), **options)
    assert again.id == whole.id


def test_the_usual_rate_for_preferences_is_a_tenth(ctx: RunContext, base: Checkpoint) -> None:
    _, learned = _tune(ctx, base, rows(8), learning_rate=None, schedule="constant", warmup_ratio=0.0)
    _, preferred = _tune(ctx, base, pairs(8), learning_rate=None, schedule="constant", warmup_ratio=0.0)
    rates = [state["log_history"][0]["learning_rate"] for state in (learned, preferred)]
    assert rates[1] == pytest.approx(0.1 * rates[0])


@pytest.mark.parametrize("option", [{}, {"mask_history": True}, {"train_on_prompt": True}])
def test_what_of_a_conversation_is_trained_can_be_chosen(ctx: RunContext, base: Checkpoint, option: Any) -> None:
    codec = models.codec_of(base, store=ctx.store)
    more = (Message(role="user", content="And then?"), Message(role="assistant", content="wait"))
    chat = row(1).model_copy(update={"messages": (*row(1).messages, *more)})
    answers = [len(codec.answer_ids(message)) for message in chat.messages if message.role == "assistant"]
    (view,) = codec.views(chat)
    expected = {"mask_history": answers[1], "train_on_prompt": len(view.ids) - 1}.get(
        next(iter(option), ""), sum(answers)
    )
    _, state = _tune(ctx, base, [chat], objective=option, epochs=1)
    assert state["labelled_tokens"] == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"objective": "dpo"}, DpoObjective()),
        ({"stage": "dpo", "pref_beta": 0.2, "pref_loss": "ipo"}, DpoObjective(beta=0.2, loss="ipo")),
        ({"stage": "pt"}, TextObjective()),
        ({"train_on_prompt": True, "mask_history": True}, AnswersObjective(train_on_prompt=True, mask_history=True)),
        ({"stage": "kto", "kto_rejected_weight": 2.0}, KtoObjective(undesirable_weight=2.0)),
        ({"objective": {"label_smoothing": 0.1}}, DpoObjective(label_smoothing=0.1)),
    ],
)
def test_other_trainers_names_of_objectives_are_understood(given: dict[str, Any], expected: Any) -> None:
    assert TuneSpec.parse(given).objective == expected


def test_a_key_that_no_objective_has_is_refused_with_the_likely_one() -> None:
    with pytest.raises(UsageError) as caught:
        TuneSpec.parse({"objective": {"type": "dpo", "betta": 0.1}})
    assert caught.value.code == "system.spec_unknown_key"
    assert "beta" in str(caught.value)
