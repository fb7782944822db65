"""Where a project keeps what the gateway needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seekloop.artifact.context import STATE
from seekloop.artifact.store import Store

__all__ = ["Place"]


@dataclass(frozen=True)
class Place:
    """A project's folder, seen from the gateway."""

    project: Path

    @property
    def state(self) -> Path:
        """Folder of the store, the ledger and `serve.key`."""
        return self.project / STATE

    @property
    def address(self) -> Path:
        """While a gateway runs: `{"url", "pid"}`."""
        return self.state / "serve.json"

    @property
    def log(self) -> Path:
        """What gateways in processes of their own had to say."""
        return self.state / "serve.log"

    def store(self) -> Store:
        """The project's artifacts, with the model cache behind them."""
        return Store.of_project(self.state)
