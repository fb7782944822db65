"""How a request proves who sends it; the values of secrets live here, while a pull lasts."""

from __future__ import annotations

from typing import Any

import httpx2

from seekloop.data.pulls import BasicAuth, BearerAuth, HeaderAuth, NoAuth, OauthAuth
from seekloop.system import secrets
from seekloop.system.clock import Clock
from seekloop.system.errors import DataError

__all__ = ["Credentials"]

_margin_s = 30.0
_unauthorised = (400, 401, 403)


class Credentials:
    """Headers that prove who sends a request.

    Args:
        spec: the way, with secrets by name.
        client: to ask for tokens.
        clock: tells when a token has run out.
        shown: how errors name the source.
    """

    def __init__(
        self,
        spec: NoAuth | BearerAuth | BasicAuth | HeaderAuth | OauthAuth,
        *,
        client: httpx2.Client,
        clock: Clock,
        shown: str,
    ) -> None:
        self._spec = spec
        self._client = client
        self._clock = clock
        self._shown = shown
        self._token: str | None = None
        self._good_until = 0.0

    @property
    def can_refresh(self) -> bool:
        """Whether a refused token may be replaced by another one."""
        return isinstance(self._spec, OauthAuth)

    def refuse(self) -> None:
        """The token in use was refused: the next request asks for another one."""
        self._token = None

    def headers(self) -> dict[str, str]:
        """The headers of the next request.

        Raises:
            DataError: the token server refuses, or answers with no token.
            TransportError: it cannot be reached; of httpx2.
        """
        spec = self._spec
        if isinstance(spec, BearerAuth):
            return {"Authorization": f"Bearer {secrets.fill(spec.token)}"}
        if isinstance(spec, BasicAuth):
            return {"Authorization": _basic(spec.user, spec.password)}
        if isinstance(spec, HeaderAuth):
            return {spec.name: secrets.fill(spec.value)}
        if isinstance(spec, OauthAuth):
            if self._token is None or self._clock.monotonic() >= self._good_until:
                self._renew(spec)
            return {"Authorization": f"Bearer {self._token}"}
        return {}

    def _renew(self, spec: OauthAuth) -> None:
        form = {"grant_type": "client_credentials"} | ({"scope": spec.scope} if spec.scope else {})
        headers = {"Accept": "application/json"}
        if spec.send == "basic":
            headers["Authorization"] = _basic(spec.client_id, spec.client_secret)
        else:
            form |= {"client_id": secrets.fill(spec.client_id), "client_secret": secrets.fill(spec.client_secret)}
        response = self._client.post(secrets.fill(spec.token_url), data=form, headers=headers)
        if response.status_code in _unauthorised:
            raise DataError("data.rest_refused", status=response.status_code, where=f"{self._shown} (token)")
        response.raise_for_status()
        answer = _object(response)
        if not isinstance(answer.get("access_token"), str):
            raise DataError("data.rest_no_token", where=f"{self._shown} (token)")
        self._token = answer["access_token"]
        lasts = float(answer.get("expires_in") or 3600)
        self._good_until = self._clock.monotonic() + max(lasts - _margin_s, lasts / 2)


def _basic(user: str, password: str) -> str:
    request = httpx2.Request("GET", "http://localhost")
    flow = httpx2.BasicAuth(secrets.fill(user), secrets.fill(password)).auth_flow(request)
    return str(next(flow).headers["Authorization"])


def _object(response: httpx2.Response) -> dict[str, Any]:
    try:
        value = response.json()
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
