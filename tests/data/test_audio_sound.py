"""Recordings: every stored form gives the same sound, broken headers are read or named, rates become 16 kHz."""

from __future__ import annotations

import struct
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.data.read.audio.mel import log_mel
from seekloop.data.read.audio.resample import RATE, resample
from seekloop.data.read.audio.vad import FRAME, detector, spans
from seekloop.data.read.audio.wav import open_sound
from seekloop.system.errors import DataError
from tests.data.sounds import tone, wav

SILENCE = np.zeros(RATE, dtype=np.float32)


@pytest.mark.parametrize("bits", [8, 16, 24, 32, "f32", "f64", "a-law", "mu-law"])
def test_every_stored_form_gives_the_same_sound(tmp_path, bits):
    sound = tone(0.2, hertz=440, level=0.5)
    (tmp_path / "a.wav").write_bytes(wav(sound[None], bits=bits))
    opened = open_sound(tmp_path / "a.wav", shown="a.wav")
    loose = 0.03 if bits in (8, "a-law", "mu-law") else 1e-4
    assert np.abs(opened.channel(0) - sound).max() < loose


def test_channels_stay_apart_and_mix_to_their_mean(tmp_path):
    left, right = tone(0.1, hertz=300), tone(0.1, hertz=500)
    (tmp_path / "a.wav").write_bytes(wav(np.stack([left, right])))
    opened = open_sound(tmp_path / "a.wav", shown="a.wav")
    assert np.abs(opened.channel(1) - right).max() < 1e-4
    assert np.abs(opened.mixed() - (left + right) / 2).max() < 1e-4


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF])
def test_a_header_that_never_knew_the_end_is_read_to_the_end(tmp_path, length):
    data = bytearray(wav(tone(0.5)[None]))
    data[40:44] = struct.pack("<I", length)
    (tmp_path / "a.wav").write_bytes(data)
    opened = open_sound(tmp_path / "a.wav", shown="a.wav")
    assert (opened.frames, opened.missing) == (RATE // 2, 0)


def test_a_recording_that_is_cut_off_says_how_much_is_missing(tmp_path):
    (tmp_path / "a.wav").write_bytes(wav(tone(0.5)[None])[:-1000])
    opened = open_sound(tmp_path / "a.wav", shown="a.wav")
    assert (opened.frames, opened.missing) == (RATE // 2 - 500, 1000)


def test_chunks_before_the_sound_are_passed_over(tmp_path):
    data = wav(tone(0.1)[None])
    extra = b"LIST" + struct.pack("<I", 5) + b"hello\0"
    (tmp_path / "a.wav").write_bytes(data[:12] + extra + data[12:])
    assert open_sound(tmp_path / "a.wav", shown="a.wav").frames == RATE // 10


def test_a_file_without_a_header_is_16_bit_at_the_rate_that_was_given(tmp_path):
    sound = tone(0.1, rate=8000)
    (tmp_path / "a.pcm").write_bytes((sound * 32767).astype("<i2").tobytes())
    opened = open_sound(tmp_path / "a.pcm", shown="a.pcm", pcm_rate=8000)
    assert (opened.rate, opened.frames) == (8000, 800)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"fLaC" + b"\0" * 40, "data.not_wav"),
        (b"hello, this is text", "data.not_wav"),
        (wav(tone(0.1)[None])[:20], "data.bad_wav"),
        (wav(tone(0.1)[None])[:44], "data.bad_wav"),
        (wav(tone(0.1)[None]).replace(b"fmt \x10\0\0\0\x01\0", b"fmt \x10\0\0\0\x02\0"), "data.bad_samples"),
    ],
)
def test_what_is_no_recording_is_named(tmp_path, data, code):
    (tmp_path / "a.wav").write_bytes(data)
    with pytest.raises(DataError) as caught:
        open_sound(tmp_path / "a.wav", shown="calls/a.wav")
    assert caught.value.code == code
    assert "calls/a.wav" in caught.value.sentence("zh")


@given(st.binary(max_size=200), st.integers(0, 60))
def test_any_bytes_are_a_recording_or_a_named_problem(tmp_path_factory, junk, at):
    path = tmp_path_factory.mktemp("junk") / "a.wav"
    data = wav(tone(0.01)[None])
    path.write_bytes(data[:at] + junk + data[at + len(junk) :])
    try:
        sound = open_sound(path, shown="a.wav")
    except DataError as error:
        assert error.code in ("data.not_wav", "data.bad_wav", "data.bad_samples")
    else:
        assert len(sound.mixed()) == sound.frames > 0


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000])
def test_resampling_keeps_a_tone(rate):
    made = resample(tone(1, hertz=440, rate=rate, level=1), rate)
    assert len(made) == RATE
    assert np.abs(made - tone(1, hertz=440, level=1))[200:-200].max() < 1e-3


def test_resampling_lets_nothing_above_the_new_band_through():
    assert np.abs(resample(tone(1, hertz=12_000, rate=48_000), 48_000)[200:-200]).max() < 1e-3


def test_long_recordings_are_resampled_the_same_in_blocks():
    sound = tone(30, hertz=100, rate=8_000)
    assert np.abs(resample(sound, 8_000)[: RATE // 2] - resample(sound[:8_000], 8_000)[: RATE // 2]).max() < 1e-6


def test_the_spectrogram_is_whispers():
    shown = log_mel(tone(2, hertz=1_000, level=0.5))
    assert shown.shape == (80, 3000)
    loudest = shown[:, 50].argmax()
    assert loudest == 26  # Slaney's scale is linear below 1 kHz: band 26 of 80 holds it
    assert shown.max() - shown.min() == pytest.approx(2.0)  # eight decades over four


def test_speech_is_found_between_silences():
    sound = np.concatenate([SILENCE, tone(1.5), SILENCE, tone(0.05), SILENCE, tone(1), SILENCE])  # a click is no speech
    found = spans(sound, detector("energy")(sound), pause_s=0.5)
    assert [(round(span.start, 1), round(span.end, 1)) for span in found] == [(1.0, 2.5), (4.5, 5.6)]
    assert found[0].heard_from < found[0].start < found[0].end < found[0].heard_to


def test_long_speech_is_cut_where_it_is_least_likely_and_nothing_is_heard_twice():
    probabilities = np.ones(int(70 * RATE / FRAME), dtype=np.float32)
    probabilities[700] = 0.4  # 22.4 s
    found = spans(np.zeros(70 * RATE, dtype=np.float32), probabilities)
    assert all(span.heard_to - span.heard_from <= 28.01 for span in found)
    assert found[0].end == pytest.approx(22.4)
    assert all(one.heard_to <= other.heard_from for one, other in pairwise(found))


def test_silence_and_steady_noise_have_no_speech():
    noise = np.random.default_rng(0).normal(0, 0.05, 3 * RATE).astype(np.float32)
    for sound in (SILENCE, noise, SILENCE[:10]):
        assert spans(sound, detector("energy")(sound)) == []
