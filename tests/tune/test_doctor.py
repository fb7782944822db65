"""The preflight of a run: what is wrong is found, graded, and named by its place."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.rows import Message, Row
from seekloop.model.codec import View
from seekloop.runtime import models
from seekloop.runtime.tiny import tiny_base
from seekloop.tune.doctor import Examined, Finding, examine, is_exact
from seekloop.tune.masks import Piece, page, pieces
from seekloop.tune.spec import TuneInputs, TuneSpec
from tests.runtime.train.making import dataset, row, rows


@pytest.fixture
def base(ctx: RunContext) -> Checkpoint:
    return tiny_base(ctx)


def look(ctx: RunContext, base: Checkpoint, *, train: list[Row], test: list[Row] = (), **spec: object) -> Examined:
    data = dataset(ctx, train=train, validation=rows(2, first=50), test=test)
    return examine(TuneSpec.parse(spec), TuneInputs(dataset=data, checkpoint=base), ctx=ctx)


def finding(examined: Examined, check: str) -> Finding:
    return next(one for one in examined.findings if one.check == check)


def test_a_sound_run_is_ok_and_shows_what_it_trains(ctx: RunContext, base: Checkpoint) -> None:
    examined = look(ctx, base, train=rows(8), test=rows(2, first=61))
    assert {one.check: one.grade for one in examined.findings if one.grade == "MAJOR"} == {}
    assert finding(examined, "trained tokens").figures["trained_share"] > 0
    shown = "".join(piece.text for piece in examined.masks[0].pieces if piece.trained)
    assert shown.startswith(row(0).messages[-1].content)


def test_a_test_row_that_is_trained_is_major_and_a_near_one_minor(ctx: RunContext, base: Checkpoint) -> None:
    near = row(3).model_copy(
        update={"messages": (*row(3).messages[:1], _user(row(3), "please help us"), row(3).messages[2])}
    )
    examined = look(ctx, base, train=rows(8), test=[row(2), near])
    found = finding(examined, "test rows are unseen")
    assert (found.grade, found.figures["exact"]) == ("MAJOR", 1)
    assert found.rows[0] == "made.jsonl:3"
    assert examined.grade == "MAJOR"


def _user(one: Row, end: str) -> Message:
    return Message(role="user", content=one.messages[1].content.removesuffix("please help") + end)


@pytest.mark.parametrize(("choice", "grade"), [("refuse", "MAJOR"), ("drop", "MINOR")])
def test_rows_that_are_too_long_are_counted_with_their_places(
    ctx: RunContext, base: Checkpoint, choice: str, grade: str
) -> None:
    long = row(4, answer="very " * 60)
    examined = look(ctx, base, train=[*rows(4), long], max_length=200, too_long=choice)
    found = finding(examined, "lengths")
    assert (found.grade, found.figures["too_long"], found.rows) == (grade, 1, ("made.jsonl:5",))
    assert finding(examined, "the run would start").grade == ("MAJOR" if choice == "refuse" else "OK")


def test_a_row_that_trains_nothing_is_major(ctx: RunContext, base: Checkpoint) -> None:
    turns = row(1).messages
    silent = row(1).model_copy(update={"messages": (*turns[:2], turns[2].model_copy(update={"train": False}))})
    found = finding(look(ctx, base, train=[*rows(1), silent]), "every row can be encoded")
    assert found.grade == "MAJOR" and "made.jsonl:2" in found.found


@pytest.mark.parametrize(("rate", "grade"), [(1e-3, "OK"), (0.1, "MINOR"), (1e-6, "MINOR")])
def test_a_rate_far_from_the_usual_is_minor(ctx: RunContext, base: Checkpoint, rate: float, grade: str) -> None:
    assert finding(look(ctx, base, train=rows(4), learning_rate=rate), "learning rate").grade == grade


@pytest.mark.parametrize("harm", ["prompt", "label", "end"])
def test_views_that_are_not_what_is_served_are_seen(ctx: RunContext, base: Checkpoint, harm: str) -> None:
    codec = models.codec_of(base, store=ctx.store)
    (view,) = codec.views(row(0))
    assert is_exact(row(0), [view], codec=codec)
    broken: dict[str, View] = {
        "prompt": replace(view, ids=(view.ids[1], *view.ids[1:])),
        "label": replace(view, labels=(*view.labels[:-2], -100, view.labels[-1])),
        "end": replace(view, ids=view.ids[:-1], labels=view.labels[:-1]),
    }
    assert not is_exact(row(0), [broken[harm]], codec=codec)


def test_masks_hold_every_token_and_the_page_shows_markup_as_text(ctx: RunContext, base: Checkpoint) -> None:
    codec = models.codec_of(base, store=ctx.store)
    (view,) = codec.views(row(0, answer="<b>bold</b>"))
    found = pieces(view, codec)
    assert len(found) == len(view.ids)
    assert sum(piece.trained for piece in found) == sum(label >= 0 for label in view.labels)
    read = _Read()
    read.feed(page("a < b", [("row", [*found, Piece("<script>", True)])]))
    assert "script" not in read.tags and "b" not in read.tags
    assert read.on >= sum(piece.trained for piece in found)


class _Read(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.on = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.on += ("class", "on") in attrs
