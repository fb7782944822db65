"""Tokens of an identity provider, from one that really signs them and publishes its keys over HTTP."""

import asyncio
import base64
import contextlib
import datetime as dt
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from seekloop.serve.access.oidc import Issuer, looks_like_token
from seekloop.serve.access.options import AccessOptions, OidcOptions
from seekloop.serve.caller import Role
from seekloop.serve.keys import Keyring
from seekloop.serve.limits import Limits
from seekloop.system.clock import ManualClock, SystemClock
from seekloop.system.errors import EngineError, UsageError

RSA = [rsa.generate_private_key(65537, 2048) for _ in range(2)]
EC = ec.generate_private_key(ec.SECP256R1())


class Provider:
    """A small issuer: discovery document, key set, tokens."""

    def __init__(self):
        self.asked = []
        self.down = False
        self.keys = {"rsa": RSA[0], "ec": EC}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                provider.asked.append(self.path)
                body = json.dumps(provider.document(self.path)).encode()
                self.send_response(503 if provider.down else 200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=[0.01])
        self.thread.start()

    def document(self, path):
        if path.endswith("openid-configuration"):
            return {"issuer": self.url, "jwks_uri": f"{self.url}/jwks"}
        made = []
        for name, key in self.keys.items():
            kind = jwt.algorithms.RSAAlgorithm if name.startswith("rsa") else jwt.algorithms.ECAlgorithm
            made.append({**kind.to_jwk(key.public_key(), as_dict=True), "kid": name})
        return {"keys": [*made, {"kty": "oct", "kid": "shared", "k": "c2VjcmV0"}, {"kty": "RSA", "kid": "broken"}]}

    def claims(self, **changes):
        now = int(time.time())
        told = {"iss": self.url, "aud": "seekloop", "sub": "li", "exp": now + 60, "groups": ["staff", "ops"]}
        return {name: value for name, value in (told | changes).items() if value is not None}

    def token(self, *, key=RSA[0], kid="rsa", alg="RS256", **changes):
        return jwt.encode(self.claims(**changes), key, algorithm=alg, headers={"kid": kid})

    def options(self, **changes):
        roles = {"staff": Role.USER, "ops": Role.OPERATOR}
        return OidcOptions(issuer=self.url, audience="seekloop", role_claim="groups", roles=roles, **changes)

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def provider():
    with contextlib.closing(Provider()) as running:
        yield running


def caller_of(provider, *tokens, clock=None, **options):
    """The caller of the last token, after all the others."""
    issuer = Issuer(provider.options(**options), clock=clock or SystemClock())

    async def run():
        return [await issuer.caller(token) for token in tokens][-1][0]

    return asyncio.run(run())


def code_of(provider, token, **options):
    with pytest.raises((UsageError, EngineError)) as refused:
        caller_of(provider, token, **options)
    return refused.value.code


@pytest.mark.parametrize(("key", "kid", "alg"), [(RSA[0], "rsa", "RS256"), (EC, "ec", "ES256")])
def test_a_token_says_who_asks_and_what_they_may(provider, key, kid, alg):
    token = provider.token(key=key, kid=kid, alg=alg)
    caller = caller_of(provider, token, rate="5/s", tenant="bank")
    assert (caller.name, caller.role, caller.tenant) == ("oidc:li", Role.OPERATOR, "bank")
    assert (caller.limits, caller.key) == (Limits(requests=5, per_s=1), "oidc:li")
    assert provider.asked == ["/.well-known/openid-configuration", "/jwks"]


def test_a_claim_names_the_tenant_and_may_lie_in_an_object(provider):
    token = provider.token(org={"tenant": "bank-b", "roles": "x staff"}, groups=None)
    options = provider.options(tenant_claim="org.tenant").model_copy(update={"role_claim": "org.roles"})
    issuer = Issuer(options, clock=SystemClock())
    caller, _ = asyncio.run(issuer.caller(token))
    assert (caller.role, caller.tenant) == (Role.USER, "bank-b")


