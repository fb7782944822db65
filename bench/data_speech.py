"""Recordings into text: real clips beside faster-whisper, and telephone calls put together from them.

Both hear with the same weights (whisper-base), in float32, on one thread, with a beam of 5. Chinese is converted to
simplified characters before it is counted, ours and the peer's. Needs the extra `speech`.
"""

from __future__ import annotations

import io
import json
import subprocess
import tempfile
import time
import wave
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from bench.harness import Peer, Record, wilson
from bench.peers import peer_python
from seekloop.data.media import AudioSpec
from seekloop.data.read.audio.conversation import conversation
from seekloop.data.read.audio.resample import RATE, resample
from seekloop.data.read.audio.transcript import transcribe
from seekloop.data.read.audio.wav import Samples, open_sound
from seekloop.data.read.audio.weights import PACKAGED, weights_folder
from seekloop.data.read.audio.whisper import Whisper
from seekloop.metrics.transcription import Errors, error_rate, errors, interval
from seekloop.system import settings
from seekloop.text.script import simplified

__all__ = ["measures"]

Metric = Literal["wer_en", "cer_zh"]
SEED = 7
VERSION = "1.2.1"
_hear = """
import json, sys, time
from faster_whisper import WhisperModel, decode_audio
model = WhisperModel(sys.argv[1], device="cpu", compute_type="float32", cpu_threads=1, local_files_only=True)
heard = {}
for path in sys.argv[2:]:
    samples = decode_audio(path)
    start = time.process_time()
    segments, _ = model.transcribe(samples, beam_size=5)
    text = "".join(segment.text for segment in segments)
    heard[path] = [text, time.process_time() - start, len(samples) / 16000]
print(json.dumps(heard))
"""
_decode = """
import sys, wave
from faster_whisper import decode_audio
samples = decode_audio(sys.argv[1])
with wave.open(sys.argv[2], "wb") as file:
    file.setnchannels(1); file.setsampwidth(2); file.setframerate(16000)
    file.writeframes((samples * 32767).astype("<i2").tobytes())
"""


class Clip(NamedTuple):
    """A recording and what is said in it."""

    path: Path
    reference: str
    metric: Metric


class Result(NamedTuple):
    """What was heard, and what it took."""

    text: str
    seconds: float
    """Of processor time, so that what else the machine does counts for neither."""
    audio: float
    """Length of the recording."""


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """Figures of the clips below `data/speech_16k`."""
    return [partial(clips, data / "speech_16k"), partial(calls, data / "speech_16k")]


def clips(folder: Path) -> Sequence[Record]:
    """WER and CER of the real clips, and the time for a second of sound."""
    python = peer_python("faster-whisper", [f"faster-whisper=={VERSION}"])
    with tempfile.TemporaryDirectory() as scratch:
        known = [_clip(line, folder, python=python, scratch=Path(scratch)) for line in _references(folder)]
        heard, peer = _ours([clip.path for clip in known]), _peers([clip.path for clip in known], python)
    facts = f"{len(known)} clips: AISHELL-1, FunASR, LibriSpeech, JFK"
    return [
        *(_rate(f"asr_{metric}", metric, known, heard=heard, peer=peer, data=facts) for metric in ("cer_zh", "wer_en")),
        Record(
            name="asr_realtime_factor",
            value=_factor(heard),
            unit="CPU s/s",
            better="lower",
            n=len(known),
            peer=Peer(name="faster-whisper", version=VERSION, value=_factor(peer)),
            model=PACKAGED,
            data=facts,
            threads=1,
        ),
    ]


def calls(folder: Path) -> Sequence[Record]:
    """Two speakers on two channels of a telephone's 8 kHz, both ways round: WER, CER, and whose turn each one is."""
    python = peer_python("faster-whisper", [f"faster-whisper=={VERSION}"])
    scored: dict[Metric, list[Errors]] = {"wer_en": [], "cer_zh": []}
    orders = []
    with tempfile.TemporaryDirectory() as scratch:
        known = [_clip(line, folder, python=python, scratch=Path(scratch)) for line in _references(folder)]
        for metric, pairs in scored.items():
            first, second = (clip for clip in known if clip.metric == metric)
            for speakers in ((first, second), (second, first)):
                heard = _conversation(_call([clip.path for clip in speakers]))
                orders.append(list(dict.fromkeys(role for role, _ in heard)) == ["user", "assistant"])
                for role, clip in zip(("user", "assistant"), speakers, strict=True):
                    text = " ".join(words for speaker, words in heard if speaker == role)
                    pairs.append(errors(clip.reference, text, of=metric))
    data = "the clips in pairs, two channels, 8 kHz"
    rates = [
        Record(
            name=f"asr_{metric}_calls",
            value=error_rate(pairs),
            unit="share",
            better="lower",
            n=sum(one.tokens for one in pairs),
            ci=interval(pairs, seed=SEED),
            model=PACKAGED,
            data=data,
            seed=SEED,
            threads=1,
        )
        for metric, pairs in scored.items()
    ]
    right, total = sum(orders), len(orders)
    whose = Record(
        name="asr_speakers_right_calls",
        value=right / total,
        unit="share",
        better="higher",
        n=total,
        ci=wilson(right, total),
        model=PACKAGED,
        data=data,
        threads=1,
    )
    return [*rates, whose]


