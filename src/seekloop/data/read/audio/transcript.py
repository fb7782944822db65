"""A recording's transcript: speech found, heard span by span, what cannot be speech thrown out, and kept for next time.

Whisper invents text where there is none to hear. A span is thrown out where it says itself that nobody speaks and is
unsure of the words, where the text repeats itself, where it is a phrase that it learnt from subtitles of silence, or
where it gives back its own prompt.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from seekloop.data.media import AudioSpec
from seekloop.data.read.audio.resample import RATE, resample
from seekloop.data.read.audio.vad import LONGEST_S, Span, detector, spans, without_leaks
from seekloop.data.read.audio.wav import Samples, Sound
from seekloop.data.read.audio.whisper import Heard, Listener
from seekloop.system import digests
from seekloop.system.files import write_whole
from seekloop.text.normalize import key
from seekloop.text.script import simplified

__all__ = ["Said", "Transcript", "invented", "kept_transcript", "separate", "transcribe"]

_form = 1
"""Of the kept file; another number hears everything anew."""
_style = {"zh": "以下是普通话的句子，标点完整。"}
_no_speech, _unsure = 0.6, 0.37
"""Radford et al. (2022), section 4.5: silent above 0.6 where the mean log-probability is below -1."""
_longest_gap_s = 2.0
"""Silence within what is heard as one; more of it invites invention."""
_most_repeated = 2.4
"""Compression ratio of text that repeats itself, from the same section."""
_subtitles = re.compile(
    r"(?:thank(?:s| you)(?: so much| very much)? for watching|please (?:like and )?subscribe.*|subtitles by.*"
    r"|.*amara\.org.*|.*字幕(?:由|组|組|提供|志愿|志願).*|.*请不吝点赞.*|.*明镜与点点.*|谢谢(?:大家)?(?:观看|收看))"
)


@dataclass(frozen=True, kw_only=True)
class Said:
    """A stretch of speech of one channel."""

    channel: int
    start: float
    end: float
    """Seconds from the start of the recording."""
    text: str
    """As it was heard; Chinese in simplified characters."""
    confidence: float
    """0 to 1."""
    no_speech: float
    """0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """Everything that was heard in a recording, in order of time."""

    language: str
    """Empty: nobody speaks."""
    said: tuple[Said, ...]


def transcribe(sound: Sound, spec: AudioSpec, *, listener: Listener) -> Transcript:
    """Hear a recording, channel by channel where each has a speaker, else mixed to one.

    Raises:
        MissingPackage: the extra `speech` is not installed.
    """
    stretches = sorted(_stretches(sound, spec), key=lambda one: (one.span.start, one.channel))
    if separate(sound, spec) or spec.mono == "unknown":
        stretches = _runs(stretches)
    if not stretches:
        return Transcript(language="", said=())
    longest = max(stretches, key=lambda one: one.span.end - one.span.start)
    language = spec.language or listener.language(longest.samples)
    prompt = _style.get(language, "") if spec.prompt is None else spec.prompt
    heard = [(one, listener.hear(one.samples, language=language, prompt=prompt)) for one in stretches]
    said = [_said(result, one, language=language) for one, result in heard if not invented(result, prompt=prompt)]
    return Transcript(language=language, said=tuple(said))


def invented(heard: Heard, *, prompt: str = "") -> bool:
    """Whether the text cannot come from speech."""
    text = heard.text.strip()
    folded = key(text)
    packed = text.encode()
    return (
        not any(map(str.isalnum, text))
        or (heard.no_speech > _no_speech and heard.confidence < _unsure)
        or len(packed) > _most_repeated * len(zlib.compress(packed))
        or _subtitles.fullmatch(simplified(text).lower().strip(" .!。！")) is not None
        or (bool(prompt) and folded == key(prompt))
    )


def kept_transcript(
    sound: Sound, spec: AudioSpec, *, listener: Listener, recording: str, folder: Path
) -> tuple[Transcript, bool]:
    """The transcript of a recording from `folder`, or a new one that is then kept there.

    Args:
        sound: the recording.
        spec: how to hear it.
        listener: what hears it.
        recording: the digest of its bytes.
        folder: where transcripts are kept; a file there is whole or absent.

    Returns:
        The transcript, and whether it was there already.

    Raises:
        ArtifactError: the disk is full.
    """
    heard_with = [_form, recording, sound.rate, sound.channels, separate(sound, spec), spec.mono == "unknown"]
    heard_with += [listener.identity, spec.language, spec.prompt, spec.voice, spec.pause_s]
    path = folder / f"{digests.of_json(heard_with).removeprefix('sha256:')}.json"
    if path.is_file():
        kept = json.loads(path.read_text("utf-8"))
        return Transcript(language=kept["language"], said=tuple(Said(**one) for one in kept["said"])), True
    transcript = transcribe(sound, spec, listener=listener)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(path, (json.dumps(asdict(transcript), ensure_ascii=False) + "\n").encode())
    return transcript, False


def separate(sound: Sound, spec: AudioSpec) -> bool:
    """Whether each channel of the recording has a speaker of its own; a mono recording saved as stereo has not."""
    return sound.channels > 1 and sound.channels == len(spec.channels) and not sound.is_doubled


@dataclass(frozen=True, kw_only=True)
class _Stretch:
    """A span of speech to be heard."""

    channel: int
    span: Span
    whole: Samples
    """The channel at 16 kHz."""

    @property
    def samples(self) -> Samples:
        """The stretch with its margins."""
        return self.whole[int(self.span.heard_from * RATE) : int(self.span.heard_to * RATE)]


def _stretches(sound: Sound, spec: AudioSpec) -> Iterator[_Stretch]:
    """The spans of speech of every channel."""
    detect = detector(spec.voice)
    stored = map(sound.channel, range(sound.channels)) if separate(sound, spec) else [sound.mixed()]
    channels = [resample(samples, sound.rate) for samples in stored]
    likely = without_leaks(channels, [detect(samples) for samples in channels])
    for channel, (samples, probabilities) in enumerate(zip(channels, likely, strict=True)):
        for span in spans(samples, probabilities, pause_s=spec.pause_s):
            yield _Stretch(channel=channel, span=span, whole=samples)


def _runs(stretches: Sequence[_Stretch]) -> list[_Stretch]:
    """Stretches of one channel that nobody else's speech parts, heard as one: words are understood by context."""
    runs: list[_Stretch] = []
    for one in stretches:
        last = runs[-1] if runs else None
        if last is not None and last.channel == one.channel and one.span.start - last.span.end <= _longest_gap_s:
            whole = Span(last.span.start, one.span.end, heard_from=last.span.heard_from, heard_to=one.span.heard_to)
            if whole.heard_to - whole.heard_from <= LONGEST_S:
                runs[-1] = replace(last, span=whole)
                continue
        runs.append(one)
    return runs


def _said(heard: Heard, stretch: _Stretch, *, language: str) -> Said:
    return Said(
        channel=stretch.channel,
        start=round(stretch.span.start, 2),
        end=round(stretch.span.end, 2),
        text=simplified(heard.text) if language == "zh" else heard.text,
        confidence=round(heard.confidence, 4),
        no_speech=round(heard.no_speech, 4),
    )
