"""The frozen first layers of a model, computed once for each row; every later pass runs only the layers behind them.

States are computed in groups that depend on the rows alone, never on the batches that training forms of them: a run
that is resumed computes them again, or finds them in its work folder, bit for bit.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from seekloop.artifact.context import RunContext
from seekloop.model.codec import View
from seekloop.runtime.train.batching import Batch, StepPlan, collate, share_out
from seekloop.runtime.train.end_to_end import Rows, can_lie, through
from seekloop.system import digests
from seekloop.system.files import disk_full_is_a_sentence, write_whole
from seekloop.system.progress import Task

__all__ = ["Kept", "Storage", "TrunkDecoder", "keep_trunk"]

Storage = Literal["fp32", "bf16"]
_types = {"fp32": torch.float32, "bf16": torch.bfloat16}
_block = 64
"""Rows that are grouped among themselves: cutting costs the square of their number."""
_parts = {"embed_tokens", "layers", "norm", "rotary_emb"}
_sublayers = {"input_layernorm", "self_attn", "post_attention_layernorm", "mlp"}


@dataclass(frozen=True, kw_only=True)
class Kept:
    """States behind the trunk: those of a row stand one after another."""

    states: Tensor
    """[tokens of all rows, hidden]."""
    places: dict[bytes, int]
    """Digest of a row's ids -> where its states begin."""

    @classmethod
    def of_rows(cls, rows: Sequence[Tensor], states: Sequence[Tensor]) -> Kept:
        """Those of rows of ids, [length] each, with states [length, hidden]."""
        begins = itertools.accumulate((len(ids) for ids in rows), initial=0)
        places = {_digest(ids): begin for ids, begin in zip(rows, begins, strict=False)}
        return cls(states=torch.cat(list(states)), places=places)

    def of(self, ids: Tensor) -> Tensor | None:
        """[length, hidden] of one row; None: it was not kept."""
        begin = self.places.get(_digest(ids))
        return None if begin is None else self.states[begin : begin + len(ids)]


