"""Preflight: what cannot train right is refused before the first step, with counts."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from seekloop.artifact.context import RunContext
from seekloop.artifact.rows import Message, Row, Source
from seekloop.model import families
from seekloop.model.codec import Codec, View
from seekloop.model.tokenizers import tiny_tokenizer
from seekloop.system.errors import SeekloopError
from seekloop.system.progress import Silent
from seekloop.tune.prepare import Prepared, check_view, marked, prepare
from seekloop.tune.spec import TuneSpec
from tests.runtime.train.making import dataset, row, rows

LOG = logging.getLogger("tests.tune")


class Told(Silent):
    """Keeps what is said to people."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        """Keep it."""
        self.lines.append(text)


@pytest.fixture
def codec() -> Codec:
    """DeepSeek's, which has a BOS."""
    card = families.card("deepseek-v3")
    return Codec.build(card, tiny_tokenizer(card))


def _prepare(ctx: RunContext, codec: Codec, *, train: Sequence[Row], test: Sequence[Row] = (), **spec: Any) -> Prepared:
    made = dataset(ctx, train=train, test=test)
    return prepare(
        made, codec, spec=TuneSpec.parse(spec), context=2048, store=ctx.store, logger=LOG, progress=ctx.progress
    )


def _code(ctx: RunContext, codec: Codec, **options: Any) -> SeekloopError:
    with pytest.raises(SeekloopError) as caught:
        _prepare(ctx, codec, **options)
    return caught.value


def test_rows_become_views_in_order(ctx: RunContext, codec: Codec) -> None:
    parts = rows(4)
    assert [row[0].row for row in _prepare(ctx, codec, train=parts).train] == [part.id for part in parts]


def test_a_dataset_without_train_rows_is_refused(ctx: RunContext, codec: Codec) -> None:
    assert _code(ctx, codec, train=[], test=rows(2)).code == "tune.no_rows"


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        ({"rejected": (Message(role="assistant", content="no"),)}, "1 preferences"),
        ({"desirable": False}, "1 verdicts"),
        ({"plain": True}, "1 plain texts"),
    ],
)
def test_rows_of_several_kinds_are_refused_with_counts(ctx: RunContext, codec: Codec, change: Any, kinds: str) -> None:
    mixed = [*rows(3), row(9).model_copy(update=change)]
    error = _code(ctx, codec, train=mixed)
    assert (error.code, error.facts["kinds"]) == ("tune.mixed_rows", f"3 answers, {kinds}")
    error = _code(ctx, codec, train=mixed, objective="answers")
    assert (error.code, error.facts["kinds"]) == ("tune.other_rows", kinds)


def test_a_test_row_among_the_train_rows_is_refused_whatever_its_case(ctx: RunContext, codec: Codec) -> None:
    asked = row(0).messages[1].content
    shouted = Message(role="user", content=f"  {asked.upper()}!")
    leaked = row(0).model_copy(update={"id": "row:leaked", "messages": (shouted, *row(0).messages[2:])})
    error = _code(ctx, codec, train=rows(4), test=[*rows(2, first=20), leaked])
    assert (error.code, error.facts["count"], error.facts["rows"]) == ("tune.leaked", 1, "row:leaked")


def test_rows_that_are_too_long_are_refused_with_counts(ctx: RunContext, codec: Codec) -> None:
    long = row(50, answer="word " * 60)
    error = _code(ctx, codec, train=[*rows(3), long], max_length=100)
    assert (error.code, error.facts["count"], error.facts["total"]) == ("tune.too_long", 1, 4)
    assert error.facts["rows"] == long.id


def test_rows_that_are_too_long_are_left_out_when_asked_and_named(ctx: RunContext, codec: Codec) -> None:
    long = row(50, answer="word " * 60)
    told = Told()
    prepared = _prepare(replace(ctx, progress=told), codec, train=[*rows(3), long], max_length=100, too_long="drop")
    assert prepared.too_long == (long.id,)
    assert len(prepared.train) == 3
    assert long.id in told.lines[0]


def test_leaving_out_every_row_is_refused(ctx: RunContext, codec: Codec) -> None:
    assert _code(ctx, codec, train=rows(3), max_length=8, too_long="drop").code == "tune.too_long"


def test_a_row_without_a_trained_turn_is_refused_with_its_place(ctx: RunContext, codec: Codec) -> None:
    silent = Row(
        id="row:silent",
        messages=(Message(role="user", content="Hello"), Message(role="assistant", content="Hi", train=False)),
        source=Source(file="chats.jsonl", line=12),
    )
    error = _code(ctx, codec, train=[*rows(2), silent])
    assert (error.code, error.facts["where"]) == ("model.no_trained_turn", "chats.jsonl:12")


def test_the_preview_marks_what_is_trained(ctx: RunContext, codec: Codec, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    _prepare(ctx, codec, train=rows(2))
    assert "⟦card<｜end▁of▁sentence｜>⟧" in caplog.text
    assert "rows: 2 in = 2 train + 0 validation + 0 test" in caplog.text


def test_marks_stand_around_each_trained_stretch(codec: Codec) -> None:
    ids = codec.prompt_ids([Message(role="user", content="ab")])
    labels = (-100, ids[1], *[-100] * (len(ids) - 3), ids[-1])
    text = marked(View(row="r", turn=1, ids=ids, labels=labels), codec)
    assert text.count("⟦") == text.count("⟧") == 2
    assert text.replace("⟦", "").replace("⟧", "") == codec.decode(ids)


@pytest.mark.parametrize(
    ("ids", "trained", "code"),
    [
        ((0, 9, 9, 1), 4, "tune.nothing_trained"),
        ((0, 9, 9, 8), 2, "tune.no_end"),
        ((9, 9, 9, 1), 2, "tune.not_one_bos"),
        ((0, 0, 9, 1), 2, "tune.not_one_bos"),
    ],
)
def test_a_view_that_breaks_an_invariant_is_refused(
    codec: Codec, ids: tuple[int, ...], trained: int, code: str
) -> None:
    names = {0: codec.bos_id, 1: codec.eos_id}
    real = tuple(names.get(id_, id_) for id_ in ids)
    view = View(row="row:x", turn=1, ids=real, labels=(-100,) * trained + real[trained:])
    with pytest.raises(SeekloopError) as caught:
        check_view(view, codec)
    assert caught.value.code == code
