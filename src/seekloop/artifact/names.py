"""File names inside artifacts, and artifact ids: what is allowed, so that nothing is read or written elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable

from seekloop.system.errors import ArtifactError

__all__ = ["MANIFEST", "RECEIPT", "check_names", "split_id"]

MANIFEST, RECEIPT = "MANIFEST.json", "RECEIPT.json"

_name = re.compile(r"(?:\w[\w.+-]{0,127}/){0,7}\w[\w.+-]{0,127}", re.ASCII)
_id = re.compile(r"([a-z]+):([0-9a-f]{1,64})")


def check_names(names: Iterable[str], *, where: object) -> None:
    """See that each name is a plain relative one, and that no two are the same where case does not count.

    Letters, digits and `_ . + -`, in at most eight parts of at most 128 characters, none beginning with a dot: no
    `..`, no absolute path, no backslash, no percent or Unicode form of them.

    Raises:
        ArtifactError: names the one that is not.
    """
    seen: set[str] = set()
    for name in names:
        folded = name.casefold()
        if not _name.fullmatch(name) or folded in (MANIFEST.casefold(), RECEIPT.casefold()) or folded in seen:
            raise ArtifactError("artifact.bad_name", name=repr(name), where=where)
        seen.add(folded)


def split_id(identity: str) -> tuple[str, str] | None:
    """Kind and hex digits of an id or the beginning of one; None where it is neither."""
    match = _id.fullmatch(identity)
    return (match[1], match[2]) if match else None
