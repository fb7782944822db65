"""Who says something: the end user behind a caller, as far as the caller names them."""

from __future__ import annotations

from dataclasses import dataclass

from seekloop.artifact.ledger import Answer, Feedback
from seekloop.artifact.payloads import subject_name
from seekloop.system import digests

__all__ = ["Speaker", "speaker_of"]

_with_user = 3


@dataclass(frozen=True, order=True)
class Speaker:
    """One voice; callers that name no users are one each."""

    caller: str
    user: str = ""
    """Empty: the caller itself."""

    @property
    def shown(self) -> str:
        """For files that people look at: the caller, and a pseudonym of the user."""
        if not self.user:
            return self.caller
        return f"{self.caller}/{digests.of_json([self.caller, self.user]).removeprefix('sha256:')[:12]}"


def speaker_of(answer: Answer, feedback: Feedback) -> Speaker:
    """Whose feedback it is: of the user that it names; else, from the caller that was answered, of the user that the
    answer was for; else of the caller itself."""
    if feedback.user is not None:
        return Speaker(feedback.caller, subject_name(feedback.user))
    parts = (answer.subject or "").split("/")
    if feedback.caller == answer.caller and len(parts) >= _with_user:
        return Speaker(feedback.caller, parts[-1])
    return Speaker(feedback.caller)
