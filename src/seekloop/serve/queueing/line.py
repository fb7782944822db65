"""The line in front of the streams: a value that is told the time and says who moves; it waits for nothing itself."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from seekloop.serve.queueing.options import QueueOptions
from seekloop.serve.queueing.rates import Rate
from seekloop.system.errors import EngineError

__all__ = ["Line", "Moves", "Ticket"]

_soonest_s, _latest_s = 1, 60
"""Least and most that anybody is told to come back after."""


@dataclass(eq=False, kw_only=True)
class Ticket:
    """One request on its way through the line."""

    tier: int
    """0 is the highest."""
    tokens: int
    """Of its prompt."""
    came: float
    """When it came, in the clock's seconds."""
    deadline: float
    """From then on it is not started any more."""
    place: Literal["outside", "waiting", "inside"] = "outside"
    back: Callable[[], None] | None = None
    """Stops its work, which can be begun again as if it never had been; None: it keeps its stream to the end."""
    sent_back: int = 0
    """How often its stream was given to a higher tier."""


@dataclass(frozen=True)
class Moves:
    """What became of those who waited."""

    started: list[Ticket] = field(default_factory=list)
    late: list[Ticket] = field(default_factory=list)
    """Their deadline came first."""
    shed: list[Ticket] = field(default_factory=list)
    """Their place was taken, and they wait no more."""
    back: list[Ticket] = field(default_factory=list)
    """Their stream was taken, and they wait again, at the head of their tier."""


