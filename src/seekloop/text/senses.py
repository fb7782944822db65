"""What small words change: numbers and negations, by which two texts that are nearly alike may be opposite wishes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["senses"]

_telling = re.compile(
    r"[0-9０-９]+(?:[.:][0-9０-９]+)*|[二三四五六七八九十百千万亿两半]+|(?P<no>[不没沒无無未别別非勿莫]"
    r"|n['’]t\b|\b(?:no|not|never|none|neither|nor|without|cannot)\b"
    r"|\b(?:ai|are|ca|could|did|do|does|had|has|have|is|should|was|were|wo|would)nt\b)",
    re.IGNORECASE,
)


def senses(texts: Sequence[str]) -> NDArray[np.int64]:
    """A number for the numbers and negations of each text, in whatever order they stand; 0 for none."""
    return np.fromiter(map(_sense, texts), dtype=np.int64, count=len(texts))


def _sense(text: str) -> int:
    found = sorted("no" if match["no"] else match[0] for match in _telling.finditer(text))
    if not found:
        return 0
    return int.from_bytes(hashlib.blake2b("\x1f".join(found).encode(), digest_size=7).digest(), "big")
