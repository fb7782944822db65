"""Small sounds, and WAV files of every form."""

from __future__ import annotations

import struct

import numpy as np

__all__ = ["tone", "wav"]


def tone(seconds: float, *, hertz: float = 220, rate: int = 16_000, level: float = 0.3) -> np.ndarray:
    """A sine."""
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def wav(channels: np.ndarray, *, rate: int = 16_000, bits: int | str = 16) -> bytes:
    """A WAV file of channels, shape (channels, n)."""
    frames = channels.T
    tag, width, data = {
        8: lambda: (1, 8, np.round(frames * 127 + 128).astype("u1")),
        16: lambda: (1, 16, np.round(frames * 32767).astype("<i2")),
        24: lambda: (1, 24, np.round(frames * 8388607).astype("<i4").reshape(-1, 1).view("u1")[:, :3]),
        32: lambda: (1, 32, np.round(frames.astype(np.float64) * 2147483647).astype("<i4")),
        "f32": lambda: (3, 32, frames.astype("<f4")),
        "f64": lambda: (3, 64, frames.astype("<f8")),
        "a-law": lambda: (6, 8, _coded(frames, _a_law)),
        "mu-law": lambda: (7, 8, _coded(frames, _mu_law)),
    }[bits]()
    body = np.ascontiguousarray(data).tobytes()
    count = channels.shape[0]
    head = struct.pack("<HHIIHH", tag, count, rate, rate * count * width // 8, count * width // 8, width)
    chunks = b"fmt " + struct.pack("<I", 16) + head + b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def _coded(frames: np.ndarray, decoded: list[int]) -> np.ndarray:
    """The nearest of the 256 codes."""
    table = np.array(decoded) / 32768
    return np.abs(frames.reshape(-1, 1) - table).argmin(axis=1).astype("u1").reshape(frames.shape)


def _segment(code: int) -> tuple[int, int, int]:
    return code >> 7, code >> 4 & 7, code & 15


def _mu(code: int) -> int:
    sign, exponent, mantissa = _segment(code ^ 0xFF)
    size = ((2 * mantissa + 33) << exponent) - 33
    return (-size if sign else size) * 4


def _a(code: int) -> int:
    sign, exponent, mantissa = _segment(code ^ 0x55)
    size = 2 * mantissa + 1 if exponent == 0 else (2 * mantissa + 33) << (exponent - 1)
    return (size if sign else -size) * 8


_mu_law, _a_law = [_mu(code) for code in range(256)], [_a(code) for code in range(256)]
