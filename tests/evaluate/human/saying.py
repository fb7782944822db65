"""What raters say in tests."""

from __future__ import annotations

from seekloop.evaluate.human.book import Rating

NAMES = ("relevance", "fluency", "safety")


def rates(rater, task, *numbers, **more):
    """A rating with numbers in the order of the dimensions."""
    return Rating(rater=rater, task=task.id, values=dict(zip(NAMES, numbers, strict=False)), **more)


def prefers(rater, task, winner, *, first="subject"):
    """A preference."""
    return Rating(rater=rater, task=task.id, winner=winner, first=first)


def figure(report, name):
    """Value and n of a figure."""
    found = report.figure(name)
    return round(found.value, 4), found.n
