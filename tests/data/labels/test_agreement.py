"""Agreement of annotated items: who agrees, on what, and who with whom the least."""

from __future__ import annotations

import pytest

from seekloop.data.labels.agreement import agreement, ratings_of
from seekloop.data.labels.items import Item, Judgement
from seekloop.system.errors import DataError


def item(number, **said):
    judgements = tuple(Judgement(rater=r, labels=tuple(v.split("+")) if v else ()) for r, v in said.items())
    return Item(id=f"row:{number}", judgements=judgements)


ITEMS = [
    *(item(n, ann="fee", bob="fee", cy="fee") for n in range(4)),
    *(item(n, ann="card", bob="card", cy="fee") for n in range(4, 7)),
    item(7, ann="loan", bob="card", cy="fee"),
    item(8, ann="fee"),
]


def test_the_worst_label_and_the_worst_pair_stand_first():
    found = agreement(ratings_of(ITEMS), resamples=50)
    assert (found.units, found.raters) == (8, ("ann", "bob", "cy"))
    assert list(found.labels) == ["loan", "card", "fee"]
    assert "cy" in found.pairs[0].raters and found.pairs[-1].raters == ("ann", "bob")
    assert next(iter(found.confusions.items())) == (("card", "fee"), 7)
    assert found.fleiss is not None and found.fleiss.n == 8


def test_labels_that_overlap_agree_in_part():
    items = [item(n, ann="fee+card", bob="fee") for n in range(5)] + [
        item(n, ann="loan", bob="loan") for n in range(5, 9)
    ]
    figures = {
        m: agreement(ratings_of(items), metric=m, resamples=20).alpha.value for m in ("nominal", "jaccard", "masi")
    }
    assert figures["nominal"] < figures["masi"] < figures["jaccard"]
    assert agreement(ratings_of(items), metric="masi", resamples=20).fleiss is None


def test_only_submitted_judgements_count():
    skipped = Judgement(rater="bob", labels=("fee",), status="discarded")
    with pytest.raises(DataError) as caught:
        agreement(ratings_of([Item(id="r", judgements=(Judgement(rater="ann", labels=("fee",)), skipped))]))
    assert caught.value.code == "labels.no_overlap"


def test_grades_are_compared_in_the_order_given():
    items = [
        item(0, a="low", b="mid"),
        item(1, a="high", b="high"),
        item(2, a="low", b="low"),
        item(3, a="mid", b="mid"),
    ]
    ordered = ratings_of(items, order=["low", "mid", "high"])
    assert ordered.names == ("low", "mid", "high")
    assert agreement(ordered, metric="ordinal", resamples=20).alpha.value > agreement(ordered, resamples=20).alpha.value


def test_interval_agreement_needs_numbers():
    with pytest.raises(DataError) as caught:
        agreement(ratings_of(ITEMS), metric="interval")
    assert caught.value.code == "labels.not_numbers"


def test_a_report_is_plain_values_and_says_n_and_interval():
    value = agreement(ratings_of(ITEMS), resamples=50).as_json()
    assert value["alpha"]["n"] == 8 and len(value["alpha"]["ci"]) == 2
    assert value["pairs"][0]["agreed"] <= value["pairs"][-1]["agreed"]
