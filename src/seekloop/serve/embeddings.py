"""`POST /v1/embeddings`: the mean of the serving release's last layer over a text, as a unit vector."""

from __future__ import annotations

import base64
import functools
import math
import struct
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from seekloop.serve.gateway import Gateway
from seekloop.serve.gone import CLIENT_GONE, unless_gone
from seekloop.serve.manner import manner_of
from seekloop.serve.protocol import EmbeddingRequest
from seekloop.serve.rendering import identity
from seekloop.serve.replies import each_of
from seekloop.serve.reply import Reply
from seekloop.system.errors import UsageError

__all__ = ["embedding_routes", "unit"]


def embedding_routes(gateway: Gateway) -> APIRouter:
    """The route of embeddings."""
    router = APIRouter(prefix="/v1")

    @router.post("/embeddings")
    async def embed(request: Request, body: EmbeddingRequest) -> Response:
        """What the model makes of texts, a vector each."""
        caller, manner = request.state.caller, manner_of(request)
        asked = [functools.partial(gateway.embed, body, text, caller=caller, manner=manner) for text in body.texts]
        replies = await unless_gone(request, each_of(asked, whole=True))
        if replies is None:
            return Response(status_code=CLIENT_GONE)
        return JSONResponse(_body(replies, asked=body), headers=identity(replies[0]))

    return router


def unit(vector: Sequence[float], *, dimensions: int | None) -> list[float]:
    """The first `dimensions` numbers of a vector, scaled to length 1; a vector of zeros stays one.

    Raises:
        UsageError: the vector has fewer.
    """
    if dimensions is not None and dimensions > len(vector):
        raise UsageError("serve.too_wide", asked=dimensions, width=len(vector))
    kept = vector[:dimensions]
    length = math.sqrt(math.fsum(one * one for one in kept)) or 1.0
    return [one / length for one in kept]


def _body(replies: Sequence[Reply], *, asked: EmbeddingRequest) -> dict[str, Any]:
    vectors = [unit(reply.vector, dimensions=asked.dimensions) for reply in replies]
    told = [_packed(vector) if asked.encoding_format == "base64" else vector for vector in vectors]
    read = sum(reply.prompt_tokens for reply in replies)
    return {
        "object": "list",
        "model": asked.model,
        "system_fingerprint": replies[0].release,
        "data": [
            {"object": "embedding", "index": index, "embedding": one, "answer": reply.id}
            for index, (one, reply) in enumerate(zip(told, replies, strict=True))
        ],
        "usage": {"prompt_tokens": read, "total_tokens": read},
    }


def _packed(vector: Sequence[float]) -> str:
    """Little-endian 32-bit floats in base64, as OpenAI's clients unpack them."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
