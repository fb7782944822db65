"""One seed for a run; every consumer derives its own by name, so that adding one never shifts another."""

from __future__ import annotations

import hashlib

__all__ = ["derive"]


def derive(seed: int, *names: str | int) -> int:
    """A 32-bit seed for the consumer called `names` under the run's `seed`."""
    text = "\x1f".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
