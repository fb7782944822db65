"""One person's view of the queue: what comes next, what they say of it, nothing of what others said.

A decision is one event, `review.decided`. The text of a correction is not in it: the chain cannot forget, and a text
must be erasable. It is kept as feedback on the answer, encrypted under the answer's key.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast, get_args

from seekloop.artifact.ledger import Ledger
from seekloop.artifact.records import Answer, Feedback
from seekloop.learn.judging import judge
from seekloop.learn.mining.seen import text_of
from seekloop.learn.review.board import CLAIMED, DECIDED, DOUBTED, Board, Case, Decision, Opinion, read_board
from seekloop.system import digests
from seekloop.system.clock import Clock
from seekloop.system.errors import LedgerError, UsageError
from seekloop.text.labelled import AnswerForm

__all__ = ["LEASE_S", "Desk", "Shown"]

LEASE_S = 900.0
"""How long an answer stays with whoever has it before them, in seconds."""
_tries = 20
_reason, _correction = 500, 20_000
"""Characters at most."""


_problems = {
    "missing_answer": "the text of the right answer is missing",
    "missing_label": "the label is missing, or the dataset does not know it",
    "contradictory": "label and correction disagree",
}


@dataclass(frozen=True)
class _Said:
    """What somebody says, checked."""

    decision: Decision
    label: str | None
    correction: str | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a reviewer sees of a case."""

    answer: str
    turns: tuple[Mapping[str, str], ...]
    """What was asked: role and text of each turn."""
    content: str
    """What was answered."""
    mine: Opinion | None
    """What this person said of it before."""
    correction: str
    """The correction that this person gave before."""


