"""Reasoning and tool calls of the DeepSeek families: each trained turn is trained once, whole, after what is served."""

from __future__ import annotations

from typing import Any

import pytest

from seekloop.artifact.context import RunContext
from seekloop.artifact.rows import Message, Row, Source
from seekloop.model import families
from seekloop.model.codec import Codec, View
from seekloop.model.tokenizers import tiny_tokenizer
from seekloop.tune.objective_spec import AnswersObjective, DpoObjective
from seekloop.tune.objectives.build import encode
from seekloop.tune.objectives.encoded import Encoder
from seekloop.tune.prepare import check_view
from tests.runtime.train.judged import encoded, plain
from tests.runtime.train.making import Bench

DEEPSEEK = ("r1-distill-qwen", "r1-distill-llama", "deepseek-v3", "deepseek-v2", "deepseek-coder", "deepseek-llm")
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "balance", "parameters": {"type": "object", "properties": {"card": {"type": "string"}}}},
}
CALL = {"type": "function", "function": {"name": "balance", "arguments": {"card": "42"}}}


def _codec(family: str) -> Codec:
    card = families.card(family)
    return Codec.build(card, tiny_tokenizer(card))


def _row(*messages: Message, tools: tuple[dict[str, Any], ...] = ()) -> Row:
    return Row(id="row:think", messages=messages, tools=tools, source=Source(file="think.jsonl", line=3))


def _asked(text: str) -> Message:
    return Message(role="user", content=text)


def _said(text: str, **more: Any) -> Message:
    return Message(role="assistant", content=text, **more)


def _views(codec: Codec, row: Row, **spec: Any) -> list[View]:
    encoder = Encoder(codec=codec, limit=4096, too_long="refuse")
    made = encode(AnswersObjective(**spec), train=[row], validation=[], encoder=encoder)
    (views,) = made.train
    for view in views:
        check_view(view, codec)
    return views


def _check(codec: Codec, row: Row, views: list[View], turns: list[int]) -> None:
    """Each of `turns` is labelled in exactly one view, with the ids of its answer, after the ids of its prompt."""
    wanted = sum(len(codec.answer_ids(row.messages[turn])) for turn in turns)
    assert sum(label >= 0 for view in views for label in view.labels) == wanted
    for turn in turns:
        prompt = codec.prompt_ids(row.messages[:turn], tools=row.tools)
        answer = codec.answer_ids(row.messages[turn])
        end = len(prompt) + len(answer)
        found = [
            view for view in views if view.ids[:end] == prompt + answer and view.labels[len(prompt) : end] == answer
        ]
        assert len(found) == 1, turn


@pytest.mark.parametrize("family", DEEPSEEK)
def test_every_turn_with_its_reasoning_is_trained_once(family: str) -> None:
    codec = _codec(family)
    row = _row(
        _asked("2+2?"),
        _said("4", reasoning="Two and two."),
        _asked("And 3?"),
        _said("7", reasoning="Four and three."),
        _asked("Thanks"),
        _said("You are welcome"),
    )
    views = _views(codec, row)
    _check(codec, row, views, [1, 3, 5])
    # Earlier reasoning is not in a later prompt, so a turn with reasoning ends its view.
    assert len(views) == 3
    assert codec.decode(views[1].ids).count("Two and two.") == 0
    assert codec.decode(label for label in views[1].labels if label >= 0).count("Four and three.") == 1


@pytest.mark.parametrize("family", DEEPSEEK)
def test_a_turn_that_is_switched_off_is_context_only(family: str) -> None:
    codec = _codec(family)
    row = _row(
        _asked("a?"),
        _said("one", train=False),
        _asked("b?"),
        _said("two", reasoning="Hm."),
        _asked("c?"),
        _said("three"),
    )
    _check(codec, row, _views(codec, row), [3, 5])
    _check(codec, row, _views(codec, row, mask_history=True), [5])


@pytest.mark.parametrize("family", [family for family in DEEPSEEK if families.card(family).tools])
def test_a_call_and_the_answer_after_its_result_are_trained_and_the_result_is_not(family: str) -> None:
    codec = _codec(family)
    result = Message(role="tool", content='{"balance": 12}')
    row = _row(_asked("How much?"), _said("", tool_calls=(CALL,)), result, _said("It is 12."), tools=(TOOL,))
    views = _views(codec, row)
    _check(codec, row, views, [1, 3])
    trained = codec.decode(label for view in views for label in view.labels if label >= 0)
    assert "42" in trained
    assert '{"balance": 12}' not in trained
    assert all("balance" in codec.decode(view.ids[: view.labels.index(codec.eos_id)]) for view in views)


@pytest.mark.parametrize("family", DEEPSEEK)
def test_of_two_answers_only_what_comes_after_the_question_is_compared(family: str) -> None:
    codec = _codec(family)
    row = _row(_asked("a?"), _said("one"), _asked("b?"), _said("two", reasoning="Hm."))
    row = row.model_copy(update={"rejected": (_said("three"),)})
    encoder = Encoder(codec=codec, limit=4096, too_long="refuse")
    ((better, worse),) = encode(DpoObjective(), train=[row], validation=[], encoder=encoder).train
    prompt = codec.prompt_ids(row.messages[:3])
    for view, answer in ((better, row.messages[3]), (worse, row.rejected[0])):
        assert view.ids == prompt + codec.answer_ids(answer)
        assert view.labels == (-100,) * len(prompt) + codec.answer_ids(answer)
    assert (better.side, worse.side) == (0, 1)


@pytest.mark.parametrize("family", ["deepseek-v2", "deepseek-v3"])
def test_the_reference_of_latent_attention_and_experts_is_the_model_s_own(ctx: RunContext, family: str) -> None:
    bench = Bench(ctx, family)
    row = _row(_asked("b?"), _said("two", reasoning="Hm.")).model_copy(update={"rejected": (_said("three"),)})
    (views,), objective = encoded(bench, DpoObjective(), [row])
    sums = [plain(bench.model(), view).item() for view in views]
    assert list(objective.reference[row.id]) == pytest.approx(sums, rel=1e-4)  # type: ignore[attr-defined]
