"""Which old rows are trained again: each once, with the same chance or by class, and none that may not be."""

from __future__ import annotations

import hashlib
import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.artifact.rows import Message, Row, Source
from seekloop.data.replay import Trained, drawn, parts
from seekloop.data.replay_spec import ReplaySpec
from seekloop.data.reservoir import Reservoir
from seekloop.data.rounds import Rounds
from seekloop.data.spec import DataInputs, DedupeSpec
from seekloop.system.errors import DataError, UsageError
from seekloop.text.shingles import keys

CHI2_99_OF_99 = 134.64
"""Chi-square of 99 degrees of freedom that chance exceeds in 1 % of cases."""


def row(text: str, *, label: str | None = None, name: str | None = None, **more) -> Row:
    return Row(
        id=name or f"row:{text}",
        messages=(Message(role="user", content=text),),
        label=label,
        source=Source(file="f", line=1),
        **more,
    )


def rounds(*trained: list[Row]) -> list[Trained]:
    """The newest first."""
    return [Trained(dataset=f"dataset:{place}", rows=lambda rows=rows: rows) for place, rows in enumerate(trained)]


def draw(*trained: list[Row], new=(), fresh: int = 0, seed: int = 1, **spec):
    return drawn(
        rounds(*trained), ReplaySpec.parse(spec), new=set(keys(list(new))) if new else set(), fresh=fresh, seed=seed
    )


IDS = st.lists(st.text("abcdef0123456789", min_size=1, max_size=4))


@given(IDS, IDS, st.integers(0, 6), st.randoms())
def test_a_reservoir_does_not_depend_on_order_repetition_or_how_the_stream_was_cut(left, right, size, shuffler):
    whole = Reservoir(size, seed=3, ids=[*left, *right])
    mixed = [*right, *left, *right]
    shuffler.shuffle(mixed)
    merged = Reservoir(size, seed=3, ids=left).merged(Reservoir(size, seed=3, ids=right))
    assert whole.ids() == merged.ids() == Reservoir(size, seed=3, ids=mixed).ids()
    assert len(whole) == min(size, len({*left, *right}))


@given(st.sets(st.text("abcdef", min_size=1), max_size=9), st.integers(1, 5))
def test_the_beginning_of_a_reservoir_is_a_smaller_one(ids, size):
    assert Reservoir(9, seed=1, ids=ids).ids()[:size] == Reservoir(size, seed=1, ids=ids).ids()


def test_samples_of_another_seed_do_not_merge():
    with pytest.raises(ValueError, match="another size or seed"):
        Reservoir(2, seed=1).merged(Reservoir(2, seed=2))


def test_every_row_ever_trained_has_the_same_chance_whichever_round_trained_it():
    old, later, newest = (
        [row(f"{age} {n}", label=f"intent {n % 7}") for n in range(count)]
        for age, count in (("old", 60), ("later", 30), ("newest", 10))
    )
    counts: Counter[str] = Counter()
    seeds = 600
    for seed in range(seeds):
        counts.update(draw(newest, later, old, seed=seed, method="reservoir", rows=20).chosen)
    expected = seeds * 20 / 100
    # 20 of 100 without replacement: counts vary by a factor 0.8 less than a multinomial's.
    chi2 = sum((counts[one.id] - expected) ** 2 / (expected * 0.8) for one in (*old, *later, *newest)) * 99 / 100
    assert len(counts) == 100 and chi2 < CHI2_99_OF_99


@given(
    st.dictionaries(st.text("abc", min_size=1), st.integers(0, 40)),
    st.integers(0, 120),
    st.sampled_from(["equal", "sqrt"]),
)
def test_parts_add_up_and_no_label_gives_more_than_it_has(counts, wanted, weights):
    given_rows = parts(counts, wanted, weights=weights)
    assert sum(given_rows.values()) == min(wanted, sum(counts.values()))
    assert all(0 <= given_rows[label] <= count for label, count in counts.items())


