"""Server-sent events out of bytes that break off anywhere."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["Events"]


class Events:
    """The events of one stream."""

    def __init__(self) -> None:
        self._rest = b""
        self.done = False
        """`[DONE]` came."""

    def push(self, data: bytes) -> Iterator[bytes]:
        """The data of the events that are whole now."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            if line.startswith(b"data:"):
                value = line[5:].strip()
                if value == b"[DONE]":
                    self.done = True
                elif value:
                    yield value
