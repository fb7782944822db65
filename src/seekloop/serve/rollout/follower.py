"""A gateway's part in rollouts: it follows them in the ledger, keeps their workers, and judges them all the time.

Every gateway does the same from the same events: nobody is in charge. Whoever sees first that a rule failed writes the
event, the others read it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from seekloop.artifact.ledger import Alias
from seekloop.serve.options import GatewayOptions
from seekloop.serve.rollout.counts import Counting
from seekloop.serve.rollout.desk import Desk
from seekloop.serve.rollout.lease import Lease
from seekloop.serve.rollout.place import Placed, arm_at, point, unit_of
from seekloop.serve.rollout.state import Rollout, Rollouts
from seekloop.serve.tending import outcome, retire, words
from seekloop.serve.worker import Worker
from seekloop.system import digests
from seekloop.system.errors import LedgerError, SeekloopError

__all__ = ["Follower", "Live"]

_idle_s = 1.0
"""Where nothing new was recorded, the verdict is looked at so often: steps end with time, too."""
_starts = 3
"""A candidate that did not start so many times is rolled back."""


@dataclass(frozen=True, kw_only=True)
class Live:
    """A rollout whose every release is ready in this gateway."""

    rollout: Rollout
    workers: dict[str, Worker]
    """By release; the one in production is not among them."""


class Follower:
    """The rollouts of one gateway's alias.

    Args:
        desk: where rollouts are read and judged.
        alias: tells the move of the alias that is in effect.
        start: makes a worker for a release.
        options: alias and waits.
    """

    def __init__(
        self,
        *,
        desk: Desk,
        alias: Callable[[], Alias | None],
        start: Callable[[str], Awaitable[Worker]],
        options: GatewayOptions,
    ) -> None:
        self.desk = desk
        self.live: Live | None = None
        self.problem: str | None = None
        """Why the newest rollout is not in effect here."""
        self._alias = alias
        self._start = start
        self._options = options
        self._logger = logging.getLogger("seekloop.serve")
        self._known = Rollouts()
        self._counting: tuple[str, Counting] | None = None
        self._judged_at = float("-inf")
        self._workers: dict[str, Worker] = {}
        self._starting: dict[str, asyncio.Task[Any]] = {}
        self._failures: Counter[tuple[str, str]] = Counter()
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def workers(self) -> tuple[Worker, ...]:
        """Every worker of the rollout that requests may go to."""
        live = self.in_effect
        return tuple(live.workers.values()) if live else ()

    @property
    def in_effect(self) -> Live | None:
        """The rollout that has a say now: not one that began under another move of the alias."""
        live, alias = self.live, self._alias()
        if live is None or alias is None or alias.version != live.rollout.alias_version:
            return None
        return live

    def start(self) -> None:
        """Begin to follow."""
        self._spawn(self._follow())
        self._spawn(self._watch())

    async def close(self) -> None:
        """Stop following, and stop every engine."""
        for task in (*self._tasks, *self._starting.values()):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._starting.values(), return_exceptions=True)
        self.live = None
        for worker in self._workers.values():
            await worker.close()
        self._workers.clear()

    def lease(self, control: Worker, *, tenant: str, who: str | None, spare: Callable[[], Worker]) -> Lease:
        """The worker for a caller, held: of the rollout that is in effect, else `control`.

        Args:
            control: the worker of the release in production.
            tenant: whose request it is.
            who: the same word for the same caller; None: nobody who takes part.
            spare: leases the worker that answers when a candidate fails.
        """
        live = self.in_effect
        if live is None or who is None:
            control.lease()
            return Lease(worker=control)
        rollout = live.rollout
        unit = unit_of(rollout.id, tenant, who=secrets.token_hex(8) if rollout.spec.unit == "request" else who)
        arm = arm_at(point(unit), rollout.shares)
        if arm is None or rollout.shadow:
            control.lease()
            # Of a shadow's requests, only those count that both answer.
            placed = None if rollout.shadow and arm is None else _placed(rollout, rollout.control, unit=unit)
            shadow = (live.workers[arm], _placed(rollout, arm, unit=unit)) if arm else None
            return Lease(worker=control, placed=placed, shadow=shadow)
        worker = live.workers[arm]
        worker.lease()
        return Lease(
            worker=worker,
            placed=_placed(rollout, arm, unit=unit),
            spare=spare,
            first_token_s=rollout.spec.first_token_s,
        )

    def take(self, release: str) -> Worker | None:
        """Hand over the worker of a release that moves into production; None: there is none."""
        worker = self._workers.pop(release, None)
        if worker is not None and self.live is not None and release in self.live.workers:
            self.live = None
        return worker

    async def _follow(self) -> None:
        while True:
            error = await outcome(self._look())
            if error is not None and not _raced(error):
                self.problem = words(error)
                self._logger.error("the rollouts of %s are not followed", self._options.alias, exc_info=error)
            await asyncio.sleep(self._options.poll_s)

    async def _look(self) -> None:
        # A decision is followed by another look at once: what it ends must not see one more request than need be.
        while await self._once():
            pass

    async def _once(self) -> bool:
        """Read what is new, be as it says, judge; whether something was decided."""
        await asyncio.to_thread(self.desk.read, self._known)
        rollout, alias = self._known.running(self._options.alias), self._alias()
        if rollout is None or alias is None:
            self._settle(None)
            return False
        if alias.version > rollout.alias_version:
            reason = f"{alias.name} was moved to {digests.short(alias.target)} by {alias.actor}: {alias.reason}"
            await asyncio.to_thread(self.desk.abort, rollout, actor="gateway", reason=reason)
            return True
        self._settle(rollout)
        return alias.version == rollout.alias_version and await self._decided(rollout)

    async def _decided(self, rollout: Rollout) -> bool:
        if broken := next((one for one in rollout.spec.candidates if self._failures[rollout.id, one] >= _starts), None):
            reason = f"{digests.short(broken)} did not start {_starts} times: {self.problem}"
            await asyncio.to_thread(self.desk.roll_back, rollout, reason=reason)
            return True
        if self._counting is None or self._counting[0] != rollout.id:
            self._counting = rollout.id, Counting(rollout.id, first=rollout.first, ledger=self.desk.ledger)
        fresh = await asyncio.to_thread(self._counting[1].go_on)
        now = asyncio.get_running_loop().time()
        if not fresh and now - self._judged_at < _idle_s:
            return False
        self._judged_at = now
        judged = await asyncio.to_thread(self.desk.judge, rollout, self._counting[1])
        if judged.verdict.action == "hold":
            return False
        await asyncio.to_thread(self.desk.act, rollout, judged)
        self._logger.info("%s: %s", rollout.id, judged.verdict.action)
        return True

    def _settle(self, rollout: Rollout | None) -> None:
        """Have the workers that a rollout needs, and no others; it is live once all are ready."""
        if rollout is None and self._handing_over():
            return
        wanted = set(rollout.spec.candidates) if rollout else set()
        if rollout is None or not wanted <= set(self._workers):
            self.live = None
        else:
            self.live = Live(rollout=rollout, workers={one: self._workers[one] for one in wanted})
            self.problem = None
        for release in set(self._workers) - wanted:
            self._spawn(retire(self._workers.pop(release)))
        for release in set(self._starting) - wanted:
            self._starting[release].cancel()
        if rollout is not None:
            for release in wanted - set(self._workers) - set(self._starting):
                self._starting[release] = asyncio.create_task(self._bring(rollout.id, release))

    def _handing_over(self) -> bool:
        """Whether the newest rollout has just finished, and its worker is about to be the one in production."""
        newest = next(reversed([one for one in self._known.known.values() if one.alias == self._options.alias]), None)
        alias = self._alias()
        over = newest is None or alias is None or newest.phase != "finished"
        return not over and newest is not None and alias is not None and alias.version == newest.alias_version

    async def _bring(self, rollout: str, release: str) -> None:
        try:
            self._workers[release] = await self._start(release)
            self._logger.info("%s: %s is ready", rollout, release)
        except SeekloopError as error:
            self._failures[rollout, release] += 1
            self.problem = error.sentence()
            self._logger.error("%s: %s does not start", rollout, release, exc_info=error)
            await asyncio.sleep(self._options.retry_s)
        finally:
            del self._starting[release]

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._options.check_s)
            for worker in (*self._workers.values(),):
                error = await outcome(worker.check())
                if error is not None:
                    self._logger.error("a candidate's engine could not be replaced", exc_info=error)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _placed(rollout: Rollout, arm: str, *, unit: str) -> Placed:
    return Placed(rollout=rollout.id, step=rollout.step, arm=arm, unit=unit)


def _raced(error: BaseException) -> bool:
    """Whether another process decided in the meantime, which the next look will show."""
    codes = ("artifact.decided_since", "artifact.alias_moved", "rollout.over")
    return isinstance(error, LedgerError | SeekloopError) and error.code in codes
