"""The envelope of a passport: DSSE v1 around an in-toto statement, one ed25519 signature, one byte form.

DSSE signs type and payload, not the JSON around them. Here the file must also be the canonical JSON of what it holds,
with a key id that is the digest of the key: so there is no byte of it that could be another one.
Protocol: https://github.com/secure-systems-lab/dsse (v1.0.0).
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from seekloop.artifact.passport.signing import PublicKeys, Signer
from seekloop.system import digests

__all__ = ["MEDIA_TYPE", "PAYLOAD_TYPE", "Envelope", "open_envelope", "seal"]

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MEDIA_TYPE = "application/vnd.dsse.envelope.v1+json"
"""Of the file, over HTTP."""


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """What a file holds, whether or not it is right."""

    statement: dict[str, Any] | None
    """None: there is none that can be read."""
    key_id: str
    problem: str | None
    """Why the signature does not cover every byte; None: it does."""


def seal(statement: dict[str, Any], *, signer: Signer) -> bytes:
    """The file of a statement: one line of canonical JSON."""
    payload = digests.canonical(statement)
    return _file(payload, key_id=signer.key_id, signature=signer.sign(_signed(payload)))


def open_envelope(data: bytes, *, keys: PublicKeys) -> Envelope:
    """Read a file and check its signature."""
    try:
        value = json.loads(data)
        payload = base64.b64decode(value["payload"], validate=True)
        (one,) = value["signatures"]
        key_id, signature = str(one["keyid"]), base64.b64decode(one["sig"], validate=True)
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        return Envelope(statement=None, key_id="", problem="it is no DSSE envelope with one signature")
    return Envelope(
        statement=_statement(payload),
        key_id=key_id,
        problem=_problem(data, payload, keys=keys, key_id=key_id, signature=signature),
    )


def _problem(data: bytes, payload: bytes, *, keys: PublicKeys, key_id: str, signature: bytes) -> str | None:
    if key_id not in keys.ids:
        return f"it names the key {key_id[:12]}, which is none of those given"
    if data != _file(payload, key_id=key_id, signature=signature):
        return "its bytes are not those that were written"
    if not keys.holds(key_id, signature=signature, message=_signed(payload)):
        return "the signature does not hold"
    return None


def _statement(payload: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(payload)
        readable = digests.canonical(value) == payload
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and readable else None


def _signed(payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _file(payload: bytes, *, key_id: str, signature: bytes) -> bytes:
    value = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": key_id, "sig": base64.b64encode(signature).decode()}],
    }
    return digests.canonical(value) + b"\n"
