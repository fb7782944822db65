"""Stage 4: a checkpoint becomes smaller or plainer, and is proven to be the same model before it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seekloop.system.lazy import attributes

if TYPE_CHECKING:
    from seekloop.compress.spec import CompressInputs, CompressSpec
    from seekloop.compress.stage import run

__all__ = ["CompressInputs", "CompressSpec", "run"]

__getattr__ = attributes(__name__, spec=("CompressInputs", "CompressSpec"), stage=("run",))
