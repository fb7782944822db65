"""Answers to rows with several labels: the same labels are right in any order."""

from __future__ import annotations

import pytest

from seekloop.artifact.rows import Message, Row, Source
from seekloop.evaluate import scoring


@pytest.mark.parametrize(
    ("got", "right"),
    [("fee; card", True), ("card; fee", True), ("card", False), ("card; fee; cash", False), ("", False)],
)
def test_several_labels_are_right_in_any_order(got: str, right: bool) -> None:
    turns = (Message(role="user", content="Hello?"), Message(role="assistant", content="fee; card"))
    row = Row(id="r", messages=turns, label="fee; card", labels=("fee", "card"), source=Source(file="a", line=1))
    answer = Message(role="assistant", content=got)
    one = scoring.score(row, answer, form="label", finish_reason="stop", completion_tokens=3)
    assert one.correct is right