WRONG = {
    "another audience": {"aud": "other"},
    "no audience": {"aud": None},
    "another issuer": {"iss": "https://evil.example"},
    "no issuer": {"iss": None},
    "expired": {"exp": int(time.time()) - 3600},
    "without an end": {"exp": None},
    "not valid yet": {"nbf": int(time.time()) + 3600},
    "nobody": {"sub": None},
    "a subject that is no name": {"sub": "a\nb"},
    "a subject that is a number": {"sub": 5},
    "signed by a stranger": {"key": RSA[1]},
    "a key that nobody has": {"kid": "other"},
    "a key of another kind": {"kid": "ec"},
    "a shared secret": {"key": b"secret" * 8, "alg": "HS256", "kid": "shared"},
    "another hash": {"alg": "RS512"},
    "PSS": {"alg": "PS256"},
    "no tenant": {"org": {}},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_token_that_is_not_right_in_every_way_is_refused(provider, name):
    options = {"tenant_claim": "org.tenant"} if name == "no tenant" else {}
    assert code_of(provider, provider.token(**WRONG[name]), **options) == "access.token_refused"


def test_a_token_that_nobody_signed_is_refused(provider):
    unsigned = jwt.encode(provider.claims(), None, algorithm="none", headers={"kid": "rsa"})
    head, body, _ = provider.token().split(".")
    for token in (unsigned, f"{head}.{body}.", f"{head}.{body}.AAAA", "ey.ey.ey", "ey..", "ey" + "a" * 20_000 + ".b.c"):
        assert looks_like_token(token)
        assert code_of(provider, token) == "access.token_refused"


def test_the_public_key_is_no_shared_secret(provider):
    """The classic confusion: signed with HS256 under the text of the provider's public key."""
    public = RSA[0].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    parts = ({"alg": "HS256", "typ": "JWT", "kid": "rsa"}, provider.claims())
    signed = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    mac = base64.urlsafe_b64encode(hmac.digest(public, signed, "sha256")).rstrip(b"=")
    assert code_of(provider, (signed + b"." + mac).decode()) == "access.token_refused"


def test_whoever_is_in_no_group_that_we_know_has_no_role(provider):
    assert code_of(provider, provider.token(groups=["guests"])) == "access.token_no_role"


def test_keys_are_fetched_once_and_again_when_the_provider_has_new_ones(provider):
    clock = ManualClock()
    issuer = Issuer(provider.options(), clock=clock)

    async def run():
        for _ in range(5):
            await issuer.caller(provider.token())
        assert provider.asked.count("/jwks") == 1
        provider.keys["rsa-2"] = RSA[1]
        clock.advance(10)
        await issuer.caller(provider.token(key=RSA[1], kid="rsa-2"))
        for number in range(20):  # made-up names of keys cost the provider nothing
            with pytest.raises(UsageError):
                await issuer.caller(provider.token(kid=f"other-{number}"))
        assert provider.asked.count("/jwks") == 2

    asyncio.run(run())


def test_a_provider_that_is_down_locks_nobody_out_whose_key_is_known(provider):
    clock = ManualClock()
    issuer = Issuer(provider.options(), clock=clock)

    async def run():
        await issuer.caller(provider.token())
        provider.down = True
        clock.advance(400)
        await issuer.caller(provider.token())
        clock.advance(4000)
        with pytest.raises(EngineError) as silent:
            await issuer.caller(provider.token())
        assert silent.value.code == "access.issuer_silent"

    asyncio.run(run())


@pytest.mark.parametrize("url", ["http://sso.example.com", "ftp://x", "file:///etc/passwd", "sso.example.com"])
def test_keys_are_trusted_over_https_only(url):
    with pytest.raises(UsageError) as refused:
        Issuer(OidcOptions(issuer=url, audience="a"), clock=SystemClock())
    assert refused.value.code == "access.issuer_url"


def test_the_gateway_takes_tokens_beside_keys_and_remembers_them(world, provider):
    access = {"oidc": provider.options()}
    with world.serving(world.release("a"), access=access) as served:
        for role, wanted in ((["staff"], 200), (["guests"], 403), (["staff"], 200)):
            headers = {"Authorization": f"Bearer {provider.token(groups=role, sub=role[0])}"}
            body = {"model": "production", "messages": [{"role": "user", "content": "Hi"}]}
            told = httpx2.post(f"{served.url}/v1/chat/completions", json=body, headers=headers)
            assert told.status_code == wanted
        assert {answer.caller for answer in served.world.ctx.ledger.answers()} == {"oidc:staff"}


def test_a_remembered_token_ends_with_itself(provider):
    clock = ManualClock(dt.datetime.now(dt.UTC))
    ring = Keyring({}, options=AccessOptions(oidc=provider.options()), clock=clock)
    header = f"Bearer {provider.token()}"
    caller = asyncio.run(ring.identify(header))
    clock.advance(50)
    assert ring.known(header) == caller
    clock.advance(11)
    assert ring.known(header) is None
