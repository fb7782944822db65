"""A bill of materials as CycloneDX 1.6: the packages that are installed, and what a release is made of.

The same installation and release give the same bytes: the serial number is a digest of the content, and there is no
date. Schema: https://cyclonedx.org/docs/1.6/json/.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Artifact, Checkpoint, Corpus, Dataset, Release
from seekloop.artifact.lineage import gather
from seekloop.loop.compliance.packages import ROOT, closure
from seekloop.model.families import cards
from seekloop.system import digests

__all__ = ["bill"]


def bill(*, release: str | None = None, ctx: RunContext | None = None) -> dict[str, Any]:
    """The bill.

    Args:
        release: id of a release whose weights and data are named, too.
        ctx: of the project that has it.

    Raises:
        ArtifactError: there is no such release, or something that it was made of is missing.
    """
    packages = closure()
    root = packages.pop(ROOT)
    components = [one.component for one in packages.values()]
    graph = [{"ref": root.ref, "dependsOn": sorted(packages[one].ref for one in root.needs if one in packages)}]
    graph += [
        {"ref": one.ref, "dependsOn": sorted(packages[need].ref for need in one.needs if need in packages)}
        for one in packages.values()
    ]
    subject = root.component
    if release is not None:
        assert ctx is not None, "a release is in a project"
        found = ctx.store.open(release, Release)
        parts = list(_parts(found, ctx))
        components += [_component(one) for one in parts]
        known = {one.id for one in parts} | {found.id}
        subject = _component(found)
        components.append(root.component)
        for one in (found, *parts):
            needs = sorted({parent for parent in one.parents.values() if parent in known})
            graph.append({"ref": one.id, "dependsOn": [root.ref, *needs]})
    content = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": subject,
            "tools": {"components": [{"type": "application", "name": ROOT, "version": root.version}]},
            "lifecycles": [{"phase": "operations"}],
        },
        "components": components,
        "dependencies": graph,
    }
    return {**content, "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digests.of_json(content))}"}


def _parts(release: Release, ctx: RunContext) -> Iterator[Artifact]:
    """The checkpoints and data that a release goes back to, nearest first."""
    for one in gather(release.id, store=ctx.store, ledger=ctx.ledger).artifacts:
        if isinstance(one, Checkpoint | Dataset | Corpus):
            yield one


def _component(artifact: Artifact) -> dict[str, Any]:
    kind, _, hexes = artifact.id.partition(":")
    told = {"bom-ref": artifact.id, "name": kind, "version": hexes[:12], "hashes": [_hash(artifact.id)]}
    told["properties"] = [
        {"name": "seekloop:id", "value": artifact.id},
        {"name": "seekloop:stage", "value": artifact.made_by.stage},
        {"name": "seekloop:code_version", "value": artifact.made_by.code_version},
        *(
            {"name": f"seekloop:file:{name}", "value": entry.digest}
            for name, entry in sorted(artifact.files.items())
            if isinstance(artifact, Checkpoint)
        ),
    ]
    if isinstance(artifact, Checkpoint):
        return {**told, **_model(artifact)}
    if isinstance(artifact, Dataset | Corpus):
        return {**told, "type": "data", "data": [_data(artifact)]}
    return {**told, "type": "application"}


def _model(checkpoint: Checkpoint) -> dict[str, Any]:
    known = {one.name: one for one in cards()}
    family = known.get(checkpoint.family)
    told: dict[str, Any] = {
        "type": "machine-learning-model",
        "name": f"{checkpoint.family} {checkpoint.form} {checkpoint.precision}",
        "modelCard": {
            "modelParameters": {
                "architectureFamily": checkpoint.family,
                "datasets": [{"ref": one} for one in checkpoint.parents.values() if one.startswith("dataset:")],
            }
        },
    }
    if family is not None:
        told["licenses"] = [{"license": {"name": family.licence}}]
    return told


def _data(data: Dataset | Corpus) -> dict[str, Any]:
    splits = ", ".join(f"{name} {n}" for name, n in data.splits.items()) if isinstance(data, Dataset) else ""
    described = f"{data.rows} rows" + (f" ({splits})" if splits else "")
    return {"type": "dataset", "name": digests.short(data.id), "description": described}


def _hash(identity: str) -> dict[str, str]:
    """Of the manifest, which names the digest of each file."""
    return {"alg": "SHA-256", "content": identity.rpartition(":")[2]}
