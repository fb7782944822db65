"""People look at answers: a queue, one decision each, all of it events of the chain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seekloop.system.lazy import attributes

if TYPE_CHECKING:
    from seekloop.learn.review.board import Board, Case, Opinion, read_board
    from seekloop.learn.review.desk import Desk, Shown
    from seekloop.learn.review.filling import fill
    from seekloop.learn.review.verdicts import Standing, standing

__all__ = ["Board", "Case", "Desk", "Opinion", "Shown", "Standing", "fill", "read_board", "standing"]

__getattr__ = attributes(
    __name__,
    board=("Board", "Case", "Opinion", "read_board"),
    desk=("Desk", "Shown"),
    filling=("fill",),
    verdicts=("Standing", "standing"),
)
