"""Recordings as they lie on the disk: WAV (PCM, float, A-law, mu-law) and headerless PCM, as float samples a channel.

Telephone systems write headers that are not true: a length of 0 or 2^32-1 where the recorder never knew the end, or
more than there is where it was cut off. The samples that are there are read, and what is missing is told.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seekloop.system.errors import DataError

__all__ = ["Samples", "Sound", "open_sound"]

Samples = NDArray[np.float32]
"""Amplitudes of one channel, -1 to 1, shape (n,)."""

_pcm, _float, _a_law, _mu_law, _extensible = 1, 3, 6, 7, 0xFFFE
_slices, _same = 20, 1e-3
_unknown_length = (0, 0xFFFFFFFF)
_others = {
    b"fLaC": "FLAC",
    b"ID3": "MP3",
    b"\xff\xfb": "MP3",
    b"OggS": "Ogg",
    b"#!AMR": "AMR",
    b"\x1aE\xdf\xa3": "WebM",
}


@dataclass(frozen=True, kw_only=True)
class Sound:
    """One recording, opened; the samples stay on the disk until a channel is asked for."""

    rate: int
    """Samples a second."""
    channels: int
    frames: int
    """Samples of each channel."""
    missing: int
    """Bytes that the header promises and the file does not have."""
    _stored: NDArray[Any]
    """Shape (frames, channels) of the stored type, mapped from the file; 24-bit: (frames, channels, 3)."""
    _decode: Callable[[NDArray[Any]], Samples]

    @property
    def seconds(self) -> float:
        """Length."""
        return self.frames / self.rate

    @property
    def is_doubled(self) -> bool:
        """Whether all channels carry the same sound, told by slices from all of it."""
        total = differing = 0.0
        for start in np.linspace(0, max(0, self.frames - self.rate // 2), _slices).astype(int):
            part = self._stored[start : start + self.rate // 2]
            first, *others = (self._decode(np.asarray(part[:, index])) for index in range(self.channels))
            total += float(np.sum(np.square(first)))
            differing += sum(float(np.sum(np.square(other - first))) for other in others)
        return self.channels > 1 and differing < _same * total

    def channel(self, index: int) -> Samples:
        """One channel's samples."""
        return self._decode(np.asarray(self._stored[:, index]))

    def mixed(self) -> Samples:
        """The mean of all channels."""
        total = self.channel(0)
        for index in range(1, self.channels):
            total = total + self.channel(index)
        return total / np.float32(self.channels)


def open_sound(path: Path, *, shown: str, pcm_rate: int = 16_000, pcm_channels: int = 1) -> Sound:
    """Open a recording.

    Args:
        path: a WAV file, or `.pcm` and `.raw`: 16-bit little-endian samples without a header.
        shown: how to name it in errors.
        pcm_rate: samples a second of a file without a header.
        pcm_channels: channels of a file without a header.

    Raises:
        DataError: it is another format, its header is damaged, or it has no samples.
    """
    if path.suffix.lower() in (".pcm", ".raw"):
        return _sound(path, form=(_pcm, pcm_channels, pcm_rate, 16), at=0, length=0, shown=shown)
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] not in (b"RIFF", b"RF64") or head[8:12] != b"WAVE":
            kind = next((name for magic, name in _others.items() if head.startswith(magic)), "another format")
            raise DataError("data.not_wav", kind=kind, where=shown)
        form = None
        while len(chunk := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", chunk)
            if name == b"fmt ":
                form = _form(file.read(size + size % 2), shown)
            elif name == b"data" and form is not None:
                return _sound(path, form=form, at=file.tell(), length=size, shown=shown)
            else:
                file.seek(size + size % 2, 1)
    raise DataError("data.bad_wav", problem="no format" if form is None else "no samples", where=shown)


def _form(chunk: bytes, shown: str) -> tuple[int, int, int, int]:
    """Tag, channels, rate and bits of a `fmt ` chunk."""
    if len(chunk) < 16:
        raise DataError("data.bad_wav", problem="its format chunk is cut off", where=shown)
    tag, channels, rate, _, _, bits = struct.unpack("<HHIIHH", chunk[:16])
    if tag == _extensible and len(chunk) >= 26:
        tag = struct.unpack("<H", chunk[24:26])[0]
    if not 1 <= channels <= 64 or not 1_000 <= rate <= 768_000:
        raise DataError("data.bad_wav", problem=f"{channels} channels at {rate} Hz", where=shown)
    return tag, channels, rate, bits


def _sound(path: Path, *, form: tuple[int, int, int, int], at: int, length: int, shown: str) -> Sound:
    tag, channels, rate, bits = form
    if (tag, bits) not in _types:
        raise DataError("data.bad_samples", tag=tag, bits=bits, where=shown)
    stored, decode = _types[tag, bits]
    there = path.stat().st_size - at
    promised = there if length in _unknown_length else length
    width = channels * bits // 8
    frames = min(there, promised) // width
    if frames == 0:
        raise DataError("data.bad_wav", problem="no samples", where=shown)
    shape = (frames, channels, 3) if bits == 24 else (frames, channels)
    return Sound(
        rate=rate,
        channels=channels,
        frames=frames,
        missing=max(0, promised - there),
        _stored=np.memmap(path, dtype=stored, mode="r", offset=at, shape=shape),
        _decode=decode,
    )


def _scaled(full: float) -> Callable[[NDArray[Any]], Samples]:
    return lambda stored: (stored / np.float32(full)).astype(np.float32)


def _from_bytes(stored: NDArray[Any]) -> Samples:
    return ((stored.astype(np.float32) - 128) / 128).astype(np.float32)


def _from_24(stored: NDArray[Any]) -> Samples:
    wide = stored[:, 0].astype(np.int32) | stored[:, 1].astype(np.int32) << 8 | stored[:, 2].astype(np.int32) << 16
    return ((wide - ((wide & 0x800000) << 1)) / np.float32(1 << 23)).astype(np.float32)


def _from_mu_law(stored: NDArray[Any]) -> Samples:
    """ITU-T G.711, 14-bit values scaled to 16: sign, 3 bits of exponent, 4 of mantissa, all inverted."""
    code = ~stored.astype(np.int32) & 0xFF
    size = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
    return (np.where(code & 0x80, -size, size) / np.float32(32768)).astype(np.float32)


def _from_a_law(stored: NDArray[Any]) -> Samples:
    """ITU-T G.711, 13-bit values scaled to 16; every second bit is inverted."""
    code = stored.astype(np.int32) ^ 0x55
    exponent, mantissa = (code & 0x70) >> 4, (code & 0x0F) << 4
    size = np.where(exponent == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(exponent - 1, 0))
    return (np.where(code & 0x80, size, -size) / np.float32(32768)).astype(np.float32)


_types: dict[tuple[int, int], tuple[str, Callable[[NDArray[Any]], Samples]]] = {
    (_pcm, 8): ("u1", _from_bytes),
    (_pcm, 16): ("<i2", _scaled(1 << 15)),
    (_pcm, 24): ("u1", _from_24),
    (_pcm, 32): ("<i4", _scaled(1 << 31)),
    (_float, 32): ("<f4", _scaled(1)),
    (_float, 64): ("<f8", _scaled(1)),
    (_a_law, 8): ("u1", _from_a_law),
    (_mu_law, 8): ("u1", _from_mu_law),
}
