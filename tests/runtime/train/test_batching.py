"""Steps and micro-batches: every view once, within the budget, and only truly shared prefixes shared."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from seekloop.model.codec import View
from seekloop.runtime.train.batching import IGNORED, StepPlan, collate, share_out, shared_prefix

_ids = st.lists(st.integers(0, 3), min_size=2, max_size=24)


@st.composite
def _views(draw: st.DrawFn) -> list[View]:
    views = []
    for index, ids in enumerate(draw(st.lists(_ids, min_size=1, max_size=9))):
        asked = draw(st.integers(1, len(ids) - 1))
        labels = (IGNORED,) * asked + tuple(ids[asked:])
        views.append(View(row=f"row:{index}", turn=1, ids=tuple(ids), labels=labels))
    return views


@given(views=_views(), budget=st.integers(1, 80), workers=st.integers(1, 3), sharing=st.booleans())
def test_every_view_is_in_exactly_one_micro_batch(views: list[View], budget: int, workers: int, sharing: bool) -> None:
    hands = share_out(views, budget=budget, sharing=sharing, workers=workers)
    dealt = sorted(view.row for hand in hands for part in hand for view in part)
    assert dealt == sorted(view.row for view in views)
    assert len(hands) <= workers


@given(views=_views(), budget=st.integers(1, 80), workers=st.integers(1, 3))
def test_only_a_view_alone_may_exceed_the_budget(views: list[View], budget: int, workers: int) -> None:
    hands = share_out(views, budget=budget, sharing=True, workers=workers)
    for part in (part for hand in hands for part in hand):
        assert len(part) == 1 or len(part) * max(len(view.ids) for view in part) <= budget


@given(views=_views(), budget=st.integers(1, 80), workers=st.integers(1, 3))
def test_end_to_end_the_budget_counts_tokens_without_padding(views: list[View], budget: int, workers: int) -> None:
    hands = share_out(views, budget=budget, sharing=True, workers=workers, end_to_end=True)
    assert sorted(view.row for hand in hands for part in hand for view in part) == sorted(view.row for view in views)
    for part in (part for hand in hands for part in hand):
        assert len(part) == 1 or sum(len(view.ids) for view in part) <= budget
        shared = shared_prefix(part) if len(part) > 1 else 0
        assert collate(part, pad=0, sharing=True, end_to_end=True).prefix == shared


@given(views=_views())
def test_a_shared_prefix_is_the_same_everywhere_and_predicts_no_label(views: list[View]) -> None:
    length = shared_prefix(views)
    assert len({view.ids[:length] for view in views}) == 1
    assert all(label == IGNORED for view in views for label in view.labels[: length + 1])


@given(views=_views())
def test_a_shared_prefix_is_as_long_as_it_can_be(views: list[View]) -> None:
    length = shared_prefix(views) + 1
    same = len({view.ids[:length] for view in views}) == 1
    assert not same or any(label != IGNORED for view in views for label in view.labels[: length + 1])


@given(views=_views(), pad=st.integers(0, 3))
def test_padding_is_known_by_its_place_not_by_its_id(views: list[View], pad: int) -> None:
    batch = collate(views, pad=pad, sharing=True)
    for index, view in enumerate(views):
        assert tuple(batch.ids[index, : len(view.ids)].tolist()) == view.ids
        assert tuple(batch.labels[index, : len(view.ids)].tolist()) == view.labels
        assert (batch.labels[index, len(view.ids) :] == IGNORED).all()


def test_rows_of_different_lengths_are_put_into_buckets() -> None:
    lengths = [4] * 60 + [400]
    views = [_view(index, length) for index, length in enumerate(lengths)]
    (hand,) = share_out(views, budget=100_000, sharing=False, workers=1)
    assert sorted(len(part) for part in hand) == [1, 60]


def test_equal_work_is_shared_equally() -> None:
    views = [_view(index, 200) for index in range(8)]
    hands = share_out(views, budget=100_000, sharing=False, workers=2)
    assert [sum(len(part) for part in hand) for hand in hands] == [4, 4]


@given(count=st.integers(1, 12), size=st.integers(1, 5), seed=st.integers(0, 9))
def test_each_epoch_trains_each_row_once_in_an_order_of_its_own(count: int, size: int, seed: int) -> None:
    rows = [[_view(index, 3), _view(index, 4)] for index in range(count)]
    plan = StepPlan(rows=rows, rows_per_step=size, epochs=2, max_steps=None, seed=seed)
    epochs = [
        [view.row for step in range(plan.steps_per_epoch) for view in plan.views(epoch * plan.steps_per_epoch + step)]
        for epoch in range(2)
    ]
    for order in epochs:
        assert sorted(order) == sorted(view.row for row in rows for view in row)
    assert count < 6 or epochs[0] != epochs[1]


def test_the_views_of_a_row_stay_in_one_step() -> None:
    rows = [[_view(index, 3), _view(index, 4)] for index in range(5)]
    plan = StepPlan(rows=rows, rows_per_step=2, epochs=1, max_steps=None, seed=0)
    for step in range(plan.steps):
        names = [view.row for view in plan.views(step)]
        assert all(names.count(name) == 2 for name in names)


def _view(index: int, length: int) -> View:
    ids = tuple(range(length))
    return View(row=f"row:{index}", turn=1, ids=ids, labels=(IGNORED,) * (length - 1) + ids[-1:])
