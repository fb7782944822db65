"""What every room's tests share: a Hypothesis profile that fits two busy cores, a store, a ledger and a context."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from seekloop.artifact.context import RunContext
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.store import Store

hypothesis.settings.register_profile("seekloop", deadline=None, max_examples=50, derandomize=True)
hypothesis.settings.load_profile("seekloop")


@pytest.fixture
def repository() -> Path:
    """The folder of the project itself."""
    return Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _one_torch_thread() -> None:
    """Where a test module has imported torch, it computes on one thread: the cores are shared."""
    torch = sys.modules.get("torch")
    if torch is not None and "set_num_threads" in vars(torch):
        torch.set_num_threads(1)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "store")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty SQLite ledger with its key and anchors beside it."""
    ledger = Ledger.in_folder(tmp_path)
    yield ledger
    ledger.close()


@pytest.fixture
def ctx(tmp_path: Path, store: Store, ledger: Ledger) -> RunContext:
    """A run context over `store` and `ledger`, silent, with seed 7; relative paths are taken from `tmp_path`."""
    return RunContext(store=store, ledger=ledger, seed=7, root=tmp_path, work=tmp_path / "work")
