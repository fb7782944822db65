"""`GET /metrics`: the gateway's figures in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from fastapi import APIRouter
from starlette.responses import Response

from seekloop import __version__
from seekloop.serve.gateway import Gateway
from seekloop.serve.telemetry.exposition import Exposition
from seekloop.serve.telemetry.figures import Figure, Gauge, Tally
from seekloop.serve.telemetry.shared import Shared
from seekloop.system import digests

__all__ = ["figures_of", "metrics_routes"]


def figures_of(gateway: Gateway) -> Shared:
    """The figures of a gateway, and of the processes beside it."""
    return Shared(lambda: _read(gateway), folder=gateway.options.telemetry.share)


def metrics_routes(figures: Shared, *, alias: str) -> APIRouter:
    """The route that a scraper asks, with a key like everybody else.

    Args:
        figures: what is told.
        alias: value of the label `model_name` of figures under vLLM's names.
    """
    router = APIRouter()
    shown = Exposition(figures.together, model=alias)

    @router.get("/metrics")
    async def metrics() -> Response:
        """Every figure of this process, or of all that share its address."""
        return Response(shown.text(), headers={"content-type": shown.content_type})

    return router


def _read(gateway: Gateway) -> Iterator[Figure]:
    """What was counted, and what is looked at when somebody asks."""
    yield from gateway.meters.spreads
    yield from gateway.meters.tallies
    pool, recorder, cache = gateway.pool, gateway.recorder, gateway.cache
    entries, size = cache.size()
    waiting = float(gateway.admission.waiting)
    yield _gauge("vllm:num_requests_running", "Requests that an engine works on.", value=gateway.running)
    yield _gauge("vllm:num_requests_waiting", "Requests that wait for an engine.", value=waiting)
    yield _count(
        "vllm:num_preemptions",
        "Streams that were given to a higher tier.",
        values={(): float(gateway.admission.sent_back)},
    )
    yield _gauge("seekloop:ready", "Whether a request would be answered now.", together="min", value=gateway.ready)
    yield _gauge(
        "seekloop:recorder_failing",
        "Whether the newest rows could not be written.",
        together="max",
        value=recorder.failing,
    )
    yield _gauge("seekloop:recorder_waiting", "Answers that wait for their row.", value=recorder.waiting)
    yield _count("seekloop:rows_recorded", "Rows written to the ledger.", values={(): float(recorder.written)})
    yield _gauge("seekloop:cache_entries", "Answers kept, as far as this process knows.", value=entries)
    yield _gauge("seekloop:cache_bytes", "What they take.", value=size)
    yield _gauge(
        "seekloop:cache_unknown", "Whether the ledger does not say what was erased.", together="max", value=cache.blind
    )
    yield _count(
        "seekloop:cache_failures", "Times that file or server of the cache failed.", values={(): float(cache.failures)}
    )
    looks: dict[tuple[str, ...], float] = {(outcome,): float(count) for outcome, count in cache.counts.items()}
    yield _count("seekloop:cache_looks", "Looks into the cache, by outcome.", values=looks, labels=("outcome",))
    version: dict[tuple[str, ...], float] = {(__version__,): 1.0}
    yield Gauge(
        name="seekloop:build_info", text="The version of seekloop.", labels=("version",), values=version, together="max"
    )
    yield _releases(gateway)
    yield _gauge(
        "seekloop:alias_version",
        "Moves of the alias that are in effect.",
        together="min",
        value=pool.alias.version if pool.alias else 0,
    )
    yield _gauge(
        "seekloop:alias_stuck",
        "Whether the newest move of the alias is not in effect.",
        together="max",
        value=pool.problem is not None,
    )


def _releases(gateway: Gateway) -> Gauge:
    pool = gateway.pool
    labels = ("alias", "state", "release", "checkpoint", "engine")
    values: dict[tuple[str, ...], float] = {}
    for state, worker in (("serving", pool.serving), ("previous", pool.previous)):
        if worker is not None:
            release, checkpoint = digests.short(worker.release.id), digests.short(worker.release.checkpoint)
            values[gateway.options.alias, state, release, checkpoint, worker.engine or "none"] = float(worker.alive)
    text = "Releases that are open; 1 where the engine lives."
    return Gauge(name="seekloop:release_info", text=text, labels=labels, values=values, together="min")


def _gauge(name: str, text: str, *, value: float, together: Literal["sum", "max", "min"] = "sum") -> Gauge:
    return Gauge(name=name, text=text, values={(): float(value)}, together=together)


def _count(name: str, text: str, *, values: dict[tuple[str, ...], float], labels: tuple[str, ...] = ()) -> Tally:
    tally = Tally(name, text, labels=labels)
    for label, value in values.items():
        tally.add(*label, by=value)
    return tally
