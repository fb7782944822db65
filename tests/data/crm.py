"""A ticket system on this machine: a real HTTP server that pages, wants credentials, and fails as it is told to."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Reply:
    """An answer to be given instead of the right one."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    """Whether the connection ends in the middle of the body."""


@dataclass
class Crm:
    """Tickets, how they are given, and what went wrong on the way."""

    url: str = ""
    tickets: list[dict[str, Any]] = field(default_factory=list)
    faults: dict[int, Reply] = field(default_factory=dict)
    """Number of the request, from one -> what is answered instead."""
    asked: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)
    """Path, query and headers of every request but those for tokens."""
    tokens: int = 0
    """How many tokens were given."""
    good_tokens: set[str] = field(default_factory=set)
    before: Callable[[int], None] = lambda number: None
    """Called before each request is answered."""

    def answer(self, path: str, query: dict[str, str]) -> Reply:
        """The right answer, by path."""
        if "updated_since" in query:
            tickets = [ticket for ticket in self.tickets if ticket["updated_at"] >= query["updated_since"]]
        else:
            tickets = self.tickets
        size = int(query.get("limit", query.get("per_page", "2")))
        at = {
            "/pages": (int(query.get("page", "1")) - 1) * size,
            "/offset": int(query.get("offset", "0")),
            "/clamped": min((int(query.get("page", "1")) - 1) * size, (len(tickets) - 1) // size * size),
        }.get(path, int(query.get("cursor", query.get("at", "0"))))
        page = tickets[at : at + size]
        more = at + size < len(tickets)
        body: dict[str, Any] = {"data": {"items": page}, "meta": {"more": more, "next": str(at + size)}}
        body["meta"]["url"] = f"{path}?at={at + size}" if more else None
        headers = {"Link": f'<{self.url}/links?at={at + size}>; rel="next"'} if path == "/links" and more else {}
        if path == "/loop":
            body["meta"] = {"more": True, "next": str((at + size) % len(tickets))}
        return Reply(body=json.dumps(body, ensure_ascii=False).encode(), headers=headers)


def _handler(crm: Crm) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            crm.tokens += 1
            token = f"token-{crm.tokens}"
            crm.good_tokens = {token}
            self._send(Reply(body=json.dumps({"access_token": token, "expires_in": 3600}).encode()))

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = dict(parse_qsl(parts.query))
            crm.asked.append((parts.path, query, dict(self.headers)))
            crm.before(len(crm.asked))
            reply = crm.faults.pop(len(crm.asked), None) or crm.answer(parts.path, query)
            wanted = {f"Bearer {token}" for token in crm.good_tokens}
            if wanted and self.headers.get("Authorization") not in wanted:
                reply = Reply(status=401)
            self._send(reply)

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body[: len(reply.body) // 2] if reply.cut else reply.body)
            self.close_connection = True

    return Handler


@contextlib.contextmanager
def serve(tickets: list[dict[str, Any]]) -> Iterator[Crm]:
    """The server, for the block."""
    crm = Crm(tickets=tickets)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(crm))
    crm.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield crm
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
