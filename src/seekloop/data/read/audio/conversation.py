"""A transcript as a conversation: who spoke, turn by turn, what was unclear, and what may be trained of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from seekloop.artifact.rows import Message, Role
from seekloop.data.media import AudioSpec
from seekloop.data.read.audio.transcript import Said, Transcript
from seekloop.text.segment import language_of

__all__ = ["UNCLEAR", "Conversation", "conversation"]

UNCLEAR = "[UNCLEAR]"
"""Stands for a stretch of speech that was not understood."""
Reason = Literal["no_speech", "speech_unclear"]
_roles: Mapping[str, Role] = {"customer": "user", "agent": "assistant"}
_other = {"customer": "agent", "agent": "customer", "unknown": "unknown"}
_closed = tuple(".?!,;:…。？！，；：")


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """What a recording says."""

    messages: tuple[Message, ...]
    """Customer as user, agent as assistant; empty where nobody can be named."""
    text: str
    """The whole transcript, a turn a line."""
    dropped: Reason | None
    """Why the recording cannot be used; None: it can."""
    meta: dict[str, Any]
    """`language`, `confidence`, `unclear_s`, `speakers` (`channel`, `guessed` or `unknown`), `turns` with their times,
    and `greeting`: what the agent said before the customer's first word, which no conversation to train begins with."""


@dataclass
class _Turn:
    speaker: str
    start: float
    end: float
    parts: list[Said]


def conversation(transcript: Transcript, spec: AudioSpec, *, by_channel: bool) -> Conversation:
    """Turns of a transcript, and whether it is clear enough.

    Args:
        transcript: what was heard.
        spec: who is on which channel, and how clear it must be.
        by_channel: whether each channel is one speaker.
    """
    turns = _by_channel(transcript.said, spec) if by_channel else _by_pause(transcript.said, spec)
    spoken = sum(one.end - one.start for one in transcript.said)
    unclear = sum(one.end - one.start for one in transcript.said if one.confidence < spec.confidence)
    weighed = sum((one.end - one.start) * one.confidence for one in transcript.said)
    reason: Reason | None = None if transcript.said else "no_speech"
    if unclear > spec.unclear * spoken:
        reason = "speech_unclear"
    named = by_channel or spec.mono != "unknown"
    first = next((index for index, turn in enumerate(turns) if turn.speaker != "agent"), len(turns))
    greeting = " ".join(_text(turn, spec) for turn in turns[:first]) if named else ""
    return Conversation(
        messages=tuple(_message(turn, spec) for turn in turns[first:]) if named else (),
        text="\n".join(_text(turn, spec) for turn in turns),
        dropped=reason,
        meta={
            "language": transcript.language,
            "confidence": round(weighed / spoken, 4) if spoken else 0.0,
            "unclear_s": round(unclear, 2),
            "speakers": "channel" if by_channel else "guessed" if named else "unknown",
            "turns": [_described(turn) for turn in turns],
            **({"greeting": greeting} if greeting else {}),
        },
    )


def _by_channel(said: Sequence[Said], spec: AudioSpec) -> list[_Turn]:
    turns: list[_Turn] = []
    for one in said:
        speaker = spec.channels[one.channel]
        if not turns or turns[-1].speaker != speaker:
            turns.append(_Turn(speaker, one.start, one.end, []))
        turns[-1].parts.append(one)
        turns[-1].end = one.end
    return turns


def _by_pause(said: Sequence[Said], spec: AudioSpec) -> list[_Turn]:
    speaker = "unknown" if spec.mono == "unknown" else spec.mono.removesuffix("_first")
    turns: list[_Turn] = []
    for one in said:
        if not turns or one.start - turns[-1].end >= spec.pause_s:
            turns.append(_Turn(_other[turns[-1].speaker] if turns else speaker, one.start, one.end, []))
        turns[-1].parts.append(one)
        turns[-1].end = one.end
    return turns


def _text(turn: _Turn, spec: AudioSpec) -> str:
    """The turn's words; between two stretches of Chinese a comma stands for the pause, elsewhere a space."""
    text = ""
    for part in turn.parts:
        words = part.text if part.confidence >= spec.confidence else UNCLEAR
        chinese = language_of(text[-1:] + words[:1]) == "zh"
        text += words if not text else ("" if text.endswith(_closed) else "，") + words if chinese else f" {words}"
    return text


def _message(turn: _Turn, spec: AudioSpec) -> Message:
    text = _text(turn, spec)
    role = _roles[turn.speaker]
    return Message(role=role, content=text, train=False if role == "assistant" and UNCLEAR in text else None)


def _described(turn: _Turn) -> dict[str, Any]:
    least = min(part.confidence for part in turn.parts)
    return {"speaker": turn.speaker, "start": turn.start, "end": turn.end, "confidence": least}
