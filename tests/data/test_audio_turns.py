"""Transcripts into conversations: who spoke is known or said to be guessed, what was unclear is never guessed."""

from __future__ import annotations

import pytest

from seekloop.artifact.rows import Message
from seekloop.data.media import AudioSpec
from seekloop.data.read.audio.conversation import UNCLEAR, conversation
from seekloop.data.read.audio.transcript import Said, Transcript, invented
from seekloop.data.read.audio.whisper import Heard


def said(text: str, start: float, end: float, *, channel: int = 0, confidence: float = 0.9) -> Said:
    return Said(channel=channel, start=start, end=end, text=text, confidence=confidence, no_speech=0.0)


def transcript(*parts: Said, language: str = "en") -> Transcript:
    return Transcript(language=language, said=parts)


def spec(**keys) -> AudioSpec:
    return AudioSpec.parse({"path": "calls", **keys})


CALL = transcript(
    said("How can I help?", 0.0, 1.0, channel=1),
    said("I lost my card.", 1.5, 2.5),
    said("Yesterday.", 3.0, 3.5),
    said("I block it now.", 4.0, 5.0, channel=1),
)


def test_each_channel_is_a_speaker_and_the_greeting_is_kept_apart():
    made = conversation(CALL, spec(), by_channel=True)
    assert made.messages == (
        Message(role="user", content="I lost my card. Yesterday."),
        Message(role="assistant", content="I block it now."),
    )
    assert made.meta["greeting"] == "How can I help?"
    assert made.meta["speakers"] == "channel"
    assert [(turn["speaker"], turn["start"]) for turn in made.meta["turns"]] == [
        ("agent", 0.0),
        ("customer", 1.5),
        ("agent", 4.0),
    ]


def test_channels_can_be_the_other_way_round():
    made = conversation(CALL, spec(channels=["agent", "customer"]), by_channel=True)
    assert [message.role for message in made.messages] == ["user", "assistant", "user"]


def test_on_one_channel_nobody_is_named_unless_asked_for():
    made = conversation(transcript(said("Hello.", 0, 1), said("Hi.", 3, 4)), spec(), by_channel=False)
    assert (made.messages, made.text, made.meta["speakers"]) == ((), "Hello.\nHi.", "unknown")


def test_turns_by_pause_are_marked_as_guessed():
    parts = (said("I lost", 0, 1), said("my card.", 1.3, 2), said("I block it.", 4, 5))
    made = conversation(transcript(*parts), spec(mono="customer_first"), by_channel=False)
    assert [message.content for message in made.messages] == ["I lost my card.", "I block it."]
    assert made.meta["speakers"] == "guessed"


def test_what_is_unclear_is_not_written_and_an_unclear_answer_is_not_trained():
    parts = (said("card", 0, 9), said("blah", 10, 11, channel=1, confidence=0.2), said("Done.", 12, 20, channel=1))
    made = conversation(transcript(*parts), spec(), by_channel=True)
    assert made.messages[1] == Message(role="assistant", content=f"{UNCLEAR} Done.", train=False)
    assert made.dropped is None
    assert made.meta["unclear_s"] == 1


def test_a_recording_that_is_mostly_unclear_is_dropped():
    parts = (said("a", 0, 1), said("b", 2, 3, confidence=0.1))
    assert conversation(transcript(*parts), spec(), by_channel=False).dropped == "speech_unclear"


def test_a_recording_without_speech_is_dropped():
    assert conversation(transcript(language=""), spec(), by_channel=False).dropped == "no_speech"


def test_chinese_stretches_are_joined_with_a_comma_where_none_ends():
    parts = (said("我的卡丢了", 0, 1), said("怎么办？", 1.6, 2), said("急", 2.6, 3))
    made = conversation(transcript(*parts, language="zh"), spec(), by_channel=False)
    assert made.text == "我的卡丢了，怎么办？急"


@pytest.mark.parametrize(
    ("text", "confidence", "no_speech", "is_invented"),
    [
        ("I lost my card.", 0.9, 0.1, False),
        ("you", 0.3, 0.93, True),
        ("you", 0.9, 0.93, False),
        ("...", 0.9, 0.0, True),
        ("谢谢大家收看！", 0.9, 0.0, True),
        ("請不吝點贊 訂閱 轉發", 0.9, 0.0, True),
        ("Thank you for watching!", 0.9, 0.0, True),
        ("Thank you.", 0.9, 0.0, False),
        ("no " * 40, 0.9, 0.0, True),
        ("以下是普通话的句子", 0.9, 0.0, True),
    ],
)
def test_text_that_no_speech_gave_is_known(text, confidence, no_speech, is_invented):
    heard = Heard(text=text, confidence=confidence, no_speech=no_speech)
    assert invented(heard, prompt="以下是普通话的句子。") is is_invented
