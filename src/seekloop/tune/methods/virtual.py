"""Prefix tuning, prompt tuning and P-tuning from their specs: which real tokens the virtual ones begin as."""

from __future__ import annotations

import itertools
import json
import logging
import random
from collections.abc import Iterator

from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.artifact.rows import Message, Row, read_rows
from seekloop.artifact.store import Store
from seekloop.model.codec import Codec
from seekloop.runtime import models
from seekloop.runtime.train.methods.adapters import kind_of
from seekloop.runtime.train.methods.prefix import Prefix
from seekloop.runtime.train.methods.prompt import Prompt
from seekloop.system import digests, seeds
from seekloop.system.errors import TrainError
from seekloop.tune.soft_spec import PrefixMethod, PTuningMethod, VirtualMethod

__all__ = ["build"]

_looked_at = 1000
"""Rows among which different answers are looked for."""
_kinds = {
    "prefix": ("PREFIX_TUNING", "SEEKLOOP_PREFIX"),
    "prompt": ("PROMPT_TUNING", "P_TUNING"),
    "p_tuning": ("PROMPT_TUNING", "P_TUNING"),
}


def build(
    spec: VirtualMethod,
    checkpoint: Checkpoint,
    *,
    method: str,
    dataset: Dataset,
    seed: int,
    store: Store,
    logger: logging.Logger,
) -> Prefix | Prompt:
    """The method for training `checkpoint`; what already stands before its sequences is trained on as it is.

    Raises:
        TrainError: the spec asks for something else than what is trained on.
    """
    if checkpoint.form == "adapter":
        _check_inherited(spec, checkpoint, method=method, store=store, logger=logger)
        ids: tuple[int, ...] = ()
        base = checkpoint.parents["base"]
    else:
        codec = models.codec_of(checkpoint, store=store)
        ids = _begin(spec, codec, dataset=dataset, seed=seed, store=store)
        base = checkpoint.id
    if isinstance(spec, PrefixMethod):
        return Prefix(ids=ids, base=base)
    if isinstance(spec, PTuningMethod):
        return Prompt(ids=ids, encoder=spec.encoder, hidden=spec.hidden, base=base)
    return Prompt(ids=ids, base=base)


def _begin(spec: VirtualMethod, codec: Codec, *, dataset: Dataset, seed: int, store: Store) -> tuple[int, ...]:
    """As many real ids as virtual tokens are asked for."""
    rows = itertools.islice(read_rows(store.path(dataset.id, "train.jsonl")), _looked_at)
    if spec.text is not None or spec.init == "answers":
        text = spec.text if spec.text is not None else _answers(_different(rows))
        ids: Iterator[int] = itertools.cycle(codec.answer_ids(Message(role="assistant", content=text))[:-1])
    elif spec.init == "rows":
        shown = [id_ for row in _different(rows) for view in codec.views(row) for id_ in view.ids]
        ids = itertools.cycle(shown)
    else:
        choose = random.Random(seeds.derive(seed, "tune", "virtual"))
        ids = (choose.randrange(codec.vocab_size) for _ in itertools.count())
    found = tuple(itertools.islice(ids, spec.tokens))
    if len(found) < spec.tokens:
        raise TrainError("tune.nothing_to_begin_with")
    return found


def _answers(rows: list[Row]) -> str:
    """The system message, and each answer once."""
    first = rows[0].messages[0] if rows else None
    system = first.content + " " if first is not None and first.role == "system" else ""
    answers = dict.fromkeys(row.messages[-1].content for row in rows)
    return system + ", ".join(answers) + ". "


def _different(rows: Iterator[Row]) -> list[Row]:
    """The first row of each answer, then the others."""
    first: dict[str, Row] = {}
    others: list[Row] = []
    for row in rows:
        if first.setdefault(row.messages[-1].content, row) is not row:
            others.append(row)
    return [*first.values(), *others]


def _check_inherited(
    spec: VirtualMethod, checkpoint: Checkpoint, *, method: str, store: Store, logger: logging.Logger
) -> None:
    folder = store.folder(checkpoint.id)
    kind = kind_of(folder)
    if kind not in _kinds[method]:
        raise TrainError("tune.other_adapter", id=digests.short(checkpoint.id), kind=kind, method=method)
    own = int(json.loads((folder / "adapter_config.json").read_text("utf-8"))["num_virtual_tokens"])
    if "tokens" in spec.model_fields_set and spec.tokens != own:
        raise TrainError(
            "tune.not_inherited", key="tokens", value=spec.tokens, own=own, id=digests.short(checkpoint.id)
        )
    logger.info("going on with %s: its %d virtual tokens are inherited", digests.short(checkpoint.id), own)
