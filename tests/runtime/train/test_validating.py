"""Validation while training: its own moment, its own measure, no dropout, and an end when it no longer helps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn

from seekloop.runtime.answers import AnswerCheck
from seekloop.runtime.train.methods.full import Full
from seekloop.runtime.train.state import State, Work
from seekloop.runtime.train.validating import Validation, evaluating, is_over
from seekloop.system.errors import TrainError
from tests.runtime.train.making import Bench, losses, row, rows


def _validations(state: State) -> list[dict[str, float]]:
    return [entry for entry in state.history if "eval_loss" in entry]


def _history(*values: float) -> list[dict[str, float]]:
    return [{"loss": 1.0}, *({"eval_loss": value} for value in values)]


@pytest.mark.parametrize(
    ("values", "min_delta", "over"),
    [
        ((3.0, 2.0, 1.0), 0.0, False),
        ((3.0, 2.0, 2.1), 0.0, False),
        ((3.0, 2.0, 2.1, 2.2), 0.0, True),
        ((3.0, 2.0, 2.1, 1.9), 0.0, False),
        ((3.0, 2.9, 2.8), 0.5, True),
        ((3.0, 2.8, 2.4), 0.5, False),
    ],
)
def test_patience_counts_validations_without_enough_gain(
    values: tuple[float, ...], min_delta: float, over: bool
) -> None:
    assert is_over(_history(*values), Validation(patience=2, min_delta=min_delta)) == over


def test_without_patience_nothing_ends_early() -> None:
    assert not is_over(_history(1.0, 2.0, 3.0, 4.0), Validation())


def test_a_run_that_gets_worse_ends_early_and_keeps_the_best(bench: Bench, tmp_path: Path) -> None:
    worse = {"validation": [row(90, answer="zzzzzzzz")], "learning_rate": 0.05}
    model = bench.model()
    state = bench.train(
        model, Full(), folder=tmp_path, keep="best", watched=Validation(every_steps=1, patience=2), **worse
    )
    assert state.best is not None
    assert state.step == state.best.step + 2 < 6
    assert len(_validations(state)) == state.step


def test_validation_comes_every_so_many_steps_and_at_the_end(bench: Bench, tmp_path: Path) -> None:
    state = bench.train(
        bench.model(), bench.lora(), folder=tmp_path, validation=rows(2, first=40), watched=Validation(every_steps=4)
    )
    assert [entry["step"] for entry in _validations(state)] == [4, 6]


def test_dropout_is_off_while_validating_and_on_again_after(bench: Bench) -> None:
    model = bench.model()
    bench.lora(dropout=0.5).apply(model, seed=0)
    before = [module for module in model.modules() if module.training]
    with evaluating(model):
        assert not any(module.training for module in model.modules())
    assert [module for module in model.modules() if module.training] == before != []


def test_how_validation_rows_come_changes_no_training_loss(bench: Bench, tmp_path: Path) -> None:
    with_dropout = bench.lora(dropout=0.3)
    plain = bench.train(bench.model(), with_dropout, folder=tmp_path / "plain")
    watched = bench.train(
        bench.model(),
        with_dropout,
        folder=tmp_path / "watched",
        validation=rows(3, first=40),
        watched=Validation(every_steps=1),
    )
    assert losses(watched) == losses(plain)


def _check(bench: Bench, count: int = 12) -> AnswerCheck:
    views = [view for part in bench.views(rows(count)) for view in part]
    return AnswerCheck.of(views, bench.codec, at_most=64, seed=0, first_line=False)


def test_answers_are_right_once_they_were_learned(bench: Bench, tmp_path: Path) -> None:
    model, check = bench.model(), _check(bench, 2)
    assert check(model, lambda: None) == 0.0
    state = bench.train(
        model,
        Full(),
        folder=tmp_path,
        parts=rows(2) * 24,
        validation=rows(2),
        keep="best",
        schedule="constant",
        learning_rate=5e-3,
        watched=Validation(every_steps=8, metric="answers", answers=check),
    )
    assert state.best is not None
    assert state.best.answers == max(entry["eval_answers"] for entry in _validations(state)) > 0.9
    with evaluating(model):
        assert check(model, lambda: None) == state.best.answers


def test_only_as_many_rows_are_asked_as_were_allowed_and_always_the_same(bench: Bench) -> None:
    views = [view for part in bench.views(rows(12)) for view in part]
    first, second = (AnswerCheck.of(views, bench.codec, at_most=5, seed=3, first_line=False) for _ in range(2))
    assert len(first.prompts) == 5
    assert first.prompts == second.prompts


def test_what_is_wanted_are_the_answers_normalised(bench: Bench) -> None:
    check = _check(bench)
    assert set(check.wanted) == {"card", "transfer", "fee", "cash", "password", "balance"}
    (turn,) = bench.codec.views(row(0, answer="  CARD\nis what it is"))
    loose = AnswerCheck.of([turn], bench.codec, at_most=1, seed=0, first_line=True)
    assert loose.wanted == ("card",)


def test_a_stop_in_the_middle_of_a_validation_is_made_up_for(bench: Bench, tmp_path: Path) -> None:
    part = {"validation": rows(3, first=40)}
    whole = bench.train(bench.model(), bench.lora(), folder=tmp_path / "whole", watched=_answering(), **part)
    with pytest.raises(TrainError) as caught:
        bench.train(bench.model(), bench.lora(), folder=tmp_path / "work", watched=_answering(stop_at=1), **part)
    assert caught.value.code == "train.stopped"
    saved = Work(tmp_path / "work").newest()
    assert saved is not None
    assert "loss" in saved.state.history[-1]
    again = bench.train(bench.model(), bench.lora(), folder=tmp_path / "work", watched=_answering(), **part)
    assert again.history == whole.history


def _answering(*, stop_at: int | None = None) -> Validation:
    """A measure that is stopped at its so-manieth call."""
    calls: list[nn.Module] = []

    def answers(model: nn.Module, _check: Callable[[], None]) -> float:
        calls.append(model)
        if len(calls) == stop_at:
            raise TrainError("train.stopped", step=0, steps=0)
        return 0.5

    return Validation(metric="answers", answers=answers)
