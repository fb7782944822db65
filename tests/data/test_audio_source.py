"""Recordings as a source: every file a row or a reason, nothing heard twice."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from seekloop.data.read import read_corpus
from seekloop.data.read.audio.opener import recordings
from seekloop.data.read.audio.transcript import kept_transcript
from seekloop.data.read.audio.wav import open_sound
from seekloop.data.read.audio.whisper import Heard
from seekloop.data.read.stream import Desk
from seekloop.data.sources import SourceSpec
from seekloop.system.errors import DataError
from tests.data.sounds import tone, wav

GAP = np.zeros(16_000, dtype=np.float32)
ASKED = np.concatenate([GAP, tone(1, hertz=300), GAP, GAP, GAP])
ANSWERED = np.concatenate([GAP, GAP, GAP, tone(1, hertz=500), GAP])


@dataclasses.dataclass
class ByPitch:
    """A listener that knows two tones, and counts how often it listened."""

    identity: str = "by pitch"
    heard: int = 0
    confidence: float = 0.9

    def language(self, samples):
        return "zh"

    def hear(self, samples, *, language, prompt):
        self.heard += 1
        loudest = np.abs(np.fft.rfft(samples)).argmax() * 16_000 / len(samples)
        text = "我的卡丢了" if loudest < 400 else "我馬上為您辦理"
        return Heard(text=text, confidence=self.confidence, no_speech=0.0)


@pytest.fixture
def calls(tmp_path):
    """A folder with a call of two channels, one of one channel, a silence, and a text file."""
    folder = tmp_path / "calls"
    folder.mkdir()
    (folder / "a.wav").write_bytes(wav(np.stack([ASKED, ANSWERED])))
    (folder / "b.wav").write_bytes(wav((ASKED + ANSWERED)[None]))
    (folder / "c.wav").write_bytes(wav(np.stack([GAP, GAP])))
    (folder / "notes.txt").write_text("hello")
    return folder


@pytest.fixture
def opened(room):
    """The records of the recordings below `calls`, by file."""

    def open_all(listener, *, lenient=False, **keys):
        source = SourceSpec.parse({"audio": {"path": "calls", "voice": "energy", **keys}})
        streams = recordings(source, Desk(ctx=room, lenient=lenient), listener=listener)
        return {record.file: record for stream in streams for record in stream.records}

    return open_all


def test_every_recording_is_a_record_with_its_times_or_a_reason(calls, opened, said):
    found = opened(ByPitch(), pause_s=0.5)
    call = found["calls/a.wav"]
    assert [turn["content"] for turn in call.value["messages"]] == ["我的卡丢了", "我马上为您办理"]
    assert call.meta["turns"][1] == {"speaker": "agent", "start": 2.98, "end": 4.0, "confidence": 0.9}
    assert found["calls/b.wav"].value["messages"] == []  # nobody is named: plain text
    assert found["calls/b.wav"].value["text"]
    assert found["calls/c.wav"].dropped == "no_speech"
    assert "calls: left out, of another kind: 1 .txt" in said.lines
    assert "calls: 2 recordings, channel 1 customer, channel 2 agent" in said.lines


def test_turns_of_one_channel_are_parted_by_pauses_only_where_they_are_guessed(calls, opened):
    found = opened(ByPitch(), pause_s=0.5, mono="customer_first")
    turns = found["calls/b.wav"].value["messages"]
    assert [(turn["role"], turn["content"]) for turn in turns] == [
        ("user", "我的卡丢了"),
        ("assistant", "我马上为您办理"),
    ]


def test_a_speaker_is_heard_over_a_pause_unless_the_other_one_speaks_in_it(calls, opened):
    asking = np.concatenate([GAP, tone(1), GAP, GAP[:8_000], tone(1), GAP])
    between = np.concatenate([GAP, GAP, tone(1, hertz=500), GAP, GAP, GAP])[: len(asking)]
    (calls / "alone.wav").write_bytes(wav(np.stack([asking, np.zeros_like(asking)])))
    (calls / "both.wav").write_bytes(wav(np.stack([asking, between])))
    listener = ByPitch()
    found = opened(listener, pause_s=0.5)
    turns = {name: found[f"calls/{name}.wav"].meta["turns"] for name in ("alone", "both")}
    assert {name: [turn["speaker"] for turn in made] for name, made in turns.items()} == {
        "alone": ["customer"],
        "both": ["customer", "agent", "customer"],
    }
    assert turns["alone"][0]["end"] > 4


def test_an_echo_of_the_other_speaker_is_no_turn(calls, opened):
    (calls / "a.wav").write_bytes(wav(np.stack([ASKED + 0.05 * ANSWERED, ANSWERED + 0.05 * ASKED])))
    listener = ByPitch()
    turns = opened(listener)["calls/a.wav"].value["messages"]
    assert [(turn["role"], turn["content"]) for turn in turns] == [
        ("user", "我的卡丢了"),
        ("assistant", "我马上为您办理"),
    ]


def test_a_mono_recording_saved_as_stereo_is_heard_as_one(calls, opened, said):
    (calls / "a.wav").write_bytes(wav(np.stack([ASKED, ASKED])))
    assert opened(ByPitch())["calls/a.wav"].meta["speakers"] == "unknown"
    assert "calls/a.wav: all its channels are the same, so it is heard as one" in said.lines


def test_the_same_bytes_at_another_rate_are_another_recording(calls, opened):
    (calls / "raw.pcm").write_bytes((ASKED * 32767).astype("<i2").tobytes())
    opened(ByPitch())
    listener = ByPitch()
    opened(listener, pcm_rate=8_000)
    assert listener.heard == 1


def test_what_was_heard_once_is_not_heard_again(calls, opened, said):
    first, second = ByPitch(), ByPitch()
    before = opened(first)
    assert opened(second) == before
    assert (first.heard, second.heard) == (3, 0)
    assert "calls: 2 of 2 recordings were transcribed before" in said.lines


def test_a_broken_off_transcription_goes_on_with_the_next_recording(calls, opened, room):
    listener = ByPitch()
    source = SourceSpec.parse({"audio": {"path": "calls", "voice": "energy"}})
    stream = next(iter(recordings(source, Desk(ctx=room, lenient=False), listener=listener)))
    next(stream.records)  # and killed here
    again = ByPitch()
    opened(again)
    assert (listener.heard, again.heard) == (2, 1)


@pytest.mark.parametrize("other", [{"language": "en"}, {"prompt": "Visa"}, {"channels": ["customer"]}])
def test_other_ears_listen_anew(calls, opened, other):
    opened(ByPitch())
    listener = ByPitch()
    opened(listener, **other)
    assert listener.heard > 0


def test_stricter_limits_do_not_listen_anew(calls, opened):
    opened(ByPitch())
    listener = ByPitch()
    found = opened(listener, confidence=0.95)
    assert (listener.heard, found["calls/a.wav"].dropped) == (0, "speech_unclear")


def test_a_kept_transcript_is_whole_or_absent(calls, room):
    sound = open_sound(calls / "a.wav", shown="a")
    spec = SourceSpec.parse({"audio": {"path": "calls", "voice": "energy"}}).audio
    folder = room.work / "speech"
    made, was_there = kept_transcript(sound, spec, listener=ByPitch(), recording="sha256:1", folder=folder)
    (kept,) = folder.iterdir()
    assert not was_there
    assert json.loads(kept.read_text("utf-8"))["language"] == made.language == "zh"


def test_a_damaged_recording_is_a_record_with_its_problem(calls, opened):
    (calls / "bad.wav").write_bytes(b"fLaC not wav")
    assert opened(ByPitch())["calls/bad.wav"].problem.code == "data.not_wav"


def test_a_folder_without_recordings_is_named(tmp_path, opened):
    (tmp_path / "calls").mkdir()
    with pytest.raises(DataError) as caught:
        opened(ByPitch())
    assert caught.value.code == "data.none_of_kind"


def test_a_model_that_is_not_there_is_named(calls, room):
    source = SourceSpec.parse({"audio": {"path": "calls", "model": "models/none"}})
    with pytest.raises(DataError) as caught:
        read_corpus([source], ctx=room)
    assert caught.value.code == "data.no_speech_model"
