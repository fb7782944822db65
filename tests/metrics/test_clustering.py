"""Groups of alike vectors are found, and what is alone stays alone."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from seekloop.metrics import clustering


def planted(sizes, *, alone=0, seed=0):
    """Cosines of points about random middles in 40 dimensions, then of points about nothing."""
    draw = np.random.default_rng(seed)
    points = [draw.normal(size=40) * 3 + draw.normal(size=(size, 40)) for size in sizes]
    points = np.concatenate([*points, draw.normal(size=(alone, 40))])
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points @ points.T


def test_planted_groups_are_found_and_the_largest_is_the_first():
    group = clustering.groups(planted((6, 12, 9), alone=5))
    assert [set(group[a:b].tolist()) for a, b in ((0, 6), (6, 18), (18, 27))] == [{2}, {0}, {1}]
    assert set(group[27:].tolist()) == {clustering.NONE}


def test_points_that_are_like_no_other_are_in_no_group():
    assert set(clustering.groups(np.eye(6)).tolist()) == {clustering.NONE}


@settings(max_examples=30)
@given(st.integers(1, 14), st.integers(0, 99))
def test_linkage_merges_all_points_and_every_cut_has_the_groups_it_was_asked_for(n, seed):
    similarity = planted((n,), seed=seed)
    merges = clustering.average_linkage(similarity)
    assert len(merges) == n - 1
    assert [one.similarity for one in merges] == sorted((one.similarity for one in merges), reverse=True)
    assert [len(set(clustering.cut(merges, n=n, count=count).tolist())) for count in range(1, n + 1)] == list(
        range(1, n + 1)
    )


def test_a_silhouette_is_as_its_definition_says():
    similarity, group = planted((4, 5), seed=3), np.array([0] * 4 + [1] * 5)
    distance, first = 1 - similarity, 0
    inside, outside = distance[first, 1:4].mean(), min(1, distance[first, 4:].mean())
    expected = (outside - inside) / max(inside, outside)
    assert abs(clustering.silhouettes(similarity, group)[first] - expected) < 1e-12
