"""Writes workflows that run the loop in CI systems: a new folder, whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from seekloop import __version__
from seekloop.system.errors import UsageError
from seekloop.system.files import disk_full_is_a_sentence

__all__ = ["TARGETS", "write"]

_files: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "github": ("github/seekloop-loop.yml", ".github/workflows/seekloop-loop.yml"),
        "gitlab": ("gitlab/gitlab-ci.yml", ".gitlab-ci.yml"),
        "argo": ("argo/seekloop-loop.yaml", "argo/seekloop-loop.yaml"),
    }
)
"""CI system -> the shipped file, and where it goes."""
TARGETS = tuple(_files)


def write(target: str, out: Path) -> list[Path]:
    """Write the workflow of a CI system, or of `all`, into the new folder `out`; what was written.

    Raises:
        UsageError: there is no such system, or `out` exists.
        ArtifactError: the disk is full.
    """
    if target not in (*TARGETS, "all"):
        raise UsageError("watch.unknown_target", target=target, known=", ".join(TARGETS))
    if out.exists():
        raise UsageError("watch.folder_exists", path=out)
    shipped = resources.files("seekloop.loop.watch").joinpath("files")
    wanted = _files.values() if target == "all" else (_files[target],)
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        with disk_full_is_a_sentence(out):
            for source, place in wanted:
                path = part / place
                path.parent.mkdir(parents=True, exist_ok=True)
                # Shells and CI systems have a dollar of their own, so only this one word is filled in.
                path.write_text(shipped.joinpath(source).read_text("utf-8").replace("$version", __version__), "utf-8")
            part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return [out / place for _, place in wanted]
