"""Any sample rate to 16 kHz, in numpy: a windowed-sinc filter, evaluated only where an output sample needs it."""

from __future__ import annotations

from math import gcd

import numpy as np

from seekloop.data.read.audio.wav import Samples

__all__ = ["RATE", "resample"]

RATE = 16_000
"""Samples a second that voice detection and transcription take."""
_zero_crossings = 16
_kaiser_beta = 8.6
"""About 90 dB of stop-band attenuation (Kaiser 1974)."""
_block = 1 << 16
"""Output samples at a time, so that memory does not grow with the length of a call times the length of the filter."""


def resample(samples: Samples, rate: int, *, to: int = RATE) -> Samples:
    """`samples` at `to` samples a second, shape (ceil(n * to / rate),).

    The pass-band ends at the lower of the two Nyquist rates. Polyphase form of Crochiere and Rabiner (1983): output m
    is the filter's phase (m * down) mod up on the inputs around (m * down) div up.
    """
    if rate == to or not len(samples):
        return samples
    divisor = gcd(rate, to)
    up, down = to // divisor, rate // divisor
    widest = max(up, down)
    half = _zero_crossings * widest
    time = np.arange(-half, half + 1) / widest
    taps = np.sinc(time) * np.kaiser(2 * half + 1, _kaiser_beta) * (up / widest)
    reach = half // up + 1
    padded = np.pad(samples.astype(np.float32), reach)
    count = -(-len(samples) * up // down)
    result = np.zeros(count, dtype=np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    for first in range(min(up, count)):
        phase = first * down % up
        # Input base - j meets the tap at phase + j * up; the window runs from base - reach to base + reach.
        offsets = phase - np.arange(-reach, reach + 1) * up
        inside = np.abs(offsets) <= half
        weights = np.where(inside, taps[np.where(inside, offsets + half, 0)], 0).astype(np.float32)
        for start in range(first, count, _block * up):
            places = np.arange(start, min(count, start + _block * up), up)
            result[places] = windows[places * down // up] @ weights
    return result
