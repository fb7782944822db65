"""The cache's dials."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from seekloop.system.spec import Spec

__all__ = ["CacheOptions", "SemanticOptions"]


class SemanticOptions(Spec):
    """Whether a question that is nearly another one may have its answer."""

    threshold: float | None = Field(default=None, gt=0.0, le=1.0)
    """Least cosine of the last user turn to an earlier one; None: only equal requests meet."""
    words: bool = True
    """Content words must be the same too, whatever their order; numbers, ids and negations always must."""
    entries: int = Field(default=4096, ge=1)
    """Questions remembered, in this process; the ones asked longest ago leave."""


class CacheOptions(Spec):
    """Where answers are kept, how many and how long."""

    backend: Literal["off", "memory", "sqlite", "redis"] = "off"
    """`memory`: of this process; `sqlite`: a file that gateways of a machine share; `redis`: a server that many do."""
    max_mib: int = Field(default=64, ge=1)
    """What the kept answers may take, in memory or in the file; Redis has its own bound (`maxmemory`)."""
    ttl_s: float = Field(default=3600.0, gt=0)
    """How long an answer is kept."""
    path: Path | None = None
    """The file of `sqlite`; None: `cache.db` beside the project's ledger."""
    url: str = "redis://127.0.0.1:6379/0"
    """The server of `redis`; `${NAME}` stands for a secret of the environment."""
    timeout_ms: float = Field(default=50.0, gt=0)
    """Longest wait for the file or server; then the answer is generated."""
    pause_s: float = Field(default=5.0, gt=0)
    """How long a file or server that failed three times in a row is left alone."""
    erasure_s: float = Field(default=1.0, gt=0)
    """How often the ledger is asked which answers were erased; while it does not say, nothing is answered from here."""
    semantic: SemanticOptions = SemanticOptions()
    """Answers to questions in nearly the same words."""

    def beside(self, folder: Path) -> CacheOptions:
        """The same with its file in `folder`, where none was named."""
        return self if self.path is not None else self.model_copy(update={"path": folder / "cache.db"})