def test_by_class_is_even_and_a_new_intent_has_its_part():
    old = [row(f"{label} {n}", label=label) for label in "ab" for n in range(40)]
    lesson = [row(f"new {n}", label="new") for n in range(6)]
    assert Counter(one.label for one in draw(lesson, old, rows=15).rows()) == {"a": 5, "b": 5, "new": 5}
    assert parts({"a": 400, "b": 100, "c": 4}, 80, weights="sqrt") == {"a": 51, "b": 25, "c": 4}


def test_a_row_counts_once_and_the_newest_word_on_a_prompt_stands():
    old = [row("where is it", label="wrong", name="row:1"), row("block it", label="block", name="row:2")]
    again = old[1].model_copy(update={"meta": {"replayed_from": "dataset:9"}})
    newer = [row("Where is it?", label="right", name="row:3"), again]
    found = draw(newer, old, rows=9)
    assert [one.id for one in found.rows()] == ["row:3", "row:2"]
    assert (found.eligible, found.left_out) == (2, {"replaced": 1})


def test_what_this_round_says_anew_and_what_was_withdrawn_is_not_replayed():
    old = [
        row("said anew"),
        row("a withdrawn row", name="row:w"),
        row("of an erased answer", origin="ans_1"),
        row("of a person", subject="subject:1"),
        row("stays"),
    ]
    found = draw(old, new=["Said anew."], share=1.0, without=("row:w", "ans_1", "subject:1"))
    assert [one.messages[0].content for one in found.rows()] == ["stays"]
    assert found.left_out == {"said_anew": 1, "withdrawn": 3}


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        ({"rows": 9}, 9),
        ({"share": 0.5}, 20),
        ({"ratio": 0.3}, 9),
        ({"share": 1.0, "at_most": 7}, 7),
        ({"rows": 99}, 40),
    ],
)
def test_how_many_are_replayed(spec, count):
    old = [row(f"{n}", label=str(n % 4)) for n in range(40)]
    assert len(draw(old, fresh=21, **spec)) == len(list(draw(old, fresh=21, **spec).rows())) == count


def test_one_amount_is_given():
    with pytest.raises(UsageError) as caught:
        ReplaySpec.parse({"share": 0.1, "ratio": 0.1})
    assert caught.value.code == "system.spec_bad_value"


def intents(count: int, *, start: int = 0, label: str | None = None) -> list[dict[str, str]]:
    """Rows that are like no other, whatever the similarity."""
    return [
        {"text": hashlib.sha256(f"{n}".encode()).hexdigest()[:40], "label": label or f"intent_{n % 3}"}
        for n in range(start, start + count)
    ]


def spec_of(path: str, **more) -> dict:
    return {"sources": [{"path": path}], "compose": {"answer": "label"}, **more}


def test_the_report_says_what_was_replayed_and_that_nothing_near_is_trained(write, make, room, said):
    first = make(spec_of(write("a.jsonl", intents(60))))
    second = make(
        spec_of(write("b.jsonl", intents(12, start=100, label="new")), replay={"ratio": 0.5, "method": "reservoir"}),
        parent=first.dataset,
    )
    report = json.loads(room.store.path(second.dataset.id, "report.json").read_text("utf-8"))
    train = second.dataset.splits["train"]
    assert report["replay"] == {"rows": second.dataset.replay, "of": first.dataset.splits["train"], "left_out": {}}
    assert second.dataset.replay == train / 2
    held = first.dataset.splits["test"] + first.dataset.splits["validation"]
    assert report["frozen"] == {"rounds": 1, "held_out": held, "compared": train, "near": 0, "at": 0.9}
    assert any("replay: " in line for line in said.lines)


def test_a_third_round_replays_from_all_before_it(write, make):
    first = make(spec_of(write("a.jsonl", intents(40))))
    second = make(spec_of(write("b.jsonl", intents(20, start=100, label="new"))), parent=first.dataset)
    third = make(spec_of(write("c.jsonl", intents(9, start=200)), replay={"share": 1.0}), parent=second.dataset)
    sources = Counter(one.meta.get("replayed_from") for one in third.rows["train"])
    assert sources[first.dataset.id] == first.dataset.splits["train"]
    assert sources[second.dataset.id] == second.dataset.splits["train"]
    assert third.dataset.labels == ("intent_0", "intent_1", "intent_2", "new")


