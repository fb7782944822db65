"""The verb `top`: reads `/metrics` and `/v1/releases` of a gateway, and shows what they say."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from seekloop.app.console import print_json
from seekloop.serve.keys import FILE, local_key
from seekloop.serve.place import Place
from seekloop.serve.telemetry.reading import Scrape, parse
from seekloop.system import digests
from seekloop.system.errors import EngineError, UsageError
from seekloop.system.secrets import fill

__all__ = ["figures", "shown", "top"]

_latencies = {
    "first_token_s": "vllm:time_to_first_token_seconds",
    "between_tokens_s": "vllm:inter_token_latency_seconds",
    "whole_answer_s": "vllm:e2e_request_latency_seconds",
    "queue_s": "vllm:request_queue_time_seconds",
    "cached_answer_s": "seekloop:cached_request_latency_seconds",
}
_shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True)
class _Look:
    at: float
    scrape: Scrape
    releases: Mapping[str, Any]


def top(*, folder: Path, url: str | None, key: str | None, every: float, once: bool, as_json: bool) -> None:
    """Show a gateway, again and again until interrupted, or once.

    Raises:
        EngineError: no gateway answers there, or it does not know the key.
        UsageError: the key's variable is not set, or the project's key is not private.
    """
    place = Place(folder)
    address = url or _address(place)
    bearer = fill(key) if key is not None else _own_key(place)
    with httpx2.Client(base_url=address, timeout=10.0, headers={"Authorization": f"Bearer {bearer}"}) as client:
        look = _look(client, address)
        if as_json:
            print_json({"url": address, **figures(look.scrape, releases=look.releases)})
        elif once:
            Console().print(shown(address, figures(look.scrape, releases=look.releases)))
        else:
            _watch(client, look, address=address, every=every)


def _watch(client: httpx2.Client, look: _Look, *, address: str, every: float) -> None:
    told = figures(look.scrape, releases=look.releases)
    with Live(shown(address, told), console=Console(), screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(every)
            try:
                before, look = look, _look(client, address)
            except EngineError as error:
                live.update(Text(str(error), style="red"), refresh=True)
                continue
            told = figures(look.scrape, releases=look.releases, before=before.scrape, seconds=look.at - before.at)
            live.update(shown(address, told), refresh=True)


def figures(
    scrape: Scrape, *, releases: Mapping[str, Any], before: Scrape | None = None, seconds: float | None = None
) -> dict[str, Any]:
    """What is shown: of the time since `before` where it is given, else of all since the gateway's start.

    Args:
        scrape: the newest.
        releases: what `GET /v1/releases` says.
        before: the scrape before it.
        seconds: between the two; None: no rates.
    """
    new = scrape if before is None else scrape.since(before)
    looks = new.by("seekloop:cache_looks_total", "outcome")
    found = sum(looks.get(outcome, 0.0) for outcome in ("hit", "joined", "similar"))
    asked = found + looks.get("miss", 0.0)
    counts = {
        "answers": new.total("seekloop:answers_total"),
        "prompt_tokens": new.total("vllm:prompt_tokens_total"),
        "generated_tokens": new.total("vllm:generation_tokens_total"),
        "rows": new.total("seekloop:rows_recorded_total"),
    }
    return {
        "ready": bool(scrape.total("seekloop:ready")),
        "releases": {state: releases.get(state) for state in ("serving", "previous")},
        "alias": releases.get("alias"),
        "version": releases.get("version"),
        "problem": releases.get("problem"),
        "running": int(scrape.total("vllm:num_requests_running")),
        "waiting": int(scrape.total("vllm:num_requests_waiting")),
        "recorder_failing": bool(scrape.total("seekloop:recorder_failing")),
        "seconds": seconds,
        "counts": {name: int(value) for name, value in counts.items()},
        "cache_hit_share": found / asked if asked else None,
        "finished": _whole(new.by("seekloop:answers_total", "finish_reason")),
        "refusals": _whole(new.by("seekloop:refusals_total", "code")),
        "latency": {
            name: {share: new.quantile(metric, value) for share, value in _shares.items()}
            for name, metric in _latencies.items()
        },
    }


def shown(address: str, told: Mapping[str, Any]) -> Group:
    """The figures for a terminal."""
    return Group(_head(address, told), _rates(told), _times(told), _ends(told))


def _head(address: str, told: Mapping[str, Any]) -> Text:
    state = Text("ready" if told["ready"] else "not ready", style="bold green" if told["ready"] else "bold red")
    text = Text.assemble(f"{address}  ", state, f"  {told['alias']} version {told['version']}")
    for name, release in told["releases"].items():
        if release is not None:
            alive = "" if release["alive"] else ", its engine is gone"
            text.append(f"\n{name}: {digests.short(release['release'])} on {release['engine']}{alive}")
    if told["problem"]:
        text.append(f"\nnot in effect: {told['problem']}", style="red")
    if told["recorder_failing"]:
        text.append("\nthe ledger refuses rows", style="bold red")
    return text


def _rates(told: Mapping[str, Any]) -> Table:
    table = Table(title=_window(told), title_justify="left", title_style="bold")
    table.add_column("running", justify="right")
    table.add_column("waiting", justify="right")
    row = [str(told["running"]), str(told["waiting"])]
    for name, count in told["counts"].items():
        table.add_column(name.replace("_", " ") + ("/s" if told["seconds"] else ""), justify="right")
        row.append(f"{count / told['seconds']:.1f}" if told["seconds"] else str(count))
    table.add_column("from cache", justify="right")
    row.append("-" if told["cache_hit_share"] is None else f"{told['cache_hit_share']:.0%}")
    table.add_row(*row)
    return table


def _window(told: Mapping[str, Any]) -> str:
    return f"the last {told['seconds']:.1f} s" if told["seconds"] else "since the start"


def _times(told: Mapping[str, Any]) -> Table:
    table = Table("ms", *_shares)
    for name, quantiles in told["latency"].items():
        cells = ["-" if value is None else f"{1000 * value:.1f}" for value in quantiles.values()]
        table.add_row(name.removesuffix("_s").replace("_", " "), *cells)
    return table


def _ends(told: Mapping[str, Any]) -> Text:
    ends = ", ".join(f"{name} {count}" for name, count in told["finished"].items()) or "none"
    refused = ", ".join(f"{name} {count}" for name, count in told["refusals"].items()) or "none"
    return Text(f"answers ended: {ends}\nrefused: {refused}")


def _whole(counts: Mapping[str, float]) -> dict[str, int]:
    return {name: int(count) for name, count in counts.items() if count}


def _own_key(place: Place) -> str:
    # A key that is made here would be nobody's.
    if not (place.state / FILE).is_file():
        raise UsageError("telemetry.no_key", folder=place.project)
    return local_key(place.state)


def _address(place: Place) -> str:
    if not place.address.is_file():
        raise EngineError("telemetry.not_running", folder=place.project)
    return str(json.loads(place.address.read_bytes())["url"])


def _look(client: httpx2.Client, address: str) -> _Look:
    try:
        metrics, releases = client.get("/metrics"), client.get("/v1/releases")
    except httpx2.TransportError as error:
        raise EngineError("telemetry.no_answer", url=address, reason=error) from error
    for response in (metrics, releases):
        if response.status_code != 200:
            raise EngineError("telemetry.refused", url=address, status=response.status_code)
    return _Look(time.monotonic(), parse(metrics.text), releases.json())
