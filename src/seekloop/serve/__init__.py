"""Serving: a release is a checkpoint that was measured; the gateway answers with it, and says so in every answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seekloop.system.lazy import attributes

if TYPE_CHECKING:
    from seekloop.serve.spec import ServeInputs, ServeSpec
    from seekloop.serve.stage import run

__all__ = ["ServeInputs", "ServeSpec", "run"]

__getattr__ = attributes(__name__, spec=("ServeInputs", "ServeSpec"), stage=("run",))
