"""From a body or a line to feedback in the ledger. A batch is taken in part: each line that cannot be is named.

In part, because lines are opinions of different people on different answers and none depends on another; and because
every line is idempotent, so that whoever mends the refused lines can send the whole file again.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from seekloop.artifact.ledger import Feedback, Ledger
from seekloop.artifact.records import Outcome
from seekloop.serve.caller import Caller, Role
from seekloop.serve.feedback.requests import FeedbackRequest
from seekloop.serve.problems import of_error, of_invalid
from seekloop.system import digests
from seekloop.system.errors import DataError, LedgerError, SeekloopError

__all__ = ["Refused", "Taken", "check_own", "feedback_of", "take"]

_together = 256
_first_fields = ("answer", "label", "correction", "score", "comment", "ratings")


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A line that was not recorded."""

    line: int
    """One-based."""
    code: str
    message: str


@dataclass(kw_only=True)
class Taken:
    """What became of a batch: `lines = recorded + again + len(refused)`."""

    lines: int = 0
    """Lines that are not blank."""
    recorded: int = 0
    again: int = 0
    """Recorded before, with the same content."""
    refused: list[Refused] = field(default_factory=list)


def feedback_of(body: FeedbackRequest, *, caller: str, at: str) -> Feedback:
    """The feedback that a body gives, under its own id or one that is made of what it says."""
    said = body.model_dump(exclude={"id"}, exclude_none=True)
    # What feedback could say at first is always digested, so that what was sent without an id then is known again.
    always = {name: said.get(name) for name in _first_fields if name != "ratings" or name in said}
    made = digests.of_json({"caller": caller, **always, **said}).removeprefix("sha256:")[:32]
    outcome = None if body.outcome is None else Outcome(**body.outcome.model_dump())
    said |= {"outcome": outcome, "signals": tuple(sorted(set(body.signals or ())))}
    return Feedback(id=body.id or f"fb_{made}", at=at, caller=caller, **said)


def check_own(ledger: Ledger, answer: str, *, caller: Caller) -> None:
    """Others' answers are, to whoever may only judge their own, answers that are not there.

    Raises:
        LedgerError: the answer is not there, or is another's.
    """
    if caller.role.covers(Role.REVIEWER):
        return
    recorded = ledger.answered(answer)
    if recorded is None or recorded.actor != caller.name:
        raise LedgerError("artifact.no_answer", id=answer)


def take(
    lines: Iterable[tuple[int, bytes | dict[str, Any] | DataError]],
    *,
    ledger: Ledger,
    caller: Caller,
    at: str,
    language: str | None = None,
) -> Taken:
    """Record what can be of a batch.

    Args:
        lines: number and JSON of each, or the fields that were read from it, or why it cannot be read.
        ledger: where feedback goes.
        caller: who sends it.
        at: when.
        language: of the refusals: "en", "zh", or None for the process's own.
    """
    taken = Taken()
    left = iter(lines)
    while block := list(itertools.islice(left, _together)):
        ready: list[tuple[int, Feedback]] = []
        for number, line in block:
            taken.lines += 1
            try:
                given = feedback_of(_read(line), caller=caller.name, at=at)
                check_own(ledger, given.answer, caller=caller)
                ready.append((number, given))
            except ValidationError as error:
                problem = of_invalid(error)
                taken.refused.append(Refused(line=number, code=problem.code or "", message=problem.message))
            except SeekloopError as error:
                taken.refused.append(_refused(number, error, language=language))
        told = ledger.record_feedback_batch([given for _, given in ready])
        for (number, _), one in zip(ready, told, strict=True):
            if isinstance(one, LedgerError):
                taken.refused.append(_refused(number, one, language=language))
            else:
                taken.recorded += one
                taken.again += not one
    taken.refused.sort(key=lambda one: one.line)
    return taken


def _read(line: bytes | dict[str, Any] | DataError) -> FeedbackRequest:
    if isinstance(line, DataError):
        raise line
    if isinstance(line, dict):
        return FeedbackRequest.model_validate(line)
    try:
        line.decode()
    except UnicodeDecodeError as error:
        raise DataError("feedback.not_utf8") from error
    return FeedbackRequest.model_validate_json(line)


def _refused(line: int, error: SeekloopError, *, language: str | None) -> Refused:
    problem = of_error(error, language=language)
    return Refused(line=line, code=error.code, message=problem.message)
