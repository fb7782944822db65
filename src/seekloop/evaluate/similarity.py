"""How near two texts are in meaning: the cosine of the mean-pooled last hidden states of a model, on torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import transformers
from torch import Tensor, nn

from seekloop.evaluate.passes_spec import SimilaritySpec
from seekloop.evaluate.scoring import Scored
from seekloop.evaluate.seen import Seen
from seekloop.runtime.models import base_of, codec_of, load
from seekloop.runtime.quantised import unpack
from seekloop.system import settings
from seekloop.system.errors import DataError

__all__ = ["similarities"]

Ids = Sequence[int]
Pooler = Callable[[Sequence[Ids]], Tensor]
_together = 16


def similarities(answers: Sequence[Scored], seen: Seen) -> tuple[str, dict[int, float]]:
    """The figure's name, which says whose states they are, and the cosine of each answer that has text to compare with.

    An empty answer has 0: it means nothing. Cosines of a language model's own states are high for any two texts, so
    they tell models apart and are no share of anything; an encoder trained for sentences spreads them.

    Raises:
        DataError: the encoder's folder is none.
        ArtifactError: the base model is not in the store.
    """
    spec = seen.spec.passes.similarity or SimilaritySpec()
    torch.set_num_threads(seen.spec.threads or settings.threads())
    name, cut, pooled = _own(seen) if spec.path is None else _encoder(spec, seen.ctx.root / spec.path)
    compared = [at for at, one in enumerate(answers) if one.reference_text]
    given = [at for at in compared if answers[at].text]
    if not compared:
        seen.ctx.progress.say("similarity: left out, as right answers of this dataset hold no free text")
    texts = [text for at in given for text in (answers[at].reference_text, answers[at].text)]
    ids = [cut(text) for text in texts]
    longer = sum(len(one) > spec.max_tokens for one in ids)
    if longer and spec.path is not None:
        seen.ctx.progress.say(f"similarity: {longer} of {len(ids)} texts are cut at {spec.max_tokens} tokens")
        ids = [one[: spec.max_tokens] for one in ids]
    vectors = _vectors(ids, pooled)
    cosines = (vectors[::2] * vectors[1::2]).sum(dim=1).tolist() if given else []
    found = dict.fromkeys(compared, 0.0) | {at: round(value, 6) for at, value in zip(given, cosines, strict=True)}
    return f"embedding_similarity_{name}", found


def _vectors(texts: Sequence[Ids], pooled: Pooler) -> Tensor:
    """Unit vectors, [texts, hidden], texts of like length together."""
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    rows: list[Tensor] = [torch.empty(0)] * len(texts)
    for begin in range(0, len(order), _together):
        places = order[begin : begin + _together]
        with torch.no_grad():
            some = nn.functional.normalize(pooled([texts[place] for place in places]).double(), dim=1)
        for place, row in zip(places, some, strict=True):
            rows[place] = row
    return torch.stack(rows) if rows else torch.empty(0, 0)


def _own(seen: Seen) -> tuple[str, Callable[[str], Ids], Pooler]:
    """The states of the base model: the same ones for every checkpoint that was made from it."""
    base = base_of(seen.inputs.checkpoint, seen.ctx.store)
    codec, body = codec_of(base, store=seen.ctx.store), unpack(load(base, store=seen.ctx.store)).get_decoder()
    return base.family, lambda text: codec.text_ids(text)[:-1], lambda some: _mean(body, some, pad=codec.pad_id)


def _encoder(spec: SimilaritySpec, folder: Path) -> tuple[str, Callable[[str], Ids], Pooler]:
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = transformers.AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()
    except (OSError, ValueError) as error:
        raise DataError("evaluate.no_encoder", path=spec.path, problem=str(error).partition("\n")[0]) from error
    pad = tokenizer.pad_token_id or 0
    return folder.name, lambda text: tokenizer(text)["input_ids"], lambda some: _mean(model, some, pad=pad)


def _mean(body: nn.Module, texts: Sequence[Ids], *, pad: int) -> Tensor:
    """[texts, hidden]: the mean of the last states of each text's own tokens."""
    length = max(len(ids) for ids in texts)
    ids = torch.tensor([[*one, *[pad] * (length - len(one))] for one in texts])
    mask = torch.tensor([[1] * len(one) + [0] * (length - len(one)) for one in texts])
    states: Tensor = body(input_ids=ids, attention_mask=mask).last_hidden_state
    return (states * mask.unsqueeze(-1)).sum(dim=1) / mask.sum(dim=1, keepdim=True)
