"""Bearer tokens of an identity provider: JWTs (RFC 7519) with RS256 or ES256, checked against its published keys.

Nothing a token says of how it is to be checked is believed beyond the name of its key: the algorithm is one of these
two and must be the key's own, and `iss`, `aud`, `exp` and `sub` must be there and right.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import urllib.parse
from collections.abc import Mapping
from typing import Any

import httpx2

from seekloop.serve.access.options import OidcOptions
from seekloop.serve.caller import Caller, Role
from seekloop.serve.limits import Limits
from seekloop.system.clock import Clock
from seekloop.system.errors import EngineError, UsageError
from seekloop.system.lazy import need

__all__ = ["Issuer", "looks_like_token"]

_algorithms = {"RS256": "RSA", "ES256": "EC"}
_timeout_s = 5.0
_again_s = 5.0
"""Between two looks for a key that the provider has not published: tokens with made-up key names cost it nothing."""
_largest = 1 << 20
_longest, _longest_subject = 16_384, 255


class Issuer:
    """One identity provider. Used from one event loop.

    Args:
        options: who it is and what its claims mean here.
        clock: when its keys are fetched again.

    Raises:
        UsageError: its address is neither https nor this machine, or a limit is no limit.
        MissingPackage: pyjwt is not installed.
    """

    def __init__(self, options: OidcOptions, *, clock: Clock) -> None:
        need("cryptography", extra="serve")
        self._jwt = need("jwt", extra="serve")
        self._options = options
        self._clock = clock
        self._limits = Limits.parse(rate=options.rate, tokens=options.tokens, cost=options.cost)
        self._keys: dict[str, Any] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._problem = ""
        self._fetching = asyncio.Lock()
        self._logger = logging.getLogger("seekloop.serve")
        for url in (options.issuer, options.jwks_url or options.issuer):
            _check_url(url)

    async def caller(self, token: str) -> tuple[Caller, float]:
        """Who a token speaks for, and when it expires, in seconds since 1970.

        Raises:
            UsageError: it is not a token of this provider for us, has expired, or gives no role here.
            EngineError: the provider's keys cannot be fetched.
        """
        claims = self._claims(token, key=await self._key(self._header(token)))
        options = self._options
        names = _texts(_claim(claims, options.role_claim))
        roles = [options.roles[name] for name in names if name in options.roles]
        subject = claims["sub"]
        if not 0 < len(subject) <= _longest_subject or not subject.isprintable():
            raise UsageError("access.token_refused", reason="its subject is no name")
        name = f"oidc:{subject}"
        if not roles:
            raise UsageError("access.token_no_role", name=name, claim=options.role_claim, issuer=options.issuer)
        best = max(roles, key=[*Role].index)
        tenant = options.tenant if options.tenant_claim is None else _claim(claims, options.tenant_claim)
        if not isinstance(tenant, str) or not tenant:
            raise UsageError("access.token_refused", reason=f"the claim {options.tenant_claim} names no tenant")
        caller = Caller(name=name, tenant=tenant, role=best, tier=options.tier, limits=self._limits, key=name)
        return caller, float(claims["exp"])

    def _header(self, token: str) -> Mapping[str, Any]:
        if len(token) > _longest:
            raise UsageError("access.token_refused", reason="it is too long")
        try:
            header: Mapping[str, Any] = self._jwt.get_unverified_header(token)
        except self._jwt.PyJWTError as error:
            raise UsageError("access.token_refused", reason=str(error)) from error
        if header.get("alg") not in _algorithms:
            raise UsageError("access.token_refused", reason=f"it is signed with {header.get('alg')}")
        return header

    def _claims(self, token: str, *, key: Any) -> Mapping[str, Any]:
        options = self._options
        try:
            claims: Mapping[str, Any] = self._jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=options.audience,
                issuer=options.issuer,
                leeway=options.leeway_s,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except self._jwt.PyJWTError as error:
            raise UsageError("access.token_refused", reason=str(error)) from error
        return claims

    async def _key(self, header: Mapping[str, Any]) -> Any:
        """The provider's public key that a token names, of the kind that its algorithm needs."""
        now = self._clock.monotonic()
        name = header.get("kid")
        if now - self._fetched_at > self._options.keys_s or self._named(name) is None:
            await self._fetch_unless_tried()
        # Keys that were good a moment ago still are: a provider that is down for a minute locks nobody out.
        if self._clock.monotonic() - self._fetched_at > 10 * self._options.keys_s:
            raise EngineError("access.issuer_silent", issuer=self._options.issuer, reason=self._problem)
        key = self._named(name)
        if key is None:
            raise UsageError("access.token_refused", reason=f"{self._options.issuer} has no key {name}")
        if key.algorithm_name != header["alg"]:
            raise UsageError("access.token_refused", reason=f"its key is not for {header['alg']}")
        return key

    def _named(self, name: object) -> Any:
        if name is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(name) if isinstance(name, str) else None

    async def _fetch_unless_tried(self) -> None:
        async with self._fetching:
            if self._clock.monotonic() - self._tried_at < _again_s:
                return
            self._tried_at = self._clock.monotonic()
            try:
                self._keys = self._usable(await self._published())
                self._fetched_at = self._clock.monotonic()
            except (httpx2.HTTPError, ValueError, KeyError, TypeError) as error:
                self._problem = f"{type(error).__name__}: {error}"
                self._logger.error("the keys of %s cannot be fetched", self._options.issuer, exc_info=error)

    async def _published(self) -> list[Mapping[str, Any]]:
        async with httpx2.AsyncClient(timeout=_timeout_s, follow_redirects=False) as client:
            url = self._options.jwks_url
            if url is None:
                place = f"{self._options.issuer.rstrip('/')}/.well-known/openid-configuration"
                found = await _json(client, place)
                if found["issuer"] != self._options.issuer:
                    raise ValueError(f"it calls itself {found['issuer']}")
                url = str(found["jwks_uri"])
                _check_url(url)
            keys: list[Mapping[str, Any]] = (await _json(client, url))["keys"]
            return keys

    def _usable(self, published: list[Mapping[str, Any]]) -> dict[str, Any]:
        """Name -> key of those that sign in a way that we take."""
        found = {}
        for number, given in enumerate(published):
            kinds = [name for name, kind in _algorithms.items() if kind == given.get("kty")]
            fits = given.get("use", "sig") == "sig" and given.get("alg", *kinds) in kinds if kinds else False
            if not fits or given.get("crv", "P-256") != "P-256":
                continue
            try:
                found[str(given.get("kid", number))] = self._jwt.PyJWK(dict(given), algorithm=kinds[0])
            except self._jwt.PyJWTError as error:
                self._logger.warning("a key of %s is none: %s", self._options.issuer, error)
        return found


def looks_like_token(text: str) -> bool:
    """Whether a bearer text has the form of a JWT."""
    return text.count(".") == 2 and text.startswith("ey")


def _check_url(url: str) -> None:
    parts = urllib.parse.urlsplit(url)
    try:
        here = parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        here = False
    if parts.scheme != "https" and not (parts.scheme == "http" and here):
        raise UsageError("access.issuer_url", url=url)


async def _json(client: httpx2.AsyncClient, url: str) -> Mapping[str, Any]:
    response = await client.get(url)
    response.raise_for_status()
    if len(response.content) > _largest:
        raise ValueError(f"{url} is larger than {_largest} bytes")
    found: Mapping[str, Any] = json.loads(response.content)
    return found


def _claim(claims: Mapping[str, Any], path: str) -> Any:
    if path in claims:
        return claims[path]
    value: Any = claims
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _texts(value: Any) -> list[str]:
    """The names in a claim: a list, or one text with spaces between them."""
    if isinstance(value, str):
        return value.split()
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
