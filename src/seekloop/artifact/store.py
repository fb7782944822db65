"""The content-addressed store: an artifact is whole and right, or it is not there."""

from __future__ import annotations

import contextlib
import errno
import uuid
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

from seekloop.artifact.drafts import Draft, open_draft, regular_files, sweep
from seekloop.artifact.kinds import Artifact, Receipt
from seekloop.artifact.manifests import entry_of, first_difference, read_manifest, read_receipt, seal, to_bytes
from seekloop.artifact.names import MANIFEST, RECEIPT, check_names, split_id
from seekloop.system import digests, settings
from seekloop.system.errors import ArtifactError
from seekloop.system.files import disk_full_is_a_sentence, sync_folder, write_whole

__all__ = ["MANIFEST", "RECEIPT", "Draft", "Store"]

ArtifactT = TypeVar("ArtifactT", bound=Artifact)
_taken = (errno.EEXIST, errno.ENOTEMPTY)


class Store:
    """A local folder of artifacts, `KIND/HEX/…`.

    Args:
        root: the folder; made when first written to.
        shared: stores that are read after this one, such as the model cache.
    """

    def __init__(self, root: Path, *, shared: Sequence[Store] = ()) -> None:
        self.root = root
        self.shared = tuple(shared)

    @classmethod
    def of_project(cls, state: Path) -> Store:
        """The store in a project's state folder, with the model cache behind it."""
        return cls(state / "store", shared=[cls(settings.home() / "models")])

    def draft(self) -> AbstractContextManager[Draft]:
        """A fresh draft; whatever was not committed is removed with the block."""
        self.sweep()
        return open_draft(self.root / "tmp")

    def commit(self, draft: Draft, artifact: ArtifactT, *, receipt: Receipt) -> ArtifactT:
        """Make the draft an artifact: digest and fsync every file, write the manifest last, rename into place.

        Committing the same content again keeps the first copy and its receipt, unless that copy was damaged: then this
        one takes its place.

        Returns:
            `artifact` with `files` filled in; its `id` is final.

        Raises:
            ArtifactError: the disk is full, or the draft holds a link or an odd name; nothing is there that was not
                there before.
        """
        with disk_full_is_a_sentence(draft.folder):
            names = regular_files(draft.folder)
            check_names(names, where=draft.folder)
            final = artifact.model_copy(update={"files": {name: entry_of(draft.folder / name) for name in names}})
            target = self._place(final.id)
            if not _is_whole(final, target):
                seal(draft.folder, manifest=final, receipt=read_receipt(target) or receipt)
                self._put(draft.folder, final)
        return final

    def open(self, identity: str, kind: type[ArtifactT]) -> ArtifactT:
        """The artifact called `identity` (in full, or any unambiguous beginning).

        Raises:
            ArtifactError: missing, ambiguous, damaged, of a newer schema, or of another kind.
        """
        artifact = self.load(identity)
        if not isinstance(artifact, kind):
            raise ArtifactError("artifact.wrong_kind", id=digests.short(artifact.id), wanted=kind.__name__)
        return artifact

    def load(self, identity: str) -> Artifact:
        """The artifact called `identity`, of whatever kind.

        Raises:
            ArtifactError: as for `open`.
        """
        return read_manifest(self.folder(identity))

    def receipt(self, identity: str) -> Receipt:
        """The circumstances in which an artifact was first made.

        Raises:
            ArtifactError: no such artifact, or its receipt is damaged.
        """
        folder = self.folder(identity)
        receipt = read_receipt(folder)
        if receipt is None:
            raise ArtifactError("artifact.changed", id=_short(folder), file=RECEIPT)
        return receipt

    def restore_receipt(self, identity: str, receipt: Receipt) -> None:
        """Put back the receipt that a ledger recorded, where an artifact was lost and made again.

        Raises:
            ArtifactError: no such artifact, or the disk is full.
        """
        folder = self.folder(identity)
        if read_receipt(folder) != receipt:
            write_whole(folder / RECEIPT, to_bytes(receipt))

    def folder(self, identity: str) -> Path:
        """The folder of the artifact called `identity`.

        Raises:
            ArtifactError: missing or ambiguous.
        """
        store, path = self._find(identity)
        return store._bring(path)

    def path(self, identity: str, name: str) -> Path:
        """The local path of one file of an artifact.

        Raises:
            ArtifactError: no such artifact or file.
        """
        folder = self.folder(identity)
        if name not in read_manifest(folder).files or not (folder / name).is_file():
            raise ArtifactError("artifact.no_file", id=_short(folder), file=name)
        return folder / name

    def verify(self, identity: str, *, without: Collection[str] = ()) -> Artifact:
        """Read every byte of an artifact and compare it with the manifest.

        Args:
            identity: its id.
            without: files that were removed from it.

        Raises:
            ArtifactError: a byte is not the one that was committed, or a removed file is there; the file is named.
        """
        store, path = self._find(identity)
        if without:
            artifact = read_manifest(path)
            wrong = first_difference(artifact, path, without=without)
            if wrong is not None:
                raise ArtifactError("artifact.changed", id=digests.short(artifact.id), file=wrong)
            return artifact
        artifact = read_manifest(store._bring(path))
        wrong = store._first_difference(artifact, path)
        if wrong is not None:
            raise ArtifactError("artifact.changed", id=digests.short(artifact.id), file=wrong)
        return artifact

    def shred(self, identity: str, names: Collection[str]) -> int:
        """Remove files of an artifact, which stays recorded without them; returns how many were there.

        What others hold, such as copies that were made of the folder, is not touched. Whoever verifies the artifact
        needs an event that says what was removed (`lineage.SHREDDED`).

        Raises:
            ArtifactError: no such artifact.
        """
        folder, count = self.folder(identity), 0
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                (folder / name).unlink()
                count += 1
        for parent in {(folder / name).parent for name in names}:
            if parent.is_dir():
                sync_folder(parent)
        return count

    def list(self, kind: str | None = None) -> list[str]:
        """Ids of the whole artifacts of a kind in this store (not the shared ones), sorted."""
        found = (f"{path.parent.parent.name}:{path.parent.name}" for path in self.root.glob(f"*/*/{MANIFEST}"))
        return sorted(i for i in found if split_id(i) and kind in (None, i.partition(":")[0]))

    def sweep(self) -> int:
        """Remove drafts whose process is gone; returns how many."""
        return sweep(self.root / "tmp")

    def _find(self, identity: str) -> tuple[Store, Path]:
        found: list[tuple[Store, Path]] = []
        if parts := split_id(identity):
            found = [(store, path) for store in (self, *self.shared) for path in store._matches(*parts)]
        names = {path.name for _, path in found}
        if not names:
            raise ArtifactError("artifact.not_found", id=identity, root=self.root)
        if len(names) > 1:
            raise ArtifactError("artifact.ambiguous", id=identity, count=len(names))
        return found[0]

    def _matches(self, kind: str, hexes: str) -> Sequence[Path]:
        """Places of the whole artifacts of this store whose id begins so; just that one where an id is exact."""
        exact = self.root / kind / hexes
        places = [exact] if exact.is_dir() else sorted((self.root / kind).glob(f"{hexes}*"))
        return [path for path in places if (path / MANIFEST).is_file()]

    def _bring(self, path: Path) -> Path:
        """See that the artifact that belongs at `path` is there."""
        return path

    def _first_difference(self, artifact: Artifact, folder: Path) -> str | None:
        return first_difference(artifact, folder)

    def _place(self, identity: str) -> Path:
        kind, _, hexes = identity.partition(":")
        return self.root / kind / hexes

    def _put(self, folder: Path, artifact: Artifact) -> None:
        """Rename a sealed draft to its place; what is damaged there is moved out of the way, what is right stays."""
        target = self._place(artifact.id)
        if not target.parent.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            sync_folder(self.root)
        while True:
            try:
                folder.rename(target)
            except OSError as error:
                if error.errno not in _taken:
                    raise
            else:
                break
            if _is_whole(artifact, target):
                break
            with contextlib.suppress(FileNotFoundError):
                target.rename(self.root / "tmp" / uuid.uuid4().hex)
        sync_folder(target.parent)


def _is_whole(artifact: Artifact, folder: Path) -> bool:
    try:
        return read_manifest(folder).id == artifact.id and first_difference(artifact, folder) is None
    except ArtifactError:
        return False


def _short(folder: Path) -> str:
    return digests.short(f"{folder.parent.name}:{folder.name}")
