"""What a lesson set aside for a review, and why: one line each, in the lesson's `set_aside.jsonl`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seekloop.artifact.kinds import Lesson
from seekloop.artifact.store import Store
from seekloop.learn.findings import SET_ASIDE, Finding

__all__ = ["FILE", "SetAside", "read_set_aside", "write_set_aside"]

FILE = "set_aside.jsonl"


@dataclass(frozen=True, kw_only=True)
class SetAside:
    """A correction that is not trained before somebody looked at it."""

    answer: str
    feedback: str
    speaker: str
    """The caller, and a pseudonym of its user."""
    reason: str
    label: str | None
    """What it teaches."""
    evidence: Mapping[str, Any]
    """The counts behind the reason."""
    why: str
    """The same as an English sentence."""


def write_set_aside(path: Path, found: Iterable[Finding]) -> int:
    """Write what of `found` is for a review; returns how many, and writes no file where there are none."""
    lines = [
        json.dumps(dataclasses.asdict(_set_aside(one)), ensure_ascii=False, sort_keys=True)
        for one in found
        if one.dropped in SET_ASIDE
    ]
    if lines:
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return len(lines)


def read_set_aside(lesson: Lesson, *, store: Store) -> Iterator[SetAside]:
    """What a lesson set aside, in the order of saying.

    Raises:
        ArtifactError: the lesson is not in the store.
    """
    if FILE not in lesson.files:
        return
    with store.path(lesson.id, FILE).open(encoding="utf-8") as file:
        for line in file:
            yield SetAside(**json.loads(line))


def _set_aside(one: Finding) -> SetAside:
    return SetAside(
        answer=one.heard.answer.id,
        feedback=one.heard.feedback.id,
        speaker=one.heard.speaker.shown,
        reason=str(one.dropped),
        label=one.judgement.label,
        evidence=one.evidence,
        why=_sentence(str(one.dropped), one.evidence),
    )


def _sentence(reason: str, evidence: Mapping[str, Any]) -> str:
    match reason:
        case "outlying_user":
            return (
                "{disagrees} of {of} corrections of this user disagree with what others say of such texts, and "
                "{others} of {of_others} of everybody else's (p = {p:.2g}, bound {bound:.2g})"
            ).format(**evidence)
        case "implausible":
            return (
                "the label is in place {rank} of {labels} for this text, {gap:.1f} from the likeliest one, and rows "
                "known to be right lie within {plausible:.1f}"
            ).format(**evidence)
        case "user_cap" | "label_cap" | "caller_cap":
            return f"beyond the {evidence['cap']} that one voice may teach ({reason})"
        case "outvoted":
            return f"others say otherwise: {json.dumps(evidence, ensure_ascii=False, sort_keys=True)}"
        case _:
            voices = json.dumps(evidence, ensure_ascii=False, sort_keys=True)
            return f"people give one conversation several labels: {voices}"
