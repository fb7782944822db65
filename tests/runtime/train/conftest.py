"""The tiny model of the default family, ready to train."""

from __future__ import annotations

import pytest

from seekloop.artifact.context import RunContext
from tests.runtime.train.making import Bench


@pytest.fixture
def bench(ctx: RunContext) -> Bench:
    """The tiny SmolLM2."""
    return Bench(ctx)
