"""The headers of a request as a plain mapping, made once: each look through ASGI's list costs as much as making it."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import Scope

__all__ = ["heads_of"]


def heads_of(scope: Scope) -> Mapping[str, str]:
    """Name, in lower case -> value; of a header that comes twice, the first."""
    state = scope.setdefault("state", {})
    found: dict[str, str] | None = state.get("heads")
    if found is None:
        sent = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        found = state["heads"] = dict(reversed(sent))
    return found
