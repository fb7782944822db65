"""The log-mel spectrogram that whisper listens to."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from seekloop.data.read.audio.resample import RATE
from seekloop.data.read.audio.wav import Samples

__all__ = ["WINDOW_SECONDS", "log_mel"]

WINDOW_SECONDS = 30
_fft, _hop = 400, 160
_frames = WINDOW_SECONDS * RATE // _hop
_slaney_knee_hz, _slaney_linear, _slaney_log = 1_000.0, 200 / 3, np.log(6.4) / 27


def log_mel(samples: Samples, *, bands: int = 80) -> NDArray[np.float32]:
    """Log-mel energies of up to 30 seconds at 16 kHz, shape (bands, 3000); what is shorter is followed by silence.

    Radford et al. (2022), "Robust speech recognition via large-scale weak supervision", section 2.2: 25 ms Hann windows
    every 10 ms, mel bands on Slaney's scale, decades below 8 under the loudest are cut, scaled to about -1 to 1.
    """
    room = WINDOW_SECONDS * RATE
    padded = np.pad(np.pad(samples[:room], (0, room - min(room, len(samples)))), _fft // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, _fft)[::_hop][:_frames]
    hann = np.hanning(_fft + 1)[:-1].astype(np.float32)
    power = np.abs(np.fft.rfft(windows * hann, axis=1)).astype(np.float32) ** 2
    energies = np.log10(np.maximum(_filters(bands) @ power.T, np.float32(1e-10)))
    scaled: NDArray[np.float32] = ((np.maximum(energies, energies.max() - 8) + 4) / 4).astype(np.float32)
    return scaled


@functools.cache
def _filters(bands: int) -> NDArray[np.float32]:
    """Triangles of equal area over the FFT's bins, shape (bands, 201)."""
    corners = _hertz(np.linspace(0, _mel(RATE / 2), bands + 2))
    bins = np.fft.rfftfreq(_fft, 1 / RATE)
    low, middle, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    triangles = np.maximum(0, np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)))
    return (triangles * 2 / (high - low)).astype(np.float32)


def _mel(hertz: float) -> float:
    knee = _slaney_knee_hz / _slaney_linear
    return float(knee + np.log(hertz / _slaney_knee_hz) / _slaney_log)


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    knee = _slaney_knee_hz / _slaney_linear
    return np.where(mel < knee, mel * _slaney_linear, _slaney_knee_hz * np.exp(_slaney_log * (mel - knee)))
