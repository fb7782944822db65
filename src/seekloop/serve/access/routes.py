"""Who may ask which route: one table. What is not in it does not exist for anybody."""

from __future__ import annotations

import re
from collections.abc import Mapping

from seekloop.serve.caller import Role

__all__ = ["OPEN", "ROUTES", "methods_of"]

OPEN = frozenset({"/livez", "/readyz"})
"""Paths that anybody may ask, since whoever keeps processes running has no key; they say nothing of what is served."""

ROUTES: Mapping[str, Mapping[str, Role]] = {
    "/openapi.json": {"GET": Role.VIEWER},
    "/v1/models": {"GET": Role.VIEWER},
    "/v1/models/{name}": {"GET": Role.VIEWER},
    "/v1/releases": {"GET": Role.VIEWER},
    "/v1/keys/self": {"GET": Role.VIEWER},
    "/v1/rollouts": {"GET": Role.VIEWER, "POST": Role.OPERATOR},
    "/v1/rollouts/{identity}": {"GET": Role.VIEWER},
    "/v1/rollouts/{identity}/step": {"POST": Role.OPERATOR},
    "/v1/rollouts/{identity}/abort": {"POST": Role.OPERATOR},
    "/v1/approvals": {"GET": Role.REVIEWER},
    "/v1/approvals/{candidate}": {"POST": Role.OPERATOR},
    "/v1/safety": {"GET": Role.OPERATOR},
    "/metrics": {"GET": Role.VIEWER},
    "/v1/chat/completions": {"POST": Role.USER},
    "/v1/completions": {"POST": Role.USER},
    "/v1/embeddings": {"POST": Role.USER},
    "/v1/feedback": {"POST": Role.USER},
    "/v1/ratings": {"POST": Role.USER},
    "/v1/feedback/batch": {"POST": Role.USER},
    "/v1/consent": {"POST": Role.USER},
    "/v1/answers/{identity}/lineage": {"GET": Role.REVIEWER},
    "/v1/keys": {"GET": Role.ADMIN},
    "/v1/keys/{name}/revoke": {"POST": Role.ADMIN},
}
"""Path, as the router has it -> method -> the least role."""

_none: Mapping[str, Role] = {}
_with_names = [
    (re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))), methods)
    for path, methods in ROUTES.items()
    if "{" in path
]


def methods_of(path: str) -> Mapping[str, Role]:
    """Method -> least role of what is listed for a path; empty: there is no such route."""
    exact = ROUTES.get(path)
    if exact is not None and "{" not in path:
        return exact
    return next((methods for pattern, methods in _with_names if pattern.fullmatch(path)), _none)
