"""Recordings as a source: every file a conversation with its times, or a dropped row that says why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from seekloop.data.media import AudioSpec
from seekloop.data.read.audio.conversation import conversation
from seekloop.data.read.audio.transcript import kept_transcript, separate
from seekloop.data.read.audio.wav import Sound, open_sound
from seekloop.data.read.audio.weights import weights_folder
from seekloop.data.read.audio.whisper import Listener, Whisper
from seekloop.data.read.found import files_of
from seekloop.data.read.stream import Desk, Record, Stream
from seekloop.data.sources import ColumnsSpec, SourceSpec
from seekloop.system import digests, settings
from seekloop.system.errors import DataError

__all__ = ["open_audio", "recordings"]

_suffixes = (".wav", ".wave", ".pcm", ".raw")
_kept = "speech"
"""Folder of the transcripts below `ctx.work`."""
Recording = tuple[Path, str]


def open_audio(source: SourceSpec, desk: Desk) -> Iterator[Stream]:
    """The recordings of a file or folder: one stream of those with a speaker a channel, one of the others.

    Transcripts are kept below `ctx.work`: read again, also after a crash, a recording is not heard again.

    Raises:
        MissingPackage: the extra `speech` is not installed.
        DataError: nothing is there, no such model, or (unless broken rows are dropped) a damaged recording.
    """
    assert source.audio is not None  # the table of readers goes by this key
    spec = source.audio
    folder, digest = weights_folder(spec.model, root=desk.ctx.root, cache=settings.home() / "speech")
    listener = Whisper(folder, digest=digest, precision=spec.precision, threads=spec.threads)
    yield from recordings(source, desk, listener=listener)


def recordings(source: SourceSpec, desk: Desk, *, listener: Listener) -> Iterator[Stream]:
    """As `open_audio`, with anything that understands speech."""
    assert source.audio is not None  # as above
    spec = source.audio
    found = files_of(spec.path, suffixes=_suffixes, desk=desk)
    apart = {shown: _is_apart(path, spec, shown=shown) for path, shown in found}
    for by_channel in (True, False):
        chosen = [(path, shown) for path, shown in found if apart[shown] is by_channel]
        if not chosen:
            continue
        named = by_channel or spec.mono != "unknown"
        columns = ColumnsSpec(messages="messages", group="group") if named else ColumnsSpec(text="text", group="group")
        desk.say(f"{spec.shown}: {len(chosen)} recordings, {_speakers(spec, by_channel=by_channel)}")
        yield Stream(
            shown=spec.shown,
            container="recordings",
            records=_records(chosen, spec, desk=desk, listener=listener),
            source=source.model_copy(update={"columns": columns, "format": "messages" if named else "text"}),
        )


def _is_apart(path: Path, spec: AudioSpec, *, shown: str) -> bool:
    """Whether each channel has a speaker; what cannot be opened is told later, in its turn."""
    try:
        return separate(open_sound(path, shown=shown, pcm_rate=spec.pcm_rate, pcm_channels=spec.pcm_channels), spec)
    except DataError:
        return False


def _speakers(spec: AudioSpec, *, by_channel: bool) -> str:
    if by_channel:
        return ", ".join(f"channel {number} {who}" for number, who in enumerate(spec.channels, start=1))
    if spec.mono == "unknown":
        return "one channel: plain text, no speaker named (audio.mono)"
    return f"one channel: speakers guessed by pauses, {spec.mono.replace('_', ' ')}"


def _records(chosen: Sequence[Recording], spec: AudioSpec, *, desk: Desk, listener: Listener) -> Iterator[Record]:
    again = 0
    for path, shown in chosen:
        try:
            sound = open_sound(path, shown=shown, pcm_rate=spec.pcm_rate, pcm_channels=spec.pcm_channels)
        except DataError as error:
            yield Record(line=1, problem=error, raw=shown, file=shown)
            continue
        if sound.missing:
            desk.say(f"{shown}: cut off, {sound.missing} bytes are missing at its end")
        if sound.is_doubled:
            desk.say(f"{shown}: all its channels are the same, so it is heard as one")
        record, was_kept = _record((path, shown), sound, spec=spec, folder=desk.ctx.work / _kept, listener=listener)
        again += was_kept
        yield record
    if again:
        desk.say(f"{spec.shown}: {again} of {len(chosen)} recordings were transcribed before")


def _record(
    recording: Recording, sound: Sound, *, spec: AudioSpec, folder: Path, listener: Listener
) -> tuple[Record, bool]:
    path, shown = recording
    digest = digests.of_file(path)
    transcript, was_kept = kept_transcript(sound, spec, listener=listener, recording=digest, folder=folder)
    result = conversation(transcript, spec, by_channel=separate(sound, spec))
    value = {
        "messages": [{"role": m.role, "content": m.content, "train": m.train is not False} for m in result.messages],
        "text": result.text,
        "group": digest,
    }
    meta = {"seconds": round(sound.seconds, 2), "rate": sound.rate, "channels": sound.channels, **result.meta}
    return Record(line=1, value=value, meta=meta, file=shown, dropped=result.dropped), was_kept
