"""A teacher or judge on a real socket of this machine: answers by a script, and has the faults of real ones."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Script = Callable[[dict[str, Any], int], Any]
"""Takes a request and how many came before it; gives the answer's text, or a fault (see `Stub`)."""


class Stub:
    """What came in, and where to send requests.

    A script gives a text; a `dict` merged into the completion; an `int`, an HTTP status; a pair of status and headers;
    `"DROP"`, which closes the connection half-way; `"TORN"`, half of a JSON document; `"HANG"`, no answer in time.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.most_at_once = 0
        self.url = ""
        self.release = threading.Event()
        self._now = 0
        self._lock = threading.Lock()

    @property
    def repeated(self) -> int:
        """Requests that were sent more than once."""
        seen = Counter(json.dumps(one, sort_keys=True) for one in self.requests)
        return sum(count - 1 for count in seen.values())

    def enter(self, body: dict[str, Any], headers: dict[str, str]) -> int:
        with self._lock:
            self.requests.append(body)
            self.headers.append(headers)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            return len(self.requests) - 1

    def leave(self) -> None:
        with self._lock:
            self._now -= 1


@contextmanager
def serving(script: Script) -> Iterator[Stub]:
    """A stub that listens while the block runs."""
    stub = Stub(script)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            number = stub.enter(body, dict(self.headers))
            try:
                self.reply(stub.script(body, number))
            finally:
                stub.leave()

        def reply(self, answer: Any) -> None:
            status, headers = answer if isinstance(answer, tuple) else (answer if isinstance(answer, int) else 200, {})
            if answer == "HANG":
                stub.release.wait(10)
                self.close_connection = True
                return
            if status != 200:
                self.send(status, {"error": {"message": f"stub says {status}"}}, headers)
            else:
                self.send(200, completion(answer), headers, part=answer if answer in ("DROP", "TORN") else "")

        def send(self, status: int, value: object, headers: dict[str, str], part: object = "") -> None:
            data = json.dumps(value).encode()
            sent = data[: len(data) // 2] if part else data
            self.send_response(status)
            for name, text in headers.items():
                self.send_header(name, text)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data) if part == "DROP" else len(sent)))
            self.end_headers()
            self.wfile.write(sent)
            self.close_connection = part == "DROP"

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    stub.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield stub
    finally:
        stub.release.set()
        server.shutdown()
        thread.join()
        server.server_close()


def completion(answer: Any) -> dict[str, Any]:
    """A chat completion that says `answer`."""
    if isinstance(answer, dict):
        return {**completion(answer.pop("text", "")), **answer}
    return {
        "id": "x",
        "object": "chat.completion",
        "model": "stub-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }


def asked_about(body: dict[str, Any]) -> str:
    """The message that a prompt of ours is about."""
    found = re.search(r"(?:Message|消息)[:：] (.*)", body["messages"][1]["content"])
    return found[1] if found else ""
