"""An artifact's folder: its manifest and receipt, and whether every file is the one that was committed."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from pydantic import BaseModel, ValidationError

from seekloop.artifact.drafts import regular_files
from seekloop.artifact.kinds import Artifact, FileEntry, Receipt, parse
from seekloop.artifact.names import MANIFEST, RECEIPT, check_names
from seekloop.system import digests
from seekloop.system.errors import ArtifactError
from seekloop.system.files import sync_file, sync_folder, write_whole

__all__ = ["entry_of", "first_difference", "parse_manifest", "read_manifest", "read_receipt", "seal", "to_bytes"]


def to_bytes(record: BaseModel) -> bytes:
    """A manifest or receipt as it stands in its file."""
    return digests.canonical(record.model_dump(mode="json"))


def entry_of(path: Path) -> FileEntry:
    """Digest and size of a file, every byte read."""
    return FileEntry(digest=digests.of_file(path), size=path.stat().st_size)


def seal(folder: Path, *, manifest: Artifact, receipt: Receipt) -> None:
    """Bring an artifact's folder to the disk: files, then folders, then receipt, then manifest."""
    for name in manifest.files:
        sync_file(folder / name)
    inner = {parent for name in manifest.files for parent in Path(name).parents}
    for parent in inner:
        sync_folder(folder / parent)
    write_whole(folder / RECEIPT, to_bytes(receipt))
    write_whole(folder / MANIFEST, to_bytes(manifest))


def read_manifest(folder: Path) -> Artifact:
    """The artifact in a folder `KIND/HEX`, by its manifest alone.

    Raises:
        ArtifactError: the manifest is missing, or as for `parse_manifest`.
    """
    identity, path = f"{folder.parent.name}:{folder.name}", folder / MANIFEST
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise ArtifactError("artifact.changed", id=digests.short(identity), file=MANIFEST) from error
    return parse_manifest(data, identity=identity, where=path)


def parse_manifest(data: bytes, *, identity: str, where: object) -> Artifact:
    """The artifact that a manifest file describes.

    Raises:
        ArtifactError: it is no manifest, of a newer schema, not the one of `identity`, or names odd files.
    """
    try:
        value = json.loads(data)
        is_canonical = digests.canonical(value) == data
    except (ValueError, RecursionError) as error:
        raise ArtifactError("artifact.bad_manifest", problem="it is not JSON", where=where) from error
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        raise ArtifactError("artifact.bad_manifest", problem="it says no kind", where=where)
    artifact = parse(value, where=where)
    if not is_canonical or artifact.id != identity:
        raise ArtifactError("artifact.changed", id=digests.short(identity), file=MANIFEST)
    check_names(artifact.files, where=where)
    return artifact


def read_receipt(folder: Path) -> Receipt | None:
    """The receipt in a folder; None where it is missing or damaged."""
    try:
        return Receipt.model_validate_json((folder / RECEIPT).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def first_difference(artifact: Artifact, folder: Path, *, without: Collection[str] = ()) -> str | None:
    """The first file that is missing, too much, or not as in the manifest; None where all is well.

    Args:
        artifact: as its manifest says.
        folder: where it is.
        without: files that were removed, and must not be there.
    """
    try:
        present = set(regular_files(folder)) - {MANIFEST, RECEIPT}
    except ArtifactError as error:
        return str(error.facts["name"])
    for name in sorted(set(artifact.files) | present):
        entry = artifact.files.get(name)
        if name in without:
            if name in present:
                return name
            continue
        if entry is None or name not in present or entry_of(folder / name) != entry:
            return name
    return None if read_receipt(folder) else RECEIPT