class Desk:
    """Shows and takes, for one reviewer. Several desks, processes and machines may share one ledger.

    Args:
        ledger: of the project.
        reviewer: who; their decisions are recorded under this name.
        clock: says when a claim ends.
        form: what the dataset's answers hold: whether a label, a text or both is needed to correct one.
        labels: those that the dataset knows.
        lease_s: seconds for which an answer is kept to whoever has it before them.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        reviewer: str,
        clock: Clock,
        form: AnswerForm = "text",
        labels: Collection[str] = (),
        lease_s: float = LEASE_S,
    ) -> None:
        self._ledger = ledger
        self.reviewer = reviewer
        self._clock = clock
        self.form = form
        self.labels = tuple(labels)
        self._lease = dt.timedelta(seconds=lease_s)
        self._board = Board()

    def board(self) -> Board:
        """The queue as it stands now."""
        return read_board(self._ledger, onto=self._board)

    def progress(self) -> dict[str, int]:
        """How many cases this person decided, and how many wait for them."""
        return {"done": len(self.decided()), "left": len(self.waiting())}

    def waiting(self) -> list[str]:
        """Answers that this person may be shown, in the order of the queue."""
        board, now = self.board(), self._now()
        return [case.answer for case in board.in_order() if case.is_free_for(self.reviewer, now)]

    def decided(self) -> list[str]:
        """Answers that this person decided, the newest word last."""
        own = [case.opinions[self.reviewer] for case in self.board().cases.values() if self.reviewer in case.opinions]
        return [one.answer for one in sorted(own, key=lambda one: one.seq)]

    def next(self) -> Shown | None:
        """The next case, kept to this person for a while; None: there is none. Asked again, it is the same one.

        Answers whose text was erased are passed over.

        Raises:
            LedgerError: the queue is too busy, or the ledger cannot be read.
        """
        gone: set[str] = set()
        for _ in range(_tries):
            case = self._next_of(gone)
            if case is None:
                return None
            try:
                self._ledger.answer(case.answer)
                # Before the queue is read again: what another claims meanwhile must be seen to come in between.
                self._claim(case)
                shown = self.show(case.answer)
            except LedgerError as error:
                if error.code in ("artifact.erased", "artifact.no_answer"):
                    gone.add(case.answer)
                elif error.code != "artifact.decided_since":
                    raise
                continue
            return shown
        raise LedgerError("review.busy")

    def show(self, answer: str) -> Shown:
        """A case, with what this person said of it.

        Raises:
            LedgerError: there is no such answer, or its text was erased.
        """
        found = self._ledger.answer(answer)
        case = self.board().cases.get(answer)
        mine = None if case is None else case.opinions.get(self.reviewer)
        correction = ""
        if mine is not None and mine.feedback is not None:
            said = {one.id: one.correction for one in self._ledger.feedback(answer=answer)}
            correction = said.get(mine.feedback) or ""
        turns = tuple({"role": str(turn.get("role", "")), "content": text_of(turn)} for turn in found.messages)
        return Shown(answer=answer, turns=turns, content=found.content, mine=mine, correction=correction)

    def decide(
        self, answer: str, decision: str, *, label: str | None = None, correction: str | None = None, reason: str = ""
    ) -> bool:
        """Say what an answer is; False where this person said just that before, and nothing was written.

        Args:
            answer: id.
            decision: accept, correct or discard.
            label: the right label, to correct.
            correction: the right answer in full, to correct.
            reason: why, for people.

        Raises:
            UsageError: no such decision, or not all that it takes to learn from a correction.
            LedgerError: no such answer, its text was erased, or the queue is too busy.
        """
        served = self._ledger.answer(answer)
        said = self._checked(served, decision, label=label, correction=correction, reason=reason)
        for _ in range(_tries):
            case = self.board().cases.get(answer) or Case(answer=answer, place=0)
            before = case.opinions.get(self.reviewer)
            if before is not None and self._same(before, said):
                return False
            try:
                self._write(case, said)
            except LedgerError as error:
                if error.code != "artifact.decided_since":
                    raise
                continue
            return True
        raise LedgerError("review.busy")

    def check(
        self, answer: str, decision: str, *, label: str | None = None, correction: str | None = None, reason: str = ""
    ) -> None:
        """Whether `decide` would take this; nothing is written.

        Raises:
            SeekloopError: as `decide` does.
        """
        self._checked(self._ledger.answer(answer), decision, label=label, correction=correction, reason=reason)

    def doubt(self, answer: str, *, reason: str = "") -> bool:
        """Ask for one more opinion and let go of the case; False where somebody did since, and nothing was written.

        Raises:
            UsageError: the answer is not in the queue, or the reason is too long.
        """
        if len(reason) > _reason:
            raise UsageError("review.too_long", field="reason", most=_reason)
        board = self.board()
        if answer not in board.cases:
            raise UsageError("review.not_queued", answer=answer)
        try:
            self._take(DOUBTED, answer, facts={"reason": reason})
        except LedgerError as error:
            if error.code != "artifact.decided_since":
                raise
            return False
        return True

    def _next_of(self, gone: Collection[str]) -> Case | None:
        board, now = self.board(), self._now()
        free = [case for case in board.in_order() if case.answer not in gone and case.is_free_for(self.reviewer, now)]
        mine = [case for case in free if self.reviewer in case.holders(now)]
        return next(iter(mine or free), None)

    def _claim(self, case: Case) -> None:
        now = self._clock.now().astimezone(dt.UTC)
        until = case.claims.get(self.reviewer, "")
        # Whoever asks again in the first half of their time need not write again.
        if until > (now + self._lease / 2).isoformat(timespec="microseconds"):
            return
        self._take(CLAIMED, case.answer, facts={"until": (now + self._lease).isoformat(timespec="microseconds")})

    def _take(self, kind: str, answer: str, *, facts: Mapping[str, Any]) -> None:
        event = self._ledger.note_next(kind, answer, facts=facts, actor=self.reviewer, after=self._board.turn)
        self._board.take(event)

    def _checked(
        self, served: Answer, decision: str, *, label: str | None, correction: str | None, reason: str
    ) -> _Said:
        """What was said, if it can be learned from."""
        if decision not in get_args(Decision):
            raise UsageError("review.no_decision", given=decision, known=", ".join(get_args(Decision)))
        for name, text, most in (("reason", reason, _reason), ("correction", correction or "", _correction)):
            if len(text) > most:
                raise UsageError("review.too_long", field=name, most=most)
        label, correction = (label or "").strip() or None, (correction or "").strip() or None
        if decision != "correct":
            if label is not None or correction is not None:
                raise UsageError("review.not_whole", problem=f"a correction to {decision}")
            return _Said(cast(Decision, decision), None, None, reason)
        if label is None and correction is None:
            raise UsageError("review.not_whole", problem="no label and no correction")
        given = Feedback(id="", answer=served.id, at="", caller="", score=0.0, label=label, correction=correction)
        found = judge(served.content, given, form=self.form, labels=self.labels, bad_score=0.5)
        if found.reason != "corrected":
            raise UsageError("review.not_whole", problem=_problems.get(found.reason, "it changes nothing"))
        return _Said("correct", found.label, correction, reason)

    def _same(self, before: Opinion, said: _Said) -> bool:
        if (before.decision, before.label, before.reason) != (said.decision, said.label, said.reason):
            return False
        if said.correction is None or before.feedback is None:
            return said.correction is None
        texts = {one.id: one.correction for one in self._ledger.feedback(answer=before.answer)}
        return texts.get(before.feedback) == said.correction

    def _write(self, case: Case, said: _Said) -> None:
        at = self._clock.now().isoformat()
        feedback = None
        if said.decision != "discard":
            words = sum(one.reviewer == self.reviewer for one in case.history)
            # The same word of the same person has the same id, so that a crash before the event leaves no second one.
            made = digests.of_json([case.answer, self.reviewer, words, said.decision, said.label, said.correction])
            feedback = f"review-{made.removeprefix('sha256:')[:32]}"
            self._ledger.record_feedback(
                Feedback(
                    id=feedback,
                    answer=case.answer,
                    at=at,
                    caller=self.reviewer,
                    score=1.0 if said.decision == "accept" else 0.0,
                    label=said.label,
                    correction=said.correction,
                )
            )
        last = case.history[-1] if case.history else None
        facts = {
            "decision": said.decision,
            "label": said.label,
            "correction": None,
            "feedback": feedback,
            "reason": said.reason,
            "before": None if last is None else {"seq": last.seq, "decision": last.decision, "label": last.label},
            "state": self._state_after(case, said),
        }
        self._take(DECIDED, case.answer, facts=facts)

    def _state_after(self, case: Case, said: _Said) -> str:
        """What the case will be once this is said."""
        opinion = Opinion(
            answer=case.answer,
            reviewer=self.reviewer,
            decision=said.decision,
            label=said.label,
            reason=said.reason,
            feedback=None,
            seq=self._board.seq + 1,
            at="",
        )
        return replace(case, opinions={**case.opinions, self.reviewer: opinion}).state

    def _now(self) -> str:
        return self._clock.now().astimezone(dt.UTC).isoformat(timespec="microseconds")
