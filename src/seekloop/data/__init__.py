"""Stage 1: Corpus -> Dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seekloop.system.lazy import attributes

if TYPE_CHECKING:
    from seekloop.data.spec import DataInputs, DataSpec
    from seekloop.data.stage import run

__all__ = ["DataInputs", "DataSpec", "run"]

__getattr__ = attributes(__name__, spec=("DataInputs", "DataSpec"), stage=("run",))