def _references(folder: Path) -> list[str]:
    return [line for line in (folder / "REFERENCES.txt").read_text("utf-8").splitlines() if line.strip()]


def _clip(line: str, folder: Path, *, python: Path, scratch: Path) -> Clip:
    name, reference = line.split("\t", 1)
    path = folder / name
    if path.suffix == ".flac":  # the peer can decode it
        path = scratch / f"{path.stem}.wav"
        subprocess.run([str(python), "-c", _decode, str(folder / name), str(path)], check=True)
    return Clip(path, reference, "wer_en" if reference.isascii() else "cer_zh")


def _whisper() -> Whisper:
    folder, digest = weights_folder(PACKAGED, root=Path(), cache=settings.home() / "speech")
    return Whisper(folder, digest=digest, precision="float32", threads=1)


def _ours(paths: Sequence[Path]) -> dict[Path, Result]:
    listener, spec = _whisper(), AudioSpec(path="clips")
    heard = {}
    for path in paths:
        start = time.process_time()
        sound = open_sound(path, shown=path.name)
        transcript = transcribe(sound, spec, listener=listener)
        text = conversation(transcript, spec, by_channel=False).text
        heard[path] = Result(text, time.process_time() - start, sound.seconds)
    return heard


def _peers(paths: Sequence[Path], python: Path) -> dict[Path, Result]:
    folder, _ = weights_folder(PACKAGED, root=Path(), cache=settings.home() / "speech")
    environment = settings.child_environment(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1")
    command = [str(python), "-c", _hear, str(folder), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return {Path(path): Result(*result) for path, result in json.loads(done.stdout).items()}


def _rate(
    name: str,
    metric: Metric,
    known: Sequence[Clip],
    *,
    heard: Mapping[Path, Result],
    peer: Mapping[Path, Result],
    data: str,
) -> Record:
    mine = [clip for clip in known if clip.metric == metric]

    def scored(results: Mapping[Path, Result]) -> list[Errors]:
        return [errors(clip.reference, simplified(results[clip.path].text), of=metric) for clip in mine]

    ours = scored(heard)
    return Record(
        name=name,
        value=error_rate(ours),
        unit="share",
        better="lower",
        n=sum(one.tokens for one in ours),
        ci=interval(ours, seed=SEED),
        peer=Peer(name="faster-whisper", version=VERSION, value=error_rate(scored(peer))),
        model=PACKAGED,
        data=data,
        seed=SEED,
        threads=1,
    )


def _factor(results: Mapping[Path, Result]) -> float:
    return sum(one.seconds for one in results.values()) / sum(one.audio for one in results.values())


def _call(clips: Sequence[Path]) -> bytes:
    """A stereo WAV at 8 kHz: the first clip on the left, then the second on the right, half a second between them."""
    pause = np.zeros(RATE // 2, dtype=np.float32)
    channels: tuple[list[Samples], list[Samples]] = ([pause], [pause])
    for index, path in enumerate(clips):
        sound = open_sound(path, shown=path.name)
        samples = resample(sound.mixed(), sound.rate)
        for number, held in enumerate(channels):
            held += [samples if number == index else np.zeros_like(samples), pause]
    both = np.stack([resample(np.concatenate(held), RATE, to=8_000) for held in channels], axis=1)
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes((both.clip(-1, 1) * 32767).astype("<i2").tobytes())
    return out.getvalue()


def _conversation(recording: bytes) -> list[tuple[str, str]]:
    """Role and words of each turn of a call with the customer on the left."""
    spec = AudioSpec(path="calls")
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "call.wav"
        path.write_bytes(recording)
        transcript = transcribe(open_sound(path, shown="call.wav"), spec, listener=_whisper())
    return [(one.role, one.content) for one in conversation(transcript, spec, by_channel=True).messages]