class TrunkDecoder(nn.Module):
    """Takes the place of a model's decoder and does the same; inside `keep_trunk` training gets its states from here.

    Args:
        decoder: as a whole.
        first: so many of its layers are the trunk.
        storage: how states are kept; `fp32` is exact.
        memory_mb: beyond it they are kept in a file.
    """

    def __init__(self, decoder: nn.Module, *, first: int, storage: Storage, memory_mb: int) -> None:
        super().__init__()
        self.frozen = decoder
        self.first, self.storage, self.memory_mb = first, storage, memory_mb
        self._kept: Kept | None = None

    def get_decoder(self) -> nn.Module:
        """Itself: to the model it is the decoder."""
        return self

    def get_input_embeddings(self) -> nn.Module:
        """Those of the decoder inside."""
        return self.frozen.get_input_embeddings()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """As the decoder inside."""
        return self.frozen(*args, **kwargs)

    def can_be_cut(self) -> bool:
        """Whether the decoder is known to be nothing but embedding, layers of full attention, and norm."""
        kinds = set(self.frozen.config.to_dict().get("layer_types") or ["full_attention"])
        return kinds == {"full_attention"} and {name for name, _ in self.frozen.named_children()} == _parts

    def states(self, batch: Batch, scored: Tensor | None) -> Tensor | None:
        """Last hidden states, [rows, length - prefix, hidden], from kept ones; None: a row was not kept.

        Args:
            batch: rows; the shared prefix goes through the layers as one row.
            scored: [rows, length - prefix], the positions whose states are needed; the others may be zero.
        """
        if self._kept is None or len(batch.lengths) != len(batch.ids):
            return None
        found = [self._kept.of(ids[:length]) for ids, length in zip(batch.ids, batch.lengths, strict=True)]
        parts = [part for part in found if part is not None]
        if len(parts) < len(found):
            return None
        layers = self.frozen.layers[self.first :]
        if can_lie(layers):
            return self._end_to_end(layers, batch, parts=parts, scored=scored)
        hidden = self._kept.states.new_zeros(*batch.ids.shape, self._kept.states.shape[1], dtype=torch.float32)
        for row, part in zip(hidden, parts, strict=True):
            row[: len(part)] = part
        carry = _Carry() if batch.prefix else None
        if batch.prefix:
            self._run(layers, hidden[:1, : batch.prefix], start=0, carry=carry)
        return self._run(layers, hidden[:, batch.prefix :], start=batch.prefix, carry=carry, scored=scored, norm=True)

    def _end_to_end(
        self, layers: Sequence[nn.Module], batch: Batch, *, parts: Sequence[Tensor], scored: Tensor | None
    ) -> Tensor:
        """`states` of rows whose kept ones are `parts`, [length, hidden] each; those that are not scored are zero."""
        rows = Rows(prefix=batch.prefix, lengths=tuple(len(part) - batch.prefix for part in parts))
        hidden = torch.cat((parts[0][: batch.prefix], *(part[batch.prefix :] for part in parts))).float()
        if scored is None:
            scored = torch.arange(batch.ids.shape[1] - batch.prefix) < torch.tensor(rows.lengths)[:, None]
        wanted = [own.nonzero()[:, 0] for own in scored]
        found = through(layers, hidden, rows=rows, rotary=self.frozen.rotary_emb, wanted=wanted)
        result = hidden.new_zeros(*scored.shape, hidden.shape[1])
        result[scored] = self.frozen.norm(found)
        return result

    def room(self, budget: int) -> int | None:
        """How many tokens may go through the last layers at once, end to end, where `budget` may through all layers.

        None: they go through as micro-batches do.
        """
        layers = self.frozen.layers[self.first :]
        if self._kept is None or not can_lie(layers):
            return None
        return budget * len(self.frozen.layers) // max(len(layers), 1)

    def trunk(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """States behind the trunk: those of the shared prefix, [prefix, hidden], and of the rest of all rows."""
        embedded = self.get_input_embeddings()(batch.ids)
        layers = self.frozen.layers[: self.first]
        if not batch.prefix:
            return embedded[0, :0], self._run(layers, embedded, start=0, carry=None)
        carry = _Carry()
        prefix = self._run(layers, embedded[:1, : batch.prefix], start=0, carry=carry)
        return prefix[0], self._run(layers, embedded[:, batch.prefix :], start=batch.prefix, carry=carry)

    def _run(
        self,
        layers: Sequence[nn.Module],
        hidden: Tensor,
        *,
        start: int,
        carry: _Carry | None,
        scored: Tensor | None = None,
        norm: bool = False,
    ) -> Tensor:
        """`hidden` [rows, n, hidden], whose positions begin at `start`, through some layers."""
        positions = torch.arange(start, start + hidden.shape[1])[None]
        told = {
            "position_ids": positions,
            "position_embeddings": self.frozen.rotary_emb(hidden, position_ids=positions),
            "attention_mask": _mask(start, hidden.shape[1]) if start else None,
            "past_key_values": carry,
            "use_cache": carry is not None,
        }
        for index, layer in enumerate(layers):
            last = index == len(layers) - 1
            if last and scored is not None and {name for name, _ in layer.named_children()} == _sublayers:
                hidden = _scored_only(layer, hidden, scored=scored, told=told)
            else:
                hidden = layer(hidden, **told)
        return self.frozen.norm(hidden) if norm else hidden

    @contextlib.contextmanager
    def keeping(self, kept: Kept) -> Iterator[None]:
        """Inside the block, `states` are made from `kept`."""
        self._kept = kept
        try:
            yield
        finally:
            self._kept = None


class _Carry:
    """The cache of a shared prefix: each layer is passed by the prefix alone, then by the rest of all rows."""

    def __init__(self) -> None:
        self._before: dict[int, tuple[Tensor, Tensor]] = {}

    def update(self, first: Tensor, second: Tensor, *rest: Any, **_: Any) -> tuple[Tensor, Tensor]:
        """Keep, or put what was kept before every row."""
        layer = rest[0]
        if layer not in self._before:
            self._before[layer] = first, second
            return first, second
        before = (part.expand(first.shape[0], -1, -1, -1) for part in self._before[layer])
        return torch.cat((next(before), first), 2), torch.cat((next(before), second), 2)


@contextlib.contextmanager
def keep_trunk(
    model: nn.Module,
    *,
    plan: StepPlan,
    validation: Sequence[View],
    workers: tuple[int, int],
    budget: int,
    pad: int,
    folder: Path,
    ctx: RunContext,
) -> Iterator[None]:
    """Inside the block the states of a `TrunkDecoder` are kept; with any other decoder, nothing is done.

    Args:
        model: its trunk must not change inside the block.
        plan: its rows are kept, if there is more than one epoch.
        validation: kept too.
        workers: how many there are, and the threads of each.
        budget: padded tokens that go through the trunk at one time.
        pad: id to fill with.
        folder: for the file, where memory does not suffice; found again there after a crash.
        ctx: progress.
    """
    decoder = model.get_decoder()
    if not isinstance(decoder, TrunkDecoder) or plan.steps <= plan.steps_per_epoch:
        yield
        return
    if not decoder.can_be_cut():
        ctx.progress.say(f"{type(decoder.frozen).__name__} is not known to be cut in two: nothing is kept of its trunk")
        yield
        return
    views = {_digest(torch.tensor(view.ids)): view for row in (*plan.rows, validation) for view in row}
    ordered = sorted(views.values(), key=lambda view: (len(view.ids), view.ids))
    places, total = {}, 0
    for view in ordered:
        places[_digest(torch.tensor(view.ids))] = total
        total += len(view.ids)
    hidden = decoder.get_input_embeddings().weight.shape[1]
    with _room(decoder, (total, hidden), rows=list(places), folder=folder) as (states, is_filled):
        kept = Kept(states=states, places=places)
        if not is_filled:
            blocks = [ordered[begin : begin + _block] for begin in range(0, len(ordered), _block)]
            with ctx.progress.task("trunk", total=total) as task:
                error = _fill(decoder, kept, blocks=blocks, workers=workers, budget=budget, pad=pad, task=task)
            _seal(decoder, states, rows=list(places), folder=folder)
            if error:
                ctx.progress.say(f"trunk states are kept as {decoder.storage}: relative error {error:.1e}")
        with decoder.keeping(kept):
            yield


@contextlib.contextmanager
def _room(
    decoder: TrunkDecoder, shape: tuple[int, int], *, rows: Sequence[bytes], folder: Path
) -> Iterator[tuple[Tensor, bool]]:
    """Memory, or a file in `folder`; and whether the right states are in it already."""
    dtype, size = _types[decoder.storage], shape[0] * shape[1] * _types[decoder.storage].itemsize
    if size <= decoder.memory_mb * 2**20:
        yield torch.empty(shape, dtype=dtype), False
        return
    path = folder / "trunk.bin"
    is_filled = _is_sealed(path, key=_key(decoder, rows))
    with disk_full_is_a_sentence(path):
        if not is_filled:
            folder.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            file = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
            try:
                os.posix_fallocate(file, 0, size)
            finally:
                os.close(file)
    yield torch.from_file(str(path), shared=True, size=shape[0] * shape[1], dtype=dtype).view(shape), is_filled


def _fill(
    decoder: TrunkDecoder,
    kept: Kept,
    *,
    blocks: Sequence[Sequence[View]],
    workers: tuple[int, int],
    budget: int,
    pad: int,
    task: Task,
) -> float:
    """Compute and keep the states of all rows; returns the relative error (root mean square) of keeping them."""

    def work(block: Sequence[View]) -> tuple[float, float, int]:
        off, size = 0.0, 0.0
        for part in share_out(block, budget=budget, sharing=True, workers=1)[0]:
            batch = collate(part, pad=pad, sharing=True)
            with torch.no_grad():
                prefix, rest = decoder.trunk(batch)
            for ids, length, row in zip(batch.ids, batch.lengths, rest, strict=True):
                exact = torch.cat((prefix, row[: length - batch.prefix]))
                place = kept.of(ids[:length])
                if place is None:
                    raise ValueError("a row without a place")
                place.copy_(exact)
                off += (place - exact).square().sum().item()
                size += exact.square().sum().item()
        return off, size, sum(len(view.ids) for view in block)

    count, threads = workers
    off, size = 0.0, 0.0
    with ThreadPoolExecutor(count, "trunk", initializer=torch.set_num_threads, initargs=(threads,)) as pool:
        for block_off, block_size, tokens in pool.map(work, blocks):
            off, size = off + block_off, size + block_size
            task.advance(tokens)
    return math.sqrt(off / size) if size else 0.0


def _seal(decoder: TrunkDecoder, states: Tensor, *, rows: Sequence[bytes], folder: Path) -> None:
    """Write what a file of states holds, and its digest, beside it; nothing where they are in memory."""
    path = folder / "trunk.bin"
    if states.nbytes > decoder.memory_mb * 2**20:
        listing = {"key": _key(decoder, rows), "digest": digests.of_file(path)}
        write_whole(path.with_suffix(".json"), digests.canonical(listing))


def _is_sealed(path: Path, *, key: str) -> bool:
    try:
        listing = json.loads(path.with_suffix(".json").read_bytes())
        return bool(listing["key"] == key and listing["digest"] == digests.of_file(path))
    except (OSError, ValueError, KeyError):
        return False  # killed before it was whole: made again


def _key(decoder: TrunkDecoder, rows: Sequence[bytes]) -> str:
    return digests.of_json([decoder.first, decoder.storage, hashlib.sha256(b"".join(rows)).hexdigest()])


def _scored_only(layer: nn.Module, hidden: Tensor, *, scored: Tensor, told: dict[str, Any]) -> Tensor:
    """The last layer: all positions are attended to, only scored ones go through the MLP, the others are zero."""
    attended, *_ = layer.self_attn(hidden_states=layer.input_layernorm(hidden), **told)
    picked = (hidden + attended)[scored][None]
    picked = picked + layer.mlp(layer.post_attention_layernorm(picked))
    result = torch.zeros_like(hidden)
    result[scored] = picked[0]
    return result


def _mask(start: int, new: int) -> Tensor:
    """Causal, [1, 1, new, start + new], True where a position is seen."""
    return torch.ones(1, 1, new, start + new, dtype=torch.bool).tril(start)


def _digest(ids: Tensor) -> bytes:
    return hashlib.sha256(ids.numpy().tobytes()).digest()[:16]
