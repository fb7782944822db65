"""A served model as something to measure: a checkpoint without weights that says which endpoint answers for it.

Its form is `endpoint`, and its files are `endpoint.json` and a codec that counts bytes, since the endpoint keeps its
own tokens to itself. It can be measured, compared and served; nothing can be trained from it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Origin, Receipt
from seekloop.artifact.store import Store
from seekloop.model import families
from seekloop.model.codec import Codec
from seekloop.model.tokenizers import tiny_tokenizer
from seekloop.system import digests, provenance
from seekloop.system.errors import UsageError

__all__ = ["FORM", "Endpoint", "endpoint_of", "is_endpoint", "open_endpoint"]

FORM = "endpoint"
_name, _family, _version = "endpoint.json", "smollm2", "endpoint.1"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """An OpenAI-compatible endpoint and one of its models."""

    url: str
    """Up to `/v1`, without a slash at its end."""
    model: str


def is_endpoint(source: str) -> bool:
    """Whether a `--from` names an endpoint."""
    return source.startswith(("http://", "https://"))


def open_endpoint(source: str, *, ctx: RunContext) -> Checkpoint:
    """The checkpoint that stands for an endpoint; the same address and model give the same id.

    Args:
        source: `http://127.0.0.1:8000/v1#MODEL`.
        ctx: its store and ledger take the checkpoint.

    Raises:
        UsageError: the model is not named.
    """
    url, _, model = source.partition("#")
    if not model:
        raise UsageError("runtime.endpoint_without_model", url=url)
    facts = {"url": url.rstrip("/"), "model": model}
    with ctx.store.draft() as draft:
        Codec.build(card := families.card(_family), tiny_tokenizer(card)).save(draft.folder)
        draft.path(_name).write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n", "utf-8")
        origin = Origin(
            stage="endpoint",
            spec=facts,
            spec_digest=digests.of_json(facts),
            code_version=_version,
            lock_digest=digests.of_json([]),
            seed=0,
        )
        receipt = Receipt(
            created_at=ctx.clock.now().isoformat(timespec="seconds"), hardware=provenance.hardware(), wall_s=0.0
        )
        checkpoint = Checkpoint(
            made_by=origin, form=FORM, family=_family, precision="unknown", source=source, parameters=0
        )
        final = ctx.store.commit(draft, checkpoint, receipt=receipt)
    ctx.record(final)
    return final


def endpoint_of(checkpoint: Checkpoint, *, store: Store) -> Endpoint:
    """Where the model of a checkpoint of the form `endpoint` answers."""
    return Endpoint(**json.loads(store.path(checkpoint.id, _name).read_text("utf-8")))
