"""How well a model reads plain text: bits a byte, which compares across tokenizers, and their rise over the base."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Figure
from seekloop.evaluate.probes import items
from seekloop.evaluate.probes.items import Passage
from seekloop.evaluate.seen import Seen
from seekloop.metrics import significance
from seekloop.model.codec import Codec, View
from seekloop.system import lazy, seeds

__all__ = ["bits", "figures"]

Bits = NDArray[np.float64]


def figures(seen: Seen) -> tuple[Figure, ...]:
    """probe_bits_per_byte_en, _zh, and probe_bits_per_byte_rise_en, _zh where the checkpoint names its base.

    The mean over passages, and of the difference to the base passage by passage, each with a bootstrap interval. A
    compressed checkpoint runs on no engine that tells probabilities: it has no figure, and that is said.

    Raises:
        MissingPackage: torch is not installed.
        ArtifactError: the base is not in the store.
    """
    checkpoint, ctx = seen.inputs.checkpoint, seen.ctx
    if checkpoint.form not in ("full", "adapter"):
        ctx.progress.say(
            f"passages: a checkpoint of the form {checkpoint.form} tells no probabilities here, so they are not read"
        )
        return ()
    texts = items.passages()
    own = bits(checkpoint, texts, ctx=ctx)
    base = checkpoint.parents.get("base")
    before = None if base is None else bits(ctx.store.open(base, Checkpoint), texts, ctx=ctx)
    found: list[Figure] = []
    for language in ("en", "zh"):
        here = np.array([text.language == language for text in texts])
        found.append(_mean(f"probe_bits_per_byte_{language}", own[here], seen=seen))
        if before is not None:
            found.append(_mean(f"probe_bits_per_byte_rise_{language}", (own - before)[here], seen=seen))
    return tuple(found)


def bits(checkpoint: Checkpoint, texts: Sequence[Passage], *, ctx: RunContext) -> Bits:
    """Bits a byte of each text, [texts]: the negative log-likelihood of its tokens over ln 2 and its UTF-8 bytes.

    The first token has nothing before it in families without BOS; it is not counted there, nor is the end of text.

    Raises:
        MissingPackage: torch is not installed.
    """
    torch = lazy.need("torch", extra="train")
    models = lazy.need("seekloop.runtime.models", extra="train")
    loss = lazy.need("seekloop.runtime.train.loss", extra="train")
    batching = lazy.need("seekloop.runtime.train.batching", extra="train")
    codec: Codec = models.codec_of(checkpoint, store=ctx.store)
    model = models.load(checkpoint, store=ctx.store)
    values: list[float] = []
    with torch.no_grad(), ctx.progress.task("passages", total=len(texts)) as bar:
        for text in texts:
            ids = codec.text_ids(text.text)
            view = View(row=text.id, turn=0, ids=ids, labels=(-100, *ids[1:-1], -100))
            nats = loss.summed_loss(model, batching.collate([view], pad=codec.pad_id, sharing=False)).item()
            values.append(nats / math.log(2) / len(text.text.encode()))
            bar.advance()
    return np.array(values)


def _mean(name: str, values: Bits, *, seen: Seen) -> Figure:
    seed = seeds.derive(seen.ctx.seed, "evaluate", "passages")
    interval = significance.bootstrap_mean(values, seed=seed, resamples=seen.spec.resamples)
    return Figure(
        name=name,
        value=round(float(values.mean()), 6),
        n=len(values),
        ci=(round(interval.low, 6), round(interval.high, 6)),
        unit="bits/byte",
        better="lower",
    )
