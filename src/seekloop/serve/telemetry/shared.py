"""Figures of several processes behind one address: each leaves its own in a folder, and any of them tells all."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from seekloop.serve.telemetry.figures import Figure, Gauge, Spread, Tally

__all__ = ["Shared", "added", "snapshot"]

_every_s = 1.0
_alive_s = 5.0
"""A file that is older is of a process that has ended: what it counted still counts, what it saw last does not."""
_forgotten_s = 7 * 86_400.0
Snapshot = Mapping[str, Mapping[str, Any]]


class Shared:
    """The figures of this process and of those beside it.

    Args:
        read: gives this process's own.
        folder: where processes leave theirs; None: this one is alone.
    """

    def __init__(self, read: Callable[[], Iterable[Figure]], *, folder: Path | None) -> None:
        self._read = read
        self._folder = folder
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}.json"

    def together(self) -> list[Figure]:
        """The figures of all; those of the others are up to a second old."""
        own = list(self._read())
        if self._folder is None:
            return own
        return added(own, self._others())

    @contextlib.asynccontextmanager
    async def leaving(self) -> AsyncIterator[None]:
        """Inside, this process's figures are left for the others, every second and once more at the end."""
        if self._folder is None:
            yield
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        task = asyncio.create_task(self._leave_always(self._folder))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})
            self._leave(self._folder)

    async def _leave_always(self, folder: Path) -> None:
        while True:
            self._leave(folder)
            await asyncio.sleep(_every_s)

    def _leave(self, folder: Path) -> None:
        # Not synced: after a power cut there is nothing that these would be added to.
        draft = folder / f".{self._name}"
        draft.write_bytes(json.dumps(snapshot(self._read())).encode())
        draft.replace(folder / self._name)

    def _others(self) -> list[tuple[Snapshot, bool]]:
        """What the others left, and whether each still runs."""
        found, now = [], time.time()
        for path in sorted(self._folder.glob("[0-9]*.json")) if self._folder else ():
            if path.name == self._name:
                continue
            try:
                age, text = now - path.stat().st_mtime, path.read_bytes()
            except FileNotFoundError:
                continue  # swept by another
            if age > _forgotten_s:
                path.unlink(missing_ok=True)
            else:
                found.append((json.loads(text), age < _alive_s))
        return found


def snapshot(figures: Iterable[Figure]) -> dict[str, dict[str, Any]]:
    """Figures as plain values."""
    return {
        one.name: {"counts": one.counts, "total": one.total}
        if isinstance(one, Spread)
        else {"values": [[list(labels), value] for labels, value in one.values.items()]}
        for one in figures
    }


def added(own: Iterable[Figure], others: Sequence[tuple[Snapshot, bool]]) -> list[Figure]:
    """Own figures and those of others in one.

    Args:
        own: of this process.
        others: what each other left, and whether it still runs; gauges of those that do not are left out.
    """
    return [_added(figure, others) for figure in own]


def _added(figure: Figure, others: Sequence[tuple[Snapshot, bool]]) -> Figure:
    known = [(other[figure.name], alive) for other, alive in others if figure.name in other]
    if isinstance(figure, Spread):
        whole = Spread(figure.name, figure.text, bounds=figure.bounds)
        # Other bounds are of another version of ours; they cannot be added up.
        rows = [one for one, _ in known if len(one["counts"]) == len(figure.counts)]
        whole.counts = [sum(column) for column in zip(figure.counts, *(one["counts"] for one in rows), strict=True)]
        whole.total = figure.total + sum(one["total"] for one in rows)
        return whole
    if isinstance(figure, Tally):
        tally = Tally(figure.name, figure.text, labels=figure.labels, most=2 * len(figure.values) + 1000)
        for labels, value in [*figure.values.items(), *(pair for one, _ in known for pair in _pairs(one))]:
            tally.add(*labels, by=value)
        return tally
    values: dict[tuple[str, ...], list[float]] = {labels: [value] for labels, value in figure.values.items()}
    for labels, value in (pair for one, alive in known if alive for pair in _pairs(one)):
        values.setdefault(labels, []).append(value)
    joins: dict[str, Callable[[Iterable[float]], float]] = {"sum": sum, "max": max, "min": min}
    join = joins[figure.together]
    return Gauge(
        name=figure.name,
        text=figure.text,
        labels=figure.labels,
        together=figure.together,
        values={labels: float(join(each)) for labels, each in values.items()},
    )


def _pairs(one: Mapping[str, Any]) -> list[tuple[tuple[str, ...], float]]:
    return [(tuple(labels), float(value)) for labels, value in one["values"]]
