"""What a request holds while it is answered: its worker, how it came to it, and who answers when that one fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from seekloop.serve.rollout.place import Placed
from seekloop.serve.worker import Worker

__all__ = ["Lease"]


@dataclass(kw_only=True)
class Lease:
    """One hold on one worker; whoever has it gives the worker back, once."""

    worker: Worker
    placed: Placed | None = None
    """None: no rollout had a say."""
    spare: Callable[[], Worker] | None = None
    """Leases the worker that answers in its place; None: there is no other."""
    first_token_s: float | None = None
    """Silence until the first token that counts as failure; None: any."""
    shadow: tuple[Worker, Placed] | None = None
    """Who answers as well, unseen, once the client has its answer."""
    retries: bool = True
    """Whether an engine that died is started again for this request."""
    failed: str | None = None
    """Code of why the worker that it came to first did not answer."""

    def fall_back(self, code: str) -> None:
        """Hold the spare worker in place of the first one."""
        if self.spare is None:
            raise ValueError("there is no spare")
        worker = self.spare()
        self.worker.give_back()
        self.worker, self.failed, self.spare, self.first_token_s = worker, code, None, None

    @property
    def arm(self) -> dict[str, Any]:
        """What the row of the answer says of it."""
        return {} if self.placed is None else self.placed.facts(failed=self.failed)
