"""The noise classifier: what it learns from, what it drops, how it is calibrated, and that later rounds share it."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from seekloop.data.judge.features import WIDTH, hashed
from seekloop.data.judge.head import train
from seekloop.data.unseen import FOLDS, fold_of
from seekloop.system.errors import DataError
from seekloop.text.normalize import key

ASKS = ("my card is {}", "how do I change the {}", "why was the {} refused", "please cancel the {}", "where is my {}")
THINGS = ("lost", "transfer", "PIN", "top-up", "statement", "limit", "payment", "address", "refund", "account")
ADS = ("cheap {} now at best price", "win {} followers free", "click here for hot {}", "earn {} a week from home")
ADS_ZH = ("加微信领取{}优惠", "兼职刷单日赚{}元", "高价回收{}礼品", "点击链接免费领{}")
ASKS_ZH = ("我的{}不能用了怎么办", "请问如何办理{}业务", "为什么{}没有到账", "想取消{}可以吗")
THINGS_ZH = ("银行卡", "转账", "密码", "充值", "账单", "限额", "付款", "地址", "退款", "账户")


def texts(patterns: tuple[str, ...], things: tuple[str, ...], n: int, *, seed: int) -> list[str]:
    chance = random.Random(seed)
    return [f"{chance.choice(patterns).format(chance.choice(things))} {chance.randrange(900)}" for _ in range(n)]


GOOD = texts(ASKS, THINGS, 300, seed=1) + texts(ASKS_ZH, THINGS_ZH, 300, seed=2)
BAD = texts(ADS, THINGS, 60, seed=3) + texts(ADS_ZH, THINGS_ZH, 60, seed=4)
PLAIN = {"dedupe": {"exact": False, "near": False}, "compose": {"answer": "label"}, "calibration": 0}


def marked(noise: list[str], clean: list[str]) -> list[dict]:
    rows = [{"text": t, "intent": "a", "noise": "noise"} for t in noise]
    return rows + [{"text": t, "intent": "a", "noise": "clean"} for t in clean]


def report_of(room, dataset) -> dict:
    return json.loads(room.store.path(dataset.id, "noise.json").read_bytes())


def test_marked_rows_teach_it_and_unmarked_ones_are_judged(write, make, room):
    rows = marked(BAD[:80], GOOD[:400]) + [{"text": t, "intent": "a"} for t in BAD[80:] + GOOD[400:]]
    made = make({"sources": [{"path": write("a.jsonl", rows)}], "filter": {"classifier": {}}, **PLAIN})
    judged = [row for row in made.rows["dropped"] if row.dropped == "noise_classifier"]
    assert made.dataset.dropped["marked_noise"] == 80
    assert len([row for row in judged if row.messages[0].content in BAD]) >= 36
    assert len([row for row in judged if row.messages[0].content in GOOD]) <= 2
    assert all(row.meta["noise_score"] >= 0.7 for row in judged)
    report = report_of(room, made.dataset)
    assert (report["noise_rows"], report["clean_rows"], report["learnt_from"]) == (80, len(set(GOOD[:400])), "marked")
    assert report["precision"] > 0.95
    assert report["ece"] < 0.05
    assert sum(one["n"] for one in report["curve"]) == 80 + len(set(GOOD[:400]))


def test_files_of_examples_teach_it_in_any_layout(write, make, room):
    noise, clean = write("noise.txt", "\n".join(BAD)), write("clean.csv", "问题\n" + "\n".join(GOOD[:500]))
    rows = [{"text": t, "intent": "a"} for t in (*GOOD[500:], "加微信领取三千优惠 7", "win statement followers free 8")]
    spec = {"filter": {"classifier": {"noise": [noise], "clean": [clean]}}, **PLAIN}
    made = make({"sources": [{"path": write("a.jsonl", rows)}], **spec})
    assert made.dataset.dropped == {"noise_classifier": 2}
    assert report_of(room, made.dataset)["learnt_from"] == "marked"


def test_rows_that_rules_drop_can_teach_it(write, make, room):
    mash = ["asdf" + "ghjkl"[: n % 5] + f" qwer{'tyui'[: n % 4]} zxcv {n}" for n in range(60)]
    rows = [{"text": t, "intent": "a"} for t in GOOD + mash]
    spec = {"filter": {"classifier": {"weak": True}}, **PLAIN}
    made = make({"sources": [{"path": write("a.jsonl", rows)}], **spec})
    assert made.dataset.dropped["keyboard_mash"] >= 40
    assert report_of(room, made.dataset)["learnt_from"] == "weak"


def test_a_later_round_is_judged_by_the_same_head(write, make, room, said):
    first = make(
        {"sources": [{"path": write("a.jsonl", marked(BAD[:80], GOOD[:400]))}], "filter": {"classifier": {}}, **PLAIN}
    )
    rows = [{"text": t, "intent": "a"} for t in BAD[80:] + GOOD[400:]]
    spec = {"filter": {"classifier": {}}, **PLAIN}
    second = make({"sources": [{"path": write("b.jsonl", rows)}], **spec}, parent=first.dataset)
    heads = [room.store.path(made.dataset.id, "noise_head.safetensors").read_bytes() for made in (first, second)]
    assert second.dataset.dropped["noise_classifier"] >= 36
    assert heads[0] == heads[1]
    assert report_of(room, second.dataset)["reused_from"] == first.dataset.id


def test_the_same_rows_and_seed_give_the_same_dataset(write, make):
    spec = {"sources": [{"path": write("a.jsonl", marked(BAD, GOOD))}], "filter": {"classifier": {}}, **PLAIN}
    assert make(spec).dataset.id == make(spec).dataset.id


@pytest.mark.parametrize("noise", [[], BAD[:5]])
def test_too_few_marks_are_refused(write, make, noise):
    source = write("a.jsonl", marked(noise, GOOD[:50]))
    with pytest.raises(DataError) as caught:
        make({"sources": [{"path": source}], "filter": {"classifier": {}}, **PLAIN})
    assert caught.value.code == "data.few_marks"


def test_a_mark_that_says_nothing_is_refused(write, make):
    source = write("a.jsonl", [{"text": "hello", "intent": "a", "noise": "perhaps"}])
    with pytest.raises(DataError) as caught:
        make({"sources": [{"path": source}], **PLAIN})
    assert caught.value.code == "data.bad_mark"


def test_no_row_is_judged_by_weights_that_saw_it():
    rows = GOOD[:200] + BAD[:50]
    vectors, noise = [hashed(text) for text in rows], np.array([False] * 200 + [True] * 50)
    keys = [key(text) for text in rows]
    whole = train(vectors, noise, keys=keys, width=WIDTH).head
    fold = fold_of(keys[0])
    others = [i for i, name in enumerate(keys) if fold_of(name) != fold]
    less = train([vectors[i] for i in others], noise[others], keys=[keys[i] for i in others], width=WIDTH).head
    assert {fold_of(name) for name in keys} == set(range(FOLDS))
    assert np.array_equal(whole.weights[fold], less.weights[fold])


def test_the_expected_share_of_noise_moves_the_odds(write, make):
    rows = [*marked(BAD[:80], GOOD[:400]), {"text": "win a card for free 12", "intent": "a"}]
    source = write("a.jsonl", rows)
    scores = []
    for share in (0.001, None, 0.9):
        spec = {"filter": {"classifier": {"share": share, "threshold": 0.0001}}, **PLAIN}
        dropped = make({"sources": [{"path": source}], **spec}).rows["dropped"]
        scores.append(next((row.meta["noise_score"] for row in dropped if row.dropped == "noise_classifier"), 0.0))
    assert scores[0] < scores[1] < scores[2]
