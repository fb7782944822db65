"""A store in a bucket or on a server, over fsspec, with a local cache: written here first, then sent, manifest last."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import fsspec
from pydantic import ValidationError

from seekloop.artifact.drafts import Draft, open_draft
from seekloop.artifact.kinds import Artifact, FileEntry, Receipt
from seekloop.artifact.manifests import first_difference, parse_manifest, read_receipt, seal, to_bytes
from seekloop.artifact.names import MANIFEST, RECEIPT, split_id
from seekloop.artifact.store import Store
from seekloop.system import digests
from seekloop.system.errors import ArtifactError, UsageError
from seekloop.system.files import disk_full_is_a_sentence

__all__ = ["RemoteStore"]

ArtifactT = TypeVar("ArtifactT", bound=Artifact)
_whole_id = 64
_block = 2**20


class RemoteStore(Store):
    """Artifacts under an fsspec URL, for example `s3://bucket/seekloop`; whatever is used is kept in `cache` too.

    An artifact is there for others once its manifest is, which is sent after everything else. What a crash left of one
    without its manifest is completed when the same content is committed again.

    Args:
        url: the folder of the artifacts.
        cache: local folder; a store of its own.
        shared: stores that are read after this one.

    Raises:
        UsageError: nothing that is installed speaks the URL's protocol.
    """

    def __init__(self, url: str, *, cache: Path, shared: Sequence[Store] = ()) -> None:
        super().__init__(cache, shared=shared)
        self.url = url
        try:
            self._files, self._base = fsspec.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise UsageError("artifact.remote_protocol", url=url, problem=str(error)) from error

    def commit(self, draft: Draft, artifact: ArtifactT, *, receipt: Receipt) -> ArtifactT:
        """Make the draft an artifact in the cache, then send what the remote store does not have yet.

        Raises:
            ArtifactError: as for a local store, or the remote one cannot be reached.
        """
        final = super().commit(draft, artifact, receipt=receipt)
        self._send(final)
        return final

    def restore_receipt(self, identity: str, receipt: Receipt) -> None:
        """Put back the receipt that a ledger recorded, here and there."""
        store, path = self._find(identity)
        super().restore_receipt(identity, receipt)
        if store is self:
            with self._reaching():
                self._files.pipe_file(self._at(path, RECEIPT), to_bytes(receipt))

    def list(self, kind: str | None = None) -> list[str]:
        """Ids of the whole artifacts of a kind in the remote store, sorted."""
        with self._reaching():
            self._files.invalidate_cache()
            places = [place.split("/") for place in self._files.glob(f"{self._base}/*/*/{MANIFEST}")]
        found = (f"{parts[-3]}:{parts[-2]}" for parts in places)
        return sorted(i for i in found if split_id(i) and kind in (None, i.partition(":")[0]))

    def _matches(self, kind: str, hexes: str) -> Sequence[Path]:
        cached = super()._matches(kind, hexes)
        place = self.root / kind / hexes
        if len(hexes) == _whole_id and not cached:
            with self._reaching():
                return [place] if self._files.exists(self._at(place, MANIFEST)) else []
        if cached == [place]:
            return cached
        beginning = f"{kind}:{hexes}"
        return [self._place(identity) for identity in self.list(kind) if identity.startswith(beginning)]

    def _bring(self, path: Path) -> Path:
        """Fetch an artifact into the cache, every byte checked, unless it is there."""
        if not (path / MANIFEST).is_file():
            identity = f"{path.parent.name}:{path.name}"
            with open_draft(self.root / "tmp") as draft, self._reaching():
                data = self._files.cat_file(self._at(path, MANIFEST))
                artifact = parse_manifest(data, identity=identity, where=self._at(path, MANIFEST))
                for name in (RECEIPT, *artifact.files):
                    local = draft.folder / name
                    local.parent.mkdir(parents=True, exist_ok=True)
                    with contextlib.suppress(FileNotFoundError):
                        self._files.get_file(self._at(path, name), str(local))
                wrong, receipt = first_difference(artifact, draft.folder), read_receipt(draft.folder)
                if wrong is not None or receipt is None:
                    raise ArtifactError("artifact.changed", id=digests.short(identity), file=wrong)
                seal(draft.folder, manifest=artifact, receipt=receipt)
                self._put(draft.folder, artifact)
        return path

    def _first_difference(self, artifact: Artifact, folder: Path) -> str | None:
        """The first file that differs, in the cache or over there."""
        wrong = super()._first_difference(artifact, folder)
        if wrong is not None:
            return wrong
        expected = {**artifact.files, MANIFEST: _entry(to_bytes(artifact)), RECEIPT: _entry(self._receipt(folder))}
        with self._reaching():
            self._files.invalidate_cache()
            for name, entry in sorted(expected.items()):
                if self._entry(self._at(folder, name)) != entry:
                    return name
        return None

    def _send(self, artifact: Artifact) -> None:
        """Send the files that are not there in full, then the receipt, then the manifest."""
        folder = self._place(artifact.id)
        with self._reaching():
            self._files.invalidate_cache()
            place = self._at(folder, MANIFEST)
            first = self._first_receipt(folder)
            if first is not None:
                super().restore_receipt(artifact.id, first)
            for name, entry in artifact.files.items():
                if not self._has(self._at(folder, name), size=entry.size):
                    self._files.makedirs(self._at(folder, name).rpartition("/")[0], exist_ok=True)
                    self._files.put_file(str(folder / name), self._at(folder, name))
            self._files.makedirs(self._at(folder, "").rstrip("/"), exist_ok=True)
            self._files.pipe_file(self._at(folder, RECEIPT), self._receipt(folder))
            self._files.pipe_file(place, to_bytes(artifact))

    def _first_receipt(self, folder: Path) -> Receipt | None:
        """The receipt of an artifact that is whole over there already."""
        if not self._files.exists(self._at(folder, MANIFEST)) or not self._files.exists(self._at(folder, RECEIPT)):
            return None
        try:
            return Receipt.model_validate_json(self._files.cat_file(self._at(folder, RECEIPT)))
        except ValidationError:
            return None

    def _has(self, place: str, *, size: int) -> bool:
        return bool(self._files.exists(place)) and self._files.size(place) == size

    def _entry(self, place: str) -> FileEntry | None:
        """Digest and size of a remote file, every byte read; None where there is none."""
        digest, size = hashlib.sha256(), 0
        try:
            with self._files.open(place, "rb") as file:
                while block := file.read(_block):
                    digest.update(block)
                    size += len(block)
        except FileNotFoundError:
            return None
        return FileEntry(digest=f"sha256:{digest.hexdigest()}", size=size)

    def _receipt(self, folder: Path) -> bytes:
        return (folder / RECEIPT).read_bytes()

    def _at(self, folder: Path, name: str) -> str:
        return f"{self._base}/{folder.parent.name}/{folder.name}/{name}"

    @contextlib.contextmanager
    def _reaching(self) -> Iterator[None]:
        """Turn what the network says into a sentence."""
        try:
            with disk_full_is_a_sentence(self.root):
                yield
        except OSError as error:
            raise ArtifactError("artifact.remote_failed", url=self.url, problem=str(error)) from error


def _entry(data: bytes) -> FileEntry:
    return FileEntry(digest=digests.of_bytes(data), size=len(data))
