"""Links that nobody can guess, one a person, from a secret in a folder of the project's state."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from seekloop.system.files import write_whole

__all__ = ["Links"]


@dataclass(frozen=True)
class Links:
    """Makes and knows the tokens of links."""

    secret: bytes

    @classmethod
    def in_folder(cls, folder: Path) -> Self:
        """With the secret of a folder, made where there is none.

        Raises:
            ArtifactError: the disk is full.
        """
        file = folder / "secret"
        if not file.exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(file, secrets.token_hex(32).encode())
            file.chmod(0o600)
        return cls(bytes.fromhex(file.read_text("ascii")))

    def token(self, name: str) -> str:
        """What stands in a person's link: 128 bits that need not be stored."""
        return hmac.new(self.secret, f"review\x1f{name}".encode(), "sha256").hexdigest()[:32]

    def whose(self, token: str, names: Iterable[str]) -> str | None:
        """Whose link it is; None: nobody's. Every name is compared, in constant time."""
        given = token.encode()
        found = [name for name in names if hmac.compare_digest(self.token(name).encode(), given)]
        return found[0] if found else None
