"""The installed packages that seekloop needs, directly or not, as CycloneDX components with their dependency graph."""

from __future__ import annotations

import base64
import binascii
import hashlib
import importlib.metadata
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import Distribution, PackageNotFoundError
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

__all__ = ["ROOT", "Installed", "closure"]

ROOT = "seekloop"
_not_shipped = {"dev"}
"""Extras that are for working on seekloop, not for running it."""
_known = {
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""Trove classifiers that mean one SPDX id; others, such as `BSD License`, do not say which, and are told as names."""

_ids = {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0", "PSF-2.0", "Unlicense", "Zlib"}
"""SPDX ids that packages write into the older field `License`."""
_longest = 100
"""Characters of a licence's name; some packages put its whole text there."""


@dataclass(kw_only=True)
class Installed:
    """One package."""

    name: str
    """Normalised, as in PEP 503."""
    version: str
    component: dict[str, Any]
    needs: set[str] = field(default_factory=set)
    """Names of the installed packages that it needs."""

    @property
    def ref(self) -> str:
        """Its package URL."""
        return _purl(self.name, self.version)


def closure() -> dict[str, Installed]:
    """Name -> package, for seekloop with every extra that is for running it, and whatever of that is installed."""
    found: dict[str, Installed] = {}
    own = importlib.metadata.distribution(ROOT)
    extras = {_normal(one) for one in own.metadata.get_all("Provides-Extra") or []} - _not_shipped
    pending: list[tuple[str, frozenset[str]]] = [(ROOT, frozenset(extras))]
    seen: set[tuple[str, str]] = set()
    while pending:
        name, wanted = pending.pop()
        fresh = {one for one in ("", *wanted) if (name, one) not in seen}
        seen |= {(name, one) for one in fresh}
        distribution = _distribution(name)
        if distribution is None or not fresh:
            continue
        package = found.setdefault(name, _installed(name, distribution))
        for need, more in _needs(distribution, fresh):
            if _distribution(need) is not None:
                package.needs.add(need)
                pending.append((need, more))
    return dict(sorted(found.items()))


def _needs(distribution: Distribution, extras: set[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """What a package needs here with some of its extras, `` being none: (name, extras of it)."""
    for text in distribution.requires or []:
        try:
            one = Requirement(text)
        except InvalidRequirement:  # of before PEP 508: old packages may say anything
            continue
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras):
            yield _normal(one.name), frozenset(_normal(extra) for extra in one.extras)


def _distribution(name: str) -> Distribution | None:
    try:
        return importlib.metadata.distribution(name)
    except PackageNotFoundError:
        return None


def _installed(name: str, distribution: Distribution) -> Installed:
    version = distribution.version
    component: dict[str, Any] = {
        "type": "application" if name == ROOT else "library",
        "bom-ref": _purl(name, version),
        "name": name,
        "version": version,
        "purl": _purl(name, version),
    }
    if said := _licences(distribution):
        component["licenses"] = said
    if record := _record(distribution):
        component["properties"] = [{"name": "seekloop:record_sha256", "value": record}]
    return Installed(name=name, version=version, component=component)


def _licences(distribution: Distribution) -> list[dict[str, Any]]:
    """As the package says it; nothing where it says nothing."""
    expression = _first(distribution, "License-Expression")
    if expression:
        return [{"expression": expression}]
    classified = [
        text.rpartition(" :: ")[2]
        for text in distribution.metadata.get_all("Classifier") or []
        if text.startswith("License :: ") and text != "License :: OSI Approved"
    ]
    told = [{"license": _licence(text)} for text in sorted(set(classified))]
    written = _first(distribution, "License")
    if written in _ids and not any("id" in one["license"] for one in told):
        return [{"license": {"id": written}}]
    if not told and written and "\n" not in written and len(written) <= _longest:
        told = [{"license": {"name": written}}]
    return told


def _first(distribution: Distribution, name: str) -> str:
    """A field of the metadata; empty: it is not there."""
    return next((text.strip() for text in distribution.metadata.get_all(name) or []), "")


def _licence(text: str) -> dict[str, str]:
    spdx = _known.get(text)
    return {"name": text} if spdx is None else {"id": spdx}


def _record(distribution: Distribution) -> str | None:
    """SHA-256 over the digests that the package's RECORD gives of its own files, without what an install makes.

    Scripts and caches differ between machines: they are left out, so that one wheel gives one value.
    """
    lines = []
    for file in distribution.files or []:
        if file.hash is None or file.hash.mode != "sha256" or file.parts[0] == ".." or "__pycache__" in file.parts:
            continue
        if file.name in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"):
            continue
        lines.append(f"{file.as_posix()}={_hex(file.hash.value)}\n")
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest() if lines else None


def _hex(value: str) -> str:
    try:
        return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).hex()
    except (ValueError, binascii.Error):
        return value


def _purl(name: str, version: str) -> str:
    """https://github.com/package-url/purl-spec, type `pypi`."""
    return f"pkg:pypi/{name}@{version.replace('+', '%2B').replace('!', '%21')}"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
