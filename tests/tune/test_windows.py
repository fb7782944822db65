"""Rows that are too long: what is left away, and that what is trained is trained whole and once."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.artifact.rows import Message, Row, Source
from seekloop.model import families
from seekloop.model.codec import Codec, View
from seekloop.model.tokenizers import tiny_tokenizer
from seekloop.tune.objectives.encoded import Encoder, TooLong
from seekloop.tune.windows import slide

FAMILIES = ("smollm2", "deepseek-v3", "r1-distill-qwen")
SYSTEM = "Answer about cards."


@pytest.fixture(params=FAMILIES)
def codec(request: pytest.FixtureRequest) -> Codec:
    card = families.card(request.param)
    return Codec.build(card, tiny_tokenizer(card))


def _chat(turns: int, *, answer: int = 4, question: int = 6) -> Row:
    """A conversation; the answers hold their number."""
    messages = [Message(role="system", content=SYSTEM)]
    for turn in range(turns):
        messages.append(Message(role="user", content=f"q{turn} " + "why " * question))
        messages.append(Message(role="assistant", content=f"a{turn} " + "so " * answer))
    return Row(id="row:chat", messages=tuple(messages), source=Source(file="chats.jsonl", line=1))


def _views(codec: Codec, row: Row, *, limit: int, how: TooLong) -> tuple[list[View], Encoder]:
    encoder = Encoder(codec=codec, limit=limit, too_long=how)
    return encoder.conversation(row, counted=True), encoder


def _trained(codec: Codec, views: list[View]) -> str:
    return "".join(codec.decode(label for label in view.labels if label >= 0) for view in views)


def _limit(codec: Codec, row: Row, share: float) -> int:
    return int(max(len(view.ids) for view in codec.views(row)) * share)


def test_a_row_that_fits_is_left_as_it_is(codec: Codec) -> None:
    row = _chat(3)
    views, encoder = _views(codec, row, limit=2048, how="window")
    assert views == codec.views(row)
    assert encoder.outcomes == {}


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_windows_train_every_answer_whole_and_once_with_the_system_message(codec: Codec, share: float) -> None:
    row = _chat(8)
    limit = _limit(codec, row, share)
    views, encoder = _views(codec, row, limit=limit, how="window")
    assert encoder.outcomes == {"parted": [row.id]}
    assert len(views) > 1
    text = _trained(codec, views)
    assert [text.count(f"a{turn} ") for turn in range(8)] == [1] * 8
    assert text == _trained(codec, codec.views(row))
    assert all(len(view.ids) <= limit and SYSTEM in codec.decode(view.ids) for view in views)


def test_a_later_window_has_earlier_turns_as_context(codec: Codec) -> None:
    row = _chat(8)
    views, _ = _views(codec, row, limit=_limit(codec, row, 0.5), how="window")
    for view in views[1:]:
        first = next(place for place, label in enumerate(view.labels) if label >= 0)
        assert "so so" in codec.decode(view.ids[:first])


@pytest.mark.parametrize("how", ["left", "window"])
def test_what_is_trained_stands_after_what_a_server_would_send(codec: Codec, how: TooLong) -> None:
    row = _chat(6)
    views, _ = _views(codec, row, limit=_limit(codec, row, 0.4), how=how)
    for view in views:
        first = next(place for place, label in enumerate(view.labels) if label >= 0)
        asked = [message for message in row.messages if f"{message.content}" in codec.decode(view.ids[:first])]
        assert view.ids[:first] == codec.prompt_ids(asked)


def test_cutting_from_the_left_keeps_the_end_and_counts_what_went(codec: Codec) -> None:
    row = _chat(6)
    limit = _limit(codec, row, 0.5)
    views, encoder = _views(codec, row, limit=limit, how="left")
    assert encoder.outcomes == {"cut": [row.id]}
    text = _trained(codec, views)
    kept = [turn for turn in range(6) if f"a{turn} " in text]
    assert kept == list(range(6 - len(kept), 6))
    assert 0 < len(kept) < 6
    assert encoder.lost_turns == 6 - len(kept)
    assert all(SYSTEM in codec.decode(view.ids) for view in views)


def test_a_single_question_loses_its_beginning_and_the_answer_stays(codec: Codec) -> None:
    row = _chat(1, question=200, answer=5)
    views, encoder = _views(codec, row, limit=120, how="left")
    (view,) = views
    assert 110 < len(view.ids) <= 120
    assert _trained(codec, views) == _trained(codec, codec.views(row))
    assert "q0" not in codec.decode(view.ids)
    assert encoder.outcomes == {"cut": [row.id]}


@pytest.mark.parametrize("how", ["left", "window"])
def test_an_answer_that_does_not_fit_is_left_out_and_counted(codec: Codec, how: TooLong) -> None:
    row = _chat(1, answer=300)
    views, encoder = _views(codec, row, limit=120, how=how)
    assert views == []
    assert encoder.outcomes == {"out": [row.id]}


def test_an_answer_is_cut_only_when_asked_and_trained_once(codec: Codec) -> None:
    row = _chat(2, answer=300)
    views, encoder = _views(codec, row, limit=120, how="window_answers")
    assert encoder.outcomes == {"parted": [row.id]}
    assert all(len(view.ids) <= 120 and SYSTEM in codec.decode(view.ids) for view in views)
    assert _trained(codec, views) == _trained(codec, codec.views(row))
    assert views[-1].labels[-1] == codec.eos_id


def test_turns_that_are_switched_off_stay_off_in_windows(codec: Codec) -> None:
    row = _chat(8)
    silent = row.messages[4].model_copy(update={"train": False})
    row = row.model_copy(update={"messages": (*row.messages[:4], silent, *row.messages[5:])})
    views, _ = _views(codec, row, limit=_limit(codec, row, 0.4), how="window")
    text = _trained(codec, views)
    assert [text.count(f"a{turn} ") for turn in range(8)] == [1, 0, 1, 1, 1, 1, 1, 1]


@given(
    length=st.integers(2, 300),
    limit=st.integers(8, 60),
    stride=st.none() | st.integers(1, 80),
    keep=st.integers(0, 1),
)
def test_sliding_windows_train_every_token_once_after_what_is_before_it(
    length: int, limit: int, stride: int | None, keep: int
) -> None:
    ids = tuple(range(length))
    view = View(row="row:text", turn=0, ids=ids, labels=(-100, *ids[1:]))
    found = slide(view, limit=limit, stride=stride, keep=keep)
    trained = Counter(label for part in found for label in part.labels[1:] if label >= 0)
    assert trained == Counter(ids[1:])
    for part in found:
        assert len(part.ids) == len(part.labels) <= limit
        assert part.ids[:keep] == ids[:keep]
        body = part.ids[keep:]
        assert body == tuple(range(body[0], body[0] + len(body)))
        assert all(label in (-100, id_) for id_, label in zip(part.ids, part.labels, strict=True))


def test_text_begins_with_bos_in_every_window_and_ends_as_documents_do(codec: Codec) -> None:
    row = Row(
        id="row:text",
        messages=(Message(role="user", content="All about cards. " * 60),),
        plain=True,
        source=Source(file="text.jsonl", line=1),
    )
    encoder = Encoder(codec=codec, limit=64, too_long="refuse")
    views = encoder.text(row, stride=None, counted=True)
    assert len(views) > 3
    assert encoder.outcomes == {"parted": [row.id]}
    if codec.bos_id is not None:
        assert all(view.ids[0] == codec.bos_id and view.ids.count(codec.bos_id) == 1 for view in views)
    assert views[-1].labels[-1] == codec.end_of_text_id
    assert (
        sum(label >= 0 for view in views for label in view.labels) == len(codec.text_ids(row.messages[0].content)) - 1
    )
