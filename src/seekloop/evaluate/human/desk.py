"""What one rater's page asks and says: tasks by their place in the rater's own order, nothing of anybody else's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from seekloop.evaluate.human.book import Rating, Winner, is_whole
from seekloop.evaluate.human.spec import HIGHEST
from seekloop.evaluate.human.study import Study
from seekloop.evaluate.human.tasks import Task, in_order, is_swapped
from seekloop.system.clock import Clock
from seekloop.system.errors import UsageError

__all__ = ["CHOICES", "COMMENT", "Desk", "rating_of", "sides"]

CHOICES = ("1", "tie", "2")
"""Of two answers: the one that is shown first, neither, the other."""
COMMENT = 2_000
"""Characters of a comment at most."""


def sides(swapped: bool) -> dict[str, Winner]:
    """What each of `CHOICES` says about the models."""
    return {"1": "baseline" if swapped else "subject", "tie": "tie", "2": "subject" if swapped else "baseline"}


def rating_of(said: Mapping[str, Any], task: Task, *, study: Study, rater: str, swapped: bool) -> Rating:
    """A rating of what was said, checked.

    Args:
        said: `values` (dimension -> 0 to 5), `choice` (one of `CHOICES`), `comment`, `skipped`, `seconds`.
        task: what it is about.
        study: whose dimensions are asked.
        rater: who says it.
        swapped: whether the baseline's answer was shown first.

    Raises:
        UsageError: a number, a dimension or a choice that there is not.
    """
    unknown = sorted(set(said) - {"values", "choice", "comment", "skipped", "seconds"})
    if unknown:
        raise UsageError("human.bad_rating", problem=f"unknown field {unknown[0]}")
    choice, comment, skipped = said.get("choice"), said.get("comment") or "", said.get("skipped") or False
    if choice is not None and (task.kind != "prefer" or choice not in CHOICES):
        raise UsageError("human.bad_rating", problem=f"choice {choice}")
    if not isinstance(comment, str) or len(comment) > COMMENT or not isinstance(skipped, bool):
        raise UsageError("human.bad_rating", problem=f"comment is a text of at most {COMMENT} characters")
    seconds = said.get("seconds")
    first = None if task.kind == "rate" else ("baseline" if swapped else "subject")
    return Rating(
        rater=rater,
        task=task.id,
        values=_values(said.get("values") or {}, task, study=study),
        winner=None if choice is None else sides(swapped)[choice],
        first="baseline" if first == "baseline" else ("subject" if first else None),
        comment=comment,
        skipped=skipped,
        seconds=round(float(seconds), 1) if isinstance(seconds, int | float) and 0 <= seconds < 1e6 else None,
    )


def _values(said: Any, task: Task, *, study: Study) -> dict[str, int]:
    if not isinstance(said, Mapping) or (said and task.kind != "rate"):
        raise UsageError("human.bad_rating", problem="values are numbers by dimension")
    known = {one.name for one in study.spec.dimensions}
    for name, value in said.items():
        whole = isinstance(value, int) and not isinstance(value, bool)
        if name not in known or not whole or not 0 <= value <= HIGHEST:
            raise UsageError("human.bad_rating", problem=f"{name} = {value!s:.40}")
    return dict(said)


class Desk:
    """One rater's view of a study."""

    def __init__(self, study: Study, *, rater: str, clock: Clock) -> None:
        self._study = study
        self._rater = rater
        self._clock = clock
        self._tasks = in_order(study.tasks, rater=rater, seed=study.spec.seed)

    def state(self) -> dict[str, Any]:
        """The questions, how far the rater is, and where to go on."""
        return {
            "rater": self._rater,
            "study": self._study.spec.name,
            "dimensions": [one.model_dump(mode="json") for one in self._study.spec.dimensions],
            **self._progress(after=-1),
        }

    def show(self, place: int) -> dict[str, Any]:
        """The task at a place, with what this rater said of it before.

        Raises:
            UsageError: there is no such place.
        """
        task = self._at(place)
        swapped = self._swapped(task)
        said = self._study.book.of(self._rater).get(task.id)
        back: dict[str | None, str] = {winner: choice for choice, winner in sides(swapped).items()}
        return {
            "place": place,
            "kind": task.kind,
            "turns": [{"role": turn.role, "content": turn.content} for turn in task.turns],
            "answers": list(reversed(task.answers)) if swapped else list(task.answers),
            "reference": task.reference if self._study.spec.reference else None,
            "values": dict(said.values) if said else {},
            "choice": back.get(said.winner) if said else None,
            "comment": said.comment if said else "",
            "skipped": said.skipped if said else False,
        }

    def take(self, place: int, said: Mapping[str, Any]) -> dict[str, Any]:
        """Keep what the rater says of a task; how far they are then.

        Raises:
            UsageError: no such place, or it is no rating of this task.
            ArtifactError: the disk is full.
        """
        task = self._at(place)
        swapped = self._swapped(task)
        rating = rating_of(said, task, study=self._study, rater=self._rater, swapped=swapped)
        self._study.book.put(replace(rating, at=self._clock.now().isoformat(timespec="seconds")))
        return self._progress(after=place)

    def undo(self) -> dict[str, Any]:
        """Take back the last thing that the rater said; where that was."""
        task = self._study.book.undo(self._rater)
        places = {one.id: place for place, one in enumerate(self._tasks)}
        return {**self._progress(after=-1), "place": None if task is None else places.get(task)}

    def _progress(self, *, after: int) -> dict[str, Any]:
        """How far the rater is, and the next open task: behind a place, or else from the start."""
        done = self._done()
        left = [place for place, whole in enumerate(done) if not whole]
        behind = [place for place in left if place > after]
        return {"total": len(done), "done": sum(done), "next": next(iter(behind or left), None)}

    def _done(self) -> list[bool]:
        said = self._study.book.of(self._rater)
        dimensions = self._study.spec.dimensions
        return [is_whole(said.get(task.id), task, dimensions=dimensions) for task in self._tasks]

    def _at(self, place: int) -> Task:
        if not 0 <= place < len(self._tasks):
            raise UsageError("human.no_place", place=place, count=len(self._tasks))
        return self._tasks[place]

    def _swapped(self, task: Task) -> bool:
        return is_swapped(task, rater=self._rater, seed=self._study.spec.seed)