class Line:
    """Tickets by tier, and by time within a tier, in front of a fixed number of streams.

    Every step takes time that grows with the number of tiers in use, or of streams, never with the number of those who
    wait.

    Args:
        streams: tickets inside at the same time.
        options: bounds, reserve and turn.
    """

    def __init__(self, *, streams: int, options: QueueOptions) -> None:
        self._streams = streams
        self._options = options
        kept = streams // 4 if options.reserved is None else options.reserved
        self._kept = min(kept, streams - 1)
        self._tiers: dict[int, OrderedDict[Ticket, None]] = {}
        self._tier_tokens: dict[int, int] = {}
        self._held: dict[Ticket, None] = {}
        self.waiting = 0
        """Tickets that wait for one."""
        self.tokens = 0
        """Prompt tokens of those who wait."""
        self.sent_back = 0
        """How often a stream was given to a higher tier."""
        self._low_inside = 0
        self._passed = 0
        self._top_seen = -math.inf
        self._drain = Rate()
        self._full_since = 0.0

    @property
    def inside(self) -> int:
        """Tickets that hold a stream."""
        return len(self._held)

    def enter(self, ticket: Ticket, *, now: float, read_per_s: float | None) -> Moves:
        """Take a ticket in, or let it wait; who had to make way for it is told. Call `settle` before.

        A ticket of tier 0 that finds no stream takes that of the one below which began last, where its work can be
        begun again and it can wait: an answer that is made twice costs less than all those that would come too late.

        Args:
            ticket: outside until now.
            now: the clock's seconds.
            read_per_s: prompt tokens that the engine reads a second; None: not known yet.

        Raises:
            EngineError: it may not wait; nothing has moved.
        """
        if ticket.tier <= 0:
            self._top_seen = now
        if now < ticket.deadline and self._room(ticket.tier, now=now):
            self._start(ticket)
            return Moves()
        if now < ticket.deadline and (moves := self._give_way(ticket, now=now)) is not None:
            return moves
        self._check_bounds(ticket, now=now, read_per_s=read_per_s)
        shed = self._make_place(ticket, now=now)
        self._put(ticket, now=now)
        return Moves(shed=shed)

    def settle(self, now: float) -> Moves:
        """Let in whoever has room, until nobody has: what a reserve kept is free when tier 0 has been gone for long."""
        moves = Moves()
        while (ticket := self._next(now)) is not None:
            self._take(ticket)
            if now >= ticket.deadline:
                moves.late.append(ticket)
                continue
            self._start(ticket)
            moves.started.append(ticket)
        return moves

    def leave(self, ticket: Ticket, *, now: float) -> Moves:
        """Take a ticket out that was inside, and let the next ones in."""
        assert ticket.place == "inside"
        self._stop(ticket)
        if self.waiting:
            self._drain.add(1, now - self._full_since)
            self._full_since = now
        return self.settle(now)

    def drop(self, ticket: Ticket) -> None:
        """Take out one who waits no more; nothing happens to others."""
        if ticket.place == "waiting":
            self._take(ticket)

    def retry_s(self, tier: int, *, now: float) -> int:
        """Whole seconds until those of this tier and above who wait now are gone, as fast as it went so far; 1 to 60.

        One second where nobody has had to wait yet.
        """
        pending = now - self._full_since if self.waiting else 0.0
        rate = self._drain.per_s(pending_s=pending)
        before = sum(len(self._tiers[each]) for each in self._up_to(tier))
        expected = _soonest_s if rate is None else math.ceil((before + 1) / rate)
        return min(max(expected, _soonest_s), _latest_s)

    def _room(self, tier: int, *, now: float) -> bool:
        """Whether a ticket of this tier may take a stream that is free."""
        if self.inside >= self._streams:
            return False
        kept = self._kept if now - self._top_seen <= self._options.reserve_s else 0
        return tier <= 0 or self._low_inside < self._streams - kept

    def _check_bounds(self, ticket: Ticket, *, now: float, read_per_s: float | None) -> None:
        options, tier = self._options, ticket.tier
        retry = {"retry_s": self.retry_s(tier, now=now)}
        if now >= ticket.deadline:
            raise EngineError("queueing.late", seconds=now - ticket.came, **retry)
        queue = self._tiers.get(tier, ())
        most = options.max_requests if options.tier_requests is None else options.tier_requests
        if len(queue) >= most:
            raise EngineError("queueing.full", waiting=len(queue), **retry)
        most = options.max_tokens if options.tier_tokens is None else options.tier_tokens
        if queue and self._tier_tokens[tier] + ticket.tokens > most:
            raise EngineError("queueing.full", waiting=len(queue), **retry)
        before = sum(self._tier_tokens[each] for each in self._up_to(tier))
        allowed = math.inf if read_per_s is None else options.target_first_token_s * read_per_s
        if before and before + ticket.tokens > allowed:
            seconds = options.target_first_token_s
            raise EngineError("queueing.reading", tokens=before + ticket.tokens, seconds=seconds, **retry)

    def _make_place(self, ticket: Ticket, *, now: float) -> list[Ticket]:
        """The newest of the lowest tiers, taken out until the ticket fits beside the others; nobody where it cannot."""
        shed: list[Ticket] = []
        requests, tokens = self.waiting, self.tokens
        victims = self._newest_from(ticket.tier + 1)
        while requests >= self._options.max_requests or (
            requests and tokens + ticket.tokens > self._options.max_tokens
        ):
            victim = next(victims, None)
            if victim is None:
                retry = self.retry_s(ticket.tier, now=now)
                raise EngineError("queueing.full", waiting=self.waiting, retry_s=retry)
            shed.append(victim)
            requests, tokens = requests - 1, tokens - victim.tokens
        for victim in shed:
            self._take(victim)
        return shed

    def _give_way(self, ticket: Ticket, *, now: float) -> Moves | None:
        """Start a ticket of tier 0 in the place of a lower one; None: nobody can make way, or others came before it."""
        if ticket.tier > 0 or any(each <= ticket.tier for each in self._tiers):
            return None
        held = [one for one in reversed(self._held) if one.tier > 0 and one.back is not None]
        held = [one for one in held if one.sent_back < self._options.sent_back and now < one.deadline]
        last = max(held, key=lambda one: one.tier, default=None)
        shed = None if last is None else self._place_of(last)
        if last is None or shed is None:
            return None
        for each in shed:
            self._take(each)
        self._stop(last)
        self._put(last, now=now)
        self._tiers[last.tier].move_to_end(last, last=False)
        last.sent_back += 1
        self.sent_back += 1
        self._start(ticket)
        return Moves(shed=shed, back=[last])

    def _place_of(self, ticket: Ticket) -> list[Ticket] | None:
        """Who has to go where a ticket is put back: the newest, of its tier or below; None: it does not fit even so."""
        options, tier = self._options, ticket.tier
        own = reversed(self._tiers.get(tier, OrderedDict()))
        shed: list[Ticket] = []
        count, tokens = len(self._tiers.get(tier, ())), self._tier_tokens.get(tier, 0)
        while not _fits(count, tokens + ticket.tokens, requests=options.tier_requests, tokens=options.tier_tokens):
            if (newest := next(own, None)) is None:
                return None
            shed.append(newest)
            count, tokens = count - 1, tokens - newest.tokens
        count, tokens = self.waiting - len(shed), self.tokens - sum(one.tokens for one in shed)
        others = (one for one in self._newest_from(tier) if one not in shed)
        while not _fits(count, tokens + ticket.tokens, requests=options.max_requests, tokens=options.max_tokens):
            if (newest := next(others, None)) is None:
                return None
            shed.append(newest)
            count, tokens = count - 1, tokens - newest.tokens
        return shed

    def _newest_from(self, tier: int) -> Iterator[Ticket]:
        """Of a tier and those below it, the lowest first, and in it who came last."""
        for each in sorted((low for low in self._tiers if low >= tier), reverse=True):
            yield from reversed(self._tiers[each])

    def _next(self, now: float) -> Ticket | None:
        """Who is let in next: the highest tier, the first of it; and now and then the one that waited longest below."""
        heads = [next(iter(self._tiers[tier])) for tier in sorted(self._tiers) if self._room(tier, now=now)]
        if not heads:
            return None
        if len(heads) == 1 or self._passed < self._options.turn - 1:
            self._passed = self._passed + 1 if len(heads) > 1 else 0
            return heads[0]
        self._passed = 0
        return min(heads[1:], key=lambda ticket: ticket.came)

    def _start(self, ticket: Ticket) -> None:
        ticket.place = "inside"
        self._held[ticket] = None
        self._low_inside += ticket.tier > 0

    def _stop(self, ticket: Ticket) -> None:
        ticket.place = "outside"
        del self._held[ticket]
        self._low_inside -= ticket.tier > 0

    def _put(self, ticket: Ticket, *, now: float) -> None:
        if not self.waiting:
            self._full_since = now
        ticket.place = "waiting"
        self._tiers.setdefault(ticket.tier, OrderedDict())[ticket] = None
        self._tier_tokens[ticket.tier] = self._tier_tokens.get(ticket.tier, 0) + ticket.tokens
        self.waiting, self.tokens = self.waiting + 1, self.tokens + ticket.tokens

    def _take(self, ticket: Ticket) -> None:
        ticket.place = "outside"
        queue = self._tiers[ticket.tier]
        del queue[ticket]
        self._tier_tokens[ticket.tier] -= ticket.tokens
        self.waiting, self.tokens = self.waiting - 1, self.tokens - ticket.tokens
        if not queue:
            del self._tiers[ticket.tier], self._tier_tokens[ticket.tier]

    def _up_to(self, tier: int) -> list[int]:
        return [each for each in self._tiers if each <= tier]


def _fits(waiting: int, total: int, *, requests: int | None, tokens: int | None) -> bool:
    """Whether one more may wait beside so many, all of them with so many tokens; a prompt alone may have any number."""
    return (requests is None or waiting < requests) and (tokens is None or not waiting or total <= tokens)
