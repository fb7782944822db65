"""Drafts: folders that artifacts are written in before they are committed, and the sweep of those that died."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

from seekloop.artifact.names import check_names
from seekloop.system.errors import ArtifactError
from seekloop.system.files import disk_full_is_a_sentence

__all__ = ["Draft", "open_draft", "regular_files", "sweep"]

_no_link = (errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP)


class Draft:
    """A folder to write an artifact's files into; it becomes the artifact when committed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """Where to write the file called `name` (relative, POSIX).

        Raises:
            ArtifactError: the name is no plain relative one.
        """
        check_names([name], where=self.folder)
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def link(self, source: Path, name: str) -> Path:
        """Take over a file that nobody changes any more, such as one of another artifact, without copying its bytes.

        Where the file system cannot link, it is copied.

        Raises:
            ArtifactError: the name is no plain relative one, or the disk is full.
        """
        path = self.path(name)
        source = source.resolve(strict=True)
        with disk_full_is_a_sentence(path):
            try:
                path.hardlink_to(source)
            except OSError as error:
                if error.errno not in _no_link:
                    raise
                shutil.copyfile(source, path)
        return path


@contextlib.contextmanager
def open_draft(parent: Path) -> Iterator[Draft]:
    """A fresh draft in `parent`; whatever was not committed is removed with the block.

    The folder is locked for as long as it is in use. The kernel lets go of the lock when the process dies, however it
    dies and however long it lived, so `sweep` never asks whose process id that was.
    """
    folder, lock = _locked_folder(parent)
    try:
        with disk_full_is_a_sentence(folder):
            yield Draft(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep(parent: Path) -> int:
    """Remove the drafts in `parent` whose process is gone; returns how many."""
    count = 0
    for folder in parent.glob("*"):
        try:
            lock = os.open(folder, os.O_RDONLY)
        except (FileNotFoundError, PermissionError):  # committed in this moment, or another user's
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
            count += 1
        except BlockingIOError:
            continue
        finally:
            os.close(lock)
    return count


def regular_files(folder: Path) -> list[str]:
    """Relative POSIX names of all files under `folder`, sorted.

    Raises:
        ArtifactError: something in there is neither a file nor a folder, such as a symbolic link.
    """
    names = []
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                names.append(path.relative_to(folder).as_posix())
            elif not stat.S_ISDIR(mode):
                raise ArtifactError("artifact.not_a_file", name=path.relative_to(folder).as_posix(), where=folder)
    return sorted(names)


def _locked_folder(parent: Path) -> tuple[Path, int]:
    while True:
        folder = parent / uuid.uuid4().hex
        folder.mkdir(parents=True)
        # A sweep of another process may come between any two lines here, and take the folder for a dead one.
        try:
            lock = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            return folder, lock
        os.close(lock)
