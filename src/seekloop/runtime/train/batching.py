"""From training views to micro-batches: which rows make a step, in which order, and how a step is cut up.

The rows of an optimizer step depend on the seed alone. How they are cut into micro-batches (length buckets, shared
prefixes, memory) changes speed and nothing else: the loss is one sum over the step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seekloop.model.arithmetic import PASS_TOKENS
from seekloop.model.codec import View
from seekloop.system import seeds

__all__ = ["IGNORED", "Batch", "StepPlan", "collate", "labelled", "share_out", "shared_prefix"]

IGNORED = -100
"""Label of a position that is not trained."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Rows that go through the model together, right-padded."""

    ids: Tensor
    """[rows, length], int64. Padding comes last, so causal attention needs no mask to ignore it."""
    labels: Tensor
    """[rows, length], int64; IGNORED on padding and on whatever is not trained. Not shifted."""
    prefix: int
    """So many tokens at the beginning are the same in all rows and unlabelled; they are computed once. 0: none."""
    views: tuple[View, ...]
    """What the rows hold."""

    @property
    def rows(self) -> tuple[str, ...]:
        """Row ids."""
        return tuple(view.row for view in self.views)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Tokens of each row, padding not."""
        return tuple(len(view.ids) for view in self.views)


def labelled(view: View) -> int:
    """Tokens of a view that are trained. The first one has nothing before it to be predicted from."""
    return sum(label != IGNORED for label in view.labels[1:])


@dataclass(frozen=True, kw_only=True)
class StepPlan:
    """Which rows make which optimizer step, over all epochs."""

    rows: Sequence[Sequence[View]]
    """The views of each row; they stay in one step."""
    rows_per_step: int
    epochs: int
    max_steps: int | None
    seed: int
    later: Sequence[Mapping[int, Sequence[View]]] = ()
    """Rows in other words, by their place in `rows`: of the second epoch, the third, and so on, then from the second
    again; what is not there is as in `rows`."""

    @property
    def steps_per_epoch(self) -> int:
        """The last step of an epoch may have fewer rows."""
        return -(-len(self.rows) // self.rows_per_step)

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole run."""
        everything = self.epochs * self.steps_per_epoch
        return everything if self.max_steps is None else min(everything, self.max_steps)

    def views(self, step: int) -> list[View]:
        """The views of a step, counted from 0 over all epochs."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = self._order(epoch)[place * self.rows_per_step : (place + 1) * self.rows_per_step]
        words = self.later[(epoch - 1) % len(self.later)] if epoch and self.later else {}
        return [view for index in order for view in words.get(index, self.rows[index])]

    def tokens(self) -> int:
        """Tokens of all steps, prompts included, padding not."""
        return sum(len(view.ids) for step in range(self.steps) for view in self.views(step))

    def _order(self, epoch: int) -> list[int]:
        generator = torch.Generator().manual_seed(seeds.derive(self.seed, "train", "order", epoch))
        order: list[int] = torch.randperm(len(self.rows), generator=generator).tolist()
        return order


def share_out(
    views: Sequence[View],
    *,
    budget: int,
    sharing: bool,
    workers: int,
    together: bool = False,
    end_to_end: bool = False,
) -> list[list[list[View]]]:
    """Cut a step into micro-batches of similar lengths and share them out, so that the last worker is done soonest.

    The same views give the same result: which worker computes what never depends on who happens to be faster.

    Args:
        views: of one optimizer step.
        budget: padded tokens that one micro-batch may hold; a longer view stands alone.
        sharing: whether shared prefixes are computed once.
        workers: at least one.
        together: whether the views of a row stay in one micro-batch, as two answers that are compared must.
        end_to_end: whether rows are computed one behind the other: nothing is padded, and a prefix needs no pass.

    Returns:
        The micro-batches of each worker; workers that would have none are left out.
    """
    even = -(-sum(len(view.ids) for view in views) // workers)
    limits = sorted({min(budget, -(-even * tenths // 10)) for tenths in (10, 11, 12, 14, 17, 5, 4)}, reverse=True)
    groups = _of_rows(views) if together else [[view] for view in views]
    offers = [_deal(_cut(groups, budget=limit, sharing=sharing, end_to_end=end_to_end), workers) for limit in limits]
    return min(offers, key=lambda offer: offer[0])[1]


def _of_rows(views: Sequence[View]) -> list[list[View]]:
    """The views of each row, longest first."""
    found: dict[str, list[View]] = {}
    for view in views:
        found.setdefault(view.row, []).append(view)
    return [sorted(group, key=_rank, reverse=True) for group in found.values()]


def _rank(view: View) -> tuple[int, tuple[int, ...], str, int]:
    return len(view.ids), view.ids, view.row, view.turn


def _deal(parts: list[tuple[int, list[View]]], workers: int) -> tuple[int, list[list[list[View]]]]:
    """Give each part, the dearest first, to the worker with the least to do; returns the most that one has to do."""
    hands: list[list[list[View]]] = [[] for _ in range(workers)]
    loads = [0] * workers
    for cost, part in sorted(parts, key=lambda item: -item[0]):
        least = loads.index(min(loads))
        hands[least].append(part)
        loads[least] += cost
    return max(loads), [hand for hand in hands if hand]


def _cut(
    groups: Sequence[Sequence[View]], *, budget: int, sharing: bool, end_to_end: bool
) -> list[tuple[int, list[View]]]:
    """Micro-batches of similar lengths with their costs, at the least total that the budget allows.

    Dynamic programming over the groups sorted by length: a micro-batch costs its padded tokens, less the prefix tokens
    that it shares, plus a start. A group, its longest view first, is never cut.
    """
    ordered = sorted(groups, key=lambda group: _rank(group[0]))
    best: list[tuple[int, int]] = [(0, 0)]
    for end in range(1, len(ordered) + 1):
        best.append(min(_options(ordered[:end], best, budget=budget, sharing=sharing, end_to_end=end_to_end)))
    cuts: list[tuple[int, list[View]]] = []
    end = len(ordered)
    while end:
        cost, begin = best[end]
        part = [view for group in ordered[begin:end] for view in group]
        cuts.append((cost - best[begin][0], part))
        end = begin
    return cuts[::-1]


def _options(
    ordered: Sequence[Sequence[View]],
    best: Sequence[tuple[int, int]],
    *,
    budget: int,
    sharing: bool,
    end_to_end: bool,
) -> Iterator[tuple[int, int]]:
    """Cost and beginning of every last micro-batch that `ordered` can end with, the best cuts before it being known."""
    last = ordered[-1][0]
    longest, prefix, count, laid = len(last.ids), _before_labels(last), 0, 0
    for begin in range(len(ordered) - 1, -1, -1):
        count += len(ordered[begin])
        laid += sum(len(view.ids) for view in ordered[begin])
        tokens = laid if end_to_end else count * longest
        if begin < len(ordered) - 1 and tokens > budget:
            return
        for view in ordered[begin]:
            prefix = _common(view, last, at_most=prefix)
        saved = _saved(count, prefix, end_to_end=end_to_end) if sharing else 0
        yield best[begin][0] + tokens - saved + PASS_TOKENS, begin


def shared_prefix(views: Sequence[View]) -> int:
    """How many tokens at the beginning of all views are the same, are not trained and do not predict a trained one."""
    prefix = _before_labels(views[0])
    for view in views[1:]:
        prefix = _common(view, views[0], at_most=prefix)
    return prefix


def collate(views: Sequence[View], *, pad: int, sharing: bool, end_to_end: bool = False) -> Batch:
    """Right-pad views into one micro-batch.

    Args:
        views: at least one.
        pad: id to fill with; it may occur in the views as well, nothing is masked by it.
        sharing: whether a shared prefix is computed once, where that saves anything.
        end_to_end: as in `share_out`.
    """
    length = max(len(view.ids) for view in views)
    ids = torch.full((len(views), length), pad, dtype=torch.int64)
    labels = torch.full((len(views), length), IGNORED, dtype=torch.int64)
    for index, view in enumerate(views):
        ids[index, : len(view.ids)] = torch.tensor(view.ids)
        labels[index, : len(view.labels)] = torch.tensor(view.labels)
    prefix = shared_prefix(views) if sharing else 0
    prefix = prefix if _saved(len(views), prefix, end_to_end=end_to_end) else 0
    return Batch(ids=ids, labels=labels, prefix=prefix, views=tuple(views))


def _saved(count: int, prefix: int, *, end_to_end: bool) -> int:
    """Tokens saved by computing a prefix once, less what its own pass through the model costs; 0: not worth it."""
    return max(0, (count - 1) * prefix - (0 if end_to_end else PASS_TOKENS))


def _common(view: View, other: View, *, at_most: int) -> int:
    """`shared_prefix` of two views, where that of `other` is known to be `at_most`."""
    end = min(_before_labels(view), at_most)
    if view.ids[:end] == other.ids[:end]:
        return end
    return next(place for place in range(end) if view.ids[place] != other.ids[place])


def _before_labels(view: View) -> int:
    """The first position whose state a label needs."""
    first = next((place for place, label in enumerate(view.labels) if label != IGNORED), len(view.labels))
    return max(first - 1, 0)