def test_what_was_trained_with_the_same_answer_is_dropped_and_another_answer_stays(write, make):
    first = make(spec_of(write("a.jsonl", intents(40))))
    old = first.rows["train"][:2]
    texts = [one.messages[-2].content for one in old]
    again = [
        {"text": texts[0] + "!", "label": old[0].label},
        {"text": texts[1], "label": "standing_order"},
        *intents(8, start=100),
    ]
    second = make(
        spec_of(write("b.jsonl", again), dedupe={"trained": "drop"}, replay={"share": 1.0}), parent=first.dataset
    )
    assert second.dataset.dropped == {"trained_before": 1}
    assert second.rows["dropped"][0].twin == old[0].id
    assert [one.label for one in second.rows["train"] if one.messages[-2].content == texts[1]] == ["standing_order"]


PLANTED = {
    "en": (
        "Hello, could you please tell me why my card payment was declined at the supermarket yesterday?",
        [
            "hello could you please tell me why my card payment was declined at the supermarket yesterday",
            "Could you please tell me why my card payment was declined at the supermarket yesterday?",
            "Hello, could you tell me why my card payments were declined at the supermarket yesterday?",
            "Hello, can you please explain why my card payment was declined in the supermarket yesterday?",
        ],
    ),
    "zh": (
        "你好，请问我昨天在超市刷卡付款的时候为什么被拒绝了，钱会不会被扣掉？",
        [
            "你好请问我昨天在超市刷卡付款的时候为什么被拒绝了钱会不会被扣掉",
            "请问我昨天在超市刷卡付款的时候为什么被拒绝了，钱会不会被扣掉？",
            "您好，请问昨天我在超市刷卡付款时为什么被拒绝了，钱会不会被扣掉？",
            "你好，请问为什么我昨天在超市刷卡付款的时候被拒绝，钱会不会被扣？",
        ],
    ),
}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_paraphrase_of_a_frozen_row_of_any_round_is_trained(write, make, room, language):
    frozen, paraphrases = PLANTED[language]
    held = [{"text": frozen, "label": "intent_0", "split": "test"}]
    first = make(spec_of(write("a.jsonl", [*intents(30), *held])))
    second = make(spec_of(write("b.jsonl", intents(20, start=100, label="new"))), parent=first.dataset)
    planted = [{"text": text, "label": "intent_1"} for text in paraphrases]
    third = make(
        spec_of(write("c.jsonl", [*planted, *intents(9, start=200)]), dedupe={"held_out": 0.7}, replay={"share": 1.0}),
        parent=second.dataset,
    )
    assert third.dataset.dropped == {"leak_test": 4}
    report = json.loads(room.store.path(third.dataset.id, "report.json").read_text("utf-8"))
    assert (report["frozen"]["near"], report["frozen"]["rounds"], report["frozen"]["at"]) == (0, 2, 0.7)


def test_an_old_row_that_is_near_what_is_frozen_is_left_out_of_replay(write, make, room):
    text, near = PLANTED["en"][0], PLANTED["en"][1][3]
    held = [{"text": text, "label": "intent_0", "split": "test"}, {"text": near, "label": "intent_0", "split": "train"}]
    first = make(spec_of(write("a.jsonl", [*intents(30), *held])))
    told = spec_of(write("b.jsonl", intents(9, start=100)), dedupe={"held_out": 0.7}, replay={"share": 1.0})
    second = make(told, parent=first.dataset)
    report = json.loads(room.store.path(second.dataset.id, "report.json").read_text("utf-8"))
    assert report["replay"]["left_out"] == {"near_held_out": 1}
    assert second.dataset.replay == first.dataset.splits["train"] - 1


def test_a_dataset_that_would_train_a_frozen_row_is_not_made(write, make, room):
    first = make(spec_of(write("a.jsonl", intents(40))))
    rounds_before = Rounds(DataInputs(parent=first.dataset), ctx=room)
    guard = rounds_before.guard(DedupeSpec())
    assert rounds_before.prove(first.rows["train"], guard)["near"] == 0
    with pytest.raises(DataError) as caught:
        rounds_before.prove([*first.rows["train"], first.rows["test"][0]], guard)
    assert caught.value.code == "replay.near_frozen"
