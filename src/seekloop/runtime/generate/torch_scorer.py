"""Log-probabilities with torch: all ways of a fork in one pass, as a tree behind their context.

Ways that begin alike share their ids, so a set of labels costs as many positions as its trie has nodes. A fork is a
pass of its own: what stands beside it can change nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

import torch
from torch import Tensor, nn

from seekloop.runtime.generate.backend import Backend
from seekloop.runtime.generate.likelihood import Fork, Likelihood, check_fork
from seekloop.runtime.generate.torch_backend import TorchBackend
from seekloop.system.errors import EngineError

__all__ = ["TorchScorer"]

_positions_at_once = 2048
"""Positions of a tree in one pass, as long as a way fits: bounds the memory of the mask and the logits."""


class TorchScorer:
    """Scores with one model.

    Args:
        model: a transformers causal language model in eval mode.
        context: tokens of a context and a way together; at most what the model was made for.
    """

    def __init__(self, model: nn.Module, *, context: int = 2048) -> None:
        generator = TorchBackend(model, context=context)
        self.name = generator.name
        self.generator: Backend = generator
        self._model: nn.Module | None = model
        self._context = min(context, model.config.max_position_embeddings)

    def score(self, forks: Sequence[Fork]) -> Iterator[tuple[int, tuple[Likelihood, ...]]]:
        """Score all forks, in their order.

        Raises:
            EngineError: a way does not fit the context; nothing was computed.
        """
        for fork in forks:
            check_fork(fork, context=self._context)
        for index, fork in enumerate(forks):
            yield (
                index,
                tuple(likelihood for part in _parts(fork) for likelihood in self._ways(Fork(fork.context, part))),
            )

    def close(self) -> None:
        """Let go of the weights."""
        self._model = None
        self.generator.close()

    def __enter__(self) -> Self:
        """The scorer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    @torch.inference_mode()
    def _ways(self, fork: Fork) -> list[Likelihood]:
        if self._model is None:
            raise EngineError("runtime.closed", engine=self.name)
        tree = _Tree(fork)
        device, dtype = next(self._model.parameters()).device, next(self._model.parameters()).dtype
        hidden = torch.zeros(tree.seen.shape, dtype=dtype).masked_fill(~tree.seen, torch.finfo(dtype).min)
        logits = self._model(
            input_ids=torch.tensor([tree.ids], device=device),
            position_ids=torch.tensor([tree.depths], device=device),
            attention_mask=hidden[None, None].to(device),
            use_cache=False,
            logits_to_keep=torch.tensor(tree.asked, device=device),
        ).logits[0]
        logprobs = torch.log_softmax(logits.float(), dim=-1)
        likeliest = logprobs.argmax(-1)
        place = {node: row for row, node in enumerate(tree.asked)}
        return [
            Likelihood(
                logprob=float(sum(float(logprobs[place[node], id_]) for node, id_ in steps)),
                greedy=all(int(likeliest[place[node]]) == id_ for node, id_ in steps),
            )
            for steps in tree.steps
        ]


class _Tree:
    """A context and the ids that follow it, as one sequence in which each id sees its own past only."""

    def __init__(self, fork: Fork) -> None:
        self.ids = list(fork.context)
        self.depths = list(range(len(fork.context)))
        parents = [place - 1 for place in self.depths]
        self.steps: list[list[tuple[int, int]]] = []
        """Of each way: (the node that says it, id), id by id."""
        children: dict[tuple[int, int], int] = {}
        for way in fork.ways:
            node, steps = len(fork.context) - 1, []
            for place, id_ in enumerate(way):
                steps.append((node, id_))
                if place == len(way) - 1:
                    break  # what follows a way's last id is of no interest
                if (node, id_) not in children:
                    children[node, id_] = len(self.ids)
                    self.ids.append(id_)
                    self.depths.append(self.depths[node] + 1)
                    parents.append(node)
                node = children[node, id_]
            self.steps.append(steps)
        self.asked = sorted({node for steps in self.steps for node, _ in steps})
        """Nodes whose next id is asked for."""
        self.seen = _seen(parents)


def _seen(parents: Sequence[int]) -> Tensor:
    """[n, n], whether node q sees node k: itself, its parent, and what that sees."""
    seen = torch.eye(len(parents), dtype=torch.bool)
    for node, parent in enumerate(parents):
        if parent >= 0:
            seen[node] |= seen[parent]
    return seen


def _parts(fork: Fork) -> Iterator[tuple[tuple[int, ...], ...]]:
    """The ways in groups that stay below the bound together with the context."""
    part: list[tuple[int, ...]] = []
    size = len(fork.context)
    for way in fork.ways:
        if part and size + len(way) > _positions_at_once:
            yield tuple(part)
            part, size = [], len(fork.context)
        part.append(way)
        size += len(way)
    yield tuple(part)
