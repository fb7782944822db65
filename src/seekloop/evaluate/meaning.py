"""What texts mean, as vectors of an encoder or of the base model's own states, on torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from torch import Tensor

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.evaluate.passes_spec import SimilaritySpec
from seekloop.runtime.models import base_of, codec_of, load
from seekloop.runtime.pooling import Ids, Pooler, pooled, unit_vectors
from seekloop.runtime.quantised import unpack
from seekloop.system import settings
from seekloop.system.errors import DataError
from seekloop.system.loading import one_at_a_time

__all__ = ["Meaning", "centred"]


@dataclass(frozen=True)
class Meaning:
    """Turns texts into vectors."""

    name: str
    """Whose states they are: a base's family, or an encoder's folder."""
    cut: Callable[[str], Ids]
    pool: Pooler
    max_tokens: int | None
    """Longest text; None: a base model reads all of it."""

    @classmethod
    def open(cls, spec: SimilaritySpec, checkpoint: Checkpoint, *, threads: int | None, ctx: RunContext) -> Meaning:
        """The encoder in the spec's folder or, without one, the base that the checkpoint was made from.

        Raises:
            DataError: the encoder's folder is none.
            ArtifactError: the base model is not in the store.
        """
        torch.set_num_threads(threads or settings.threads())
        return _own(checkpoint, ctx=ctx) if spec.path is None else _encoder(spec, ctx.root / spec.path)

    def vectors(self, texts: Sequence[str], *, what: str, ctx: RunContext) -> Tensor:
        """Unit vectors, [texts, hidden]; texts that are too long for an encoder are cut, which is said.

        Args:
            texts: none of them empty.
            what: they are for, as the first word of what is said.
            ctx: is told.
        """
        ids = [self.cut(text) for text in texts]
        longer = 0 if self.max_tokens is None else sum(len(one) > self.max_tokens for one in ids)
        if longer:
            ctx.progress.say(f"{what}: {longer} of {len(ids)} texts are cut at {self.max_tokens} tokens")
        return unit_vectors([one[: self.max_tokens] for one in ids], self.pool)


def centred(vectors: Tensor) -> NDArray[np.float64]:
    """The vectors less their mean, of length 1 again: cosines of a language model's own states are high for any texts.

    Rounded, so that the order of sums on another machine groups nothing otherwise.
    """
    moved = torch.nn.functional.normalize(vectors - vectors.mean(dim=0), dim=1)
    found: NDArray[np.float64] = np.round(moved.numpy(), 6)
    return found


def _own(checkpoint: Checkpoint, *, ctx: RunContext) -> Meaning:
    """The states of the base model: the same ones for every checkpoint that was made from it."""
    base = base_of(checkpoint, ctx.store)
    codec, body = codec_of(base, store=ctx.store), unpack(load(base, store=ctx.store)).get_decoder()
    return Meaning(
        base.family,
        lambda text: codec.text_ids(text)[:-1],
        lambda some: pooled(body, some, pad=codec.pad_id),
        None,
    )


def _encoder(spec: SimilaritySpec, folder: Path) -> Meaning:
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        with one_at_a_time():
            model = transformers.AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()
    except (OSError, ValueError) as error:
        raise DataError("evaluate.no_encoder", path=spec.path, problem=str(error).partition("\n")[0]) from error
    pad = tokenizer.pad_token_id or 0
    return Meaning(
        folder.name,
        lambda text: tokenizer(text)["input_ids"],
        lambda some: pooled(model, some, pad=pad),
        spec.max_tokens,
    )
