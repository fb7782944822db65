"""An OpenAI-compatible endpoint on a real socket that answers by a script, faults included."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Reply", "chat", "endpoint"]

Reply = tuple[int, dict[str, Any] | str, dict[str, str]]
"""Status, body (text as it stands), headers."""


def chat(text: str, *, fingerprint: str = "fp_1", finish: str = "stop", usage: bool = True) -> Reply:
    """A chat completion that says `text`."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    counts = {"usage": {"prompt_tokens": 7, "completion_tokens": 3}} if usage else {}
    return 200, {"model": "m", "choices": [choice], "system_fingerprint": fingerprint, **counts}, {}


@contextlib.contextmanager
def endpoint(answer: Callable[[str, dict[str, Any], int], Reply]) -> Iterator[str]:
    """The address of an endpoint up to `/v1`; `answer` is given the path, the request, and how often it came before."""
    seen: dict[str, int] = {}
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                tries = seen[body.decode()] = seen.get(body.decode(), -1) + 1
            status, said, headers = answer(self.path, json.loads(body), tries)
            text = said if isinstance(said, str) else json.dumps(said)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(text.encode()))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
