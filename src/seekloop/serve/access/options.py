"""The dials of access: how keys are remembered, what tokens cost, who else issues identities, and TLS."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from seekloop.serve.caller import Role
from seekloop.system.spec import Spec

__all__ = ["AccessOptions", "OidcOptions"]


class OidcOptions(Spec):
    """An identity provider whose tokens are taken beside our own keys."""

    issuer: str
    """Its URL, as its tokens say in `iss`; https, or a loopback address."""
    audience: str
    """What its tokens must say in `aud`."""
    jwks_url: str | None = None
    """Where its public keys are; None: where its discovery document says."""
    role_claim: str = "roles"
    """Claim that holds a name or several; a dot goes into an object: `realm_access.roles`."""
    roles: dict[str, Role] = Field(default_factory=dict)
    """Name in that claim -> role here; of several, the one that may most. Whoever has none is refused."""
    tenant_claim: str | None = None
    """Claim that names the tenant; None: everybody is of `tenant`."""
    tenant: str = "local"
    """Tenant of everybody, where no claim names it."""
    tier: int = Field(default=1, ge=0)
    """Whose requests go first; 0 is the highest."""
    rate: str | None = None
    """Requests that each of them may make: 60/min."""
    tokens: tuple[str, ...] = ()
    """Tokens that each of them may use: 1e6/day."""
    cost: tuple[str, ...] = ()
    """Money that each of them may use: 5/day."""
    leeway_s: float = Field(default=30.0, ge=0, le=300)
    """How far clocks may be apart."""
    keys_s: float = Field(default=300.0, ge=10)
    """How long its public keys are kept before they are fetched again."""


class AccessOptions(Spec):
    """Keys, prices and the way in."""

    remember_s: float = Field(default=300.0, gt=0)
    """How long a key that was verified is known without verifying it again; a revocation counts at once."""
    verifiers: int = Field(default=2, ge=1, le=64)
    """Keys verified at the same time; each takes 19 MiB for as long as that lasts."""
    max_body_kib: int = Field(default=4096, ge=1)
    """Largest request body."""
    poll_s: float = Field(default=0.4, gt=0, le=1)
    """How often new and revoked keys, and what other processes let keys use, are read."""
    prompt_price: float = Field(default=0.0, ge=0, le=1e6)
    """What 1,000 tokens of a prompt cost."""
    cached_prompt_price: float | None = Field(default=None, ge=0, le=1e6)
    """What 1,000 of them cost that an upstream says it had read before; None: as all others."""
    completion_price: float = Field(default=0.0, ge=0, le=1e6)
    """What 1,000 tokens of an answer cost."""
    oidc: OidcOptions | None = None
    """An identity provider whose tokens are taken; None: only our own keys."""
    tls_cert: str | None = None
    """File of the certificate and its chain (PEM); None: no TLS."""
    tls_key: str | None = None
    """File of its private key (PEM)."""
    behind_proxy: bool = False
    """Something in front does TLS: listen on other addresses than this machine's own without it."""

    @model_validator(mode="after")
    def _cached_is_no_dearer(self) -> Self:
        # What a request may cost is held before anybody knows how much of it was read before.
        if self.cached_prompt_price is not None and self.cached_prompt_price > self.prompt_price:
            raise ValueError("cached_prompt_price must not be above prompt_price")
        return self

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key go together")
        return self
