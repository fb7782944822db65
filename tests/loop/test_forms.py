"""All forms of a checkpoint in one table, measured once, and the pick for a goal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.artifact.rows import Message, Row, Source, row_id, write_rows
from seekloop.compress.spec import CompressInputs, CompressSpec
from seekloop.compress.stage import run as compress
from seekloop.loop.forms.pick import pick
from seekloop.loop.forms.rendering import markdown, page
from seekloop.loop.forms.spec import FormsSpec, Goal
from seekloop.loop.forms.table import FormLine, FormsTable, family_of, measured_table
from seekloop.runtime.tiny import tiny_base
from seekloop.system.errors import UsageError
from seekloop.system.spec import Spec

SPEC = FormsSpec.parse({"evaluate": {"max_tokens": 4}, "streams": [2], "tokens": 2, "likelihood_rows": 3})


def form(name: str, *, size: float, speed: float, quality: float, peak: float = 300) -> FormLine:
    loss = quality - 0.9
    return FormLine(
        id=f"checkpoint:{name}",
        name=name,
        size_mb=size,
        quality=quality,
        n=200,
        difference=None if name == "parent" else (loss, loss - 0.02, loss + 0.02),
        kl=0.01,
        kl_at_least=False,
        measured={"tokens_per_s": {"1": speed}, "load_s": 1, "first_token_s": 0.1, "peak_mib": peak, "engine": "x"},
    )


TABLE = FormsTable(
    parent="checkpoint:parent",
    dataset="dataset:d",
    figure="accuracy",
    lines=(
        form("parent", size=540, speed=8, quality=0.9, peak=900),
        form("eight", size=140, speed=40, quality=0.895),
        form("four", size=90, speed=60, quality=0.87),
    ),
    hardware={"cpu": "a chip", "cores": 2},
)


def dataset(ctx) -> Dataset:
    rows = [
        Row(
            id=row_id([number]),
            messages=(
                Message(role="user", content=f"case {number}"),
                Message(role="assistant", content="ab"[number % 2]),
            ),
            label="ab"[number % 2],
            source=Source(file="here", line=number),
        )
        for number in range(1, 9)
    ]
    with ctx.job("data", Spec()) as job:
        for split in ("train", "validation", "test", "calibration", "dropped"):
            write_rows(job.path(f"{split}.jsonl"), rows if split == "test" else [])
        told = {"splits": {"train": 0, "validation": 0, "test": len(rows)}, "dropped": {}, "labels": ("a", "b")}
        return job.commit(Dataset(made_by=job.origin, rows=len(rows), answer="label", **told))


@pytest.mark.slow
def test_every_form_is_measured_in_a_process_of_its_own_and_only_once(ctx):
    base, rows = tiny_base(ctx), dataset(ctx)
    made = compress(CompressSpec.parse({"method": {"precision": "q8_0"}}), CompressInputs(checkpoint=base), ctx=ctx)
    parent, forms = family_of([made], ctx=ctx)
    assert (parent.id, [one.id for one in forms]) == (base.id, [made.id])
    table = measured_table(parent, forms, dataset=rows, spec=SPEC, ctx=ctx)
    assert [line.name for line in table.lines] == ["full f32", "gguf q8_0"]
    assert table.lines[1].size_mb < table.lines[0].size_mb
    assert table.lines[1].difference is not None
    assert table.lines[1].kl == ctx.store.receipt(made.id).cost["parity_kl"]
    for line in table.lines:
        assert set(line.speeds) == {2}
        assert line.measured["perplexity"] > 1
    before = ctx.ledger.artifacts(None)
    assert measured_table(parent, forms, dataset=rows, spec=SPEC, ctx=ctx) == table
    assert ctx.ledger.artifacts(None) == before


def test_forms_of_several_parents_are_not_compared(ctx):
    bases: list[Checkpoint] = [tiny_base(ctx, seed=seed) for seed in (1, 2)]
    made = [
        compress(CompressSpec.parse({"method": {"precision": "q8_0"}}), CompressInputs(checkpoint=one), ctx=ctx)
        for one in bases
    ]
    with pytest.raises(UsageError) as caught:
        family_of(made, ctx=ctx)
    assert caught.value.code == "loop.forms_of_several"


def test_a_checkpoint_without_forms_is_told(ctx):
    with pytest.raises(UsageError) as caught:
        family_of([tiny_base(ctx)], ctx=ctx)
    assert caught.value.code == "loop.no_forms"


@pytest.mark.parametrize(
    ("goal", "bounds", "best"),
    [
        ("smallest", {}, "four"),
        ("smallest", {"max_drop": "1pt"}, "eight"),
        ("fastest", {"max_drop": "3"}, "four"),
        ("accuracy", {}, "parent"),
        ("accuracy", {"max_mib": 400}, "eight"),
    ],
)
def test_the_pick_is_the_best_that_keeps_the_bounds(goal, bounds, best):
    wanted = Goal.told(goal, max_drop=bounds.get("max_drop"), max_mib=bounds.get("max_mib"))
    assert pick(TABLE, wanted, language="en").id == f"checkpoint:{best}"


def test_the_pick_says_what_so_few_rows_cannot_rule_out():
    reason = pick(TABLE, Goal(max_drop=1), language="en").reason
    assert "loses 0.5 points" in reason
    assert "95 % interval -1.5 to 2.5, n = 200" in reason
    assert "cannot rule out" in reason


def test_where_nothing_keeps_the_bounds_the_nearest_is_named():
    strict = replace(TABLE, lines=TABLE.lines[1:])
    picked = pick(strict, Goal(max_drop=0.1), language="zh")
    assert picked.id is None
    assert "eight" in picked.reason
    assert "没有形式满足限制" in picked.reason


def test_points_are_read_as_people_write_them():
    assert [Goal.told("fastest", max_drop=text, max_mib=None).max_drop for text in ("1pt", "2 %", "1.5")] == [1, 2, 1.5]
    with pytest.raises(UsageError) as caught:
        Goal.told("fastest", max_drop="a bit", max_mib=None)
    assert caught.value.code == "loop.bad_points"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_holds_all_that_it_shows(language):
    picked = pick(TABLE, Goal(), language=language)
    html, text = page(TABLE, picked, language=language), markdown(TABLE, picked, language=language)
    assert html.count("<svg") == 2
    assert "src=" not in html
    assert "href=" not in html
    for line in TABLE.lines:
        assert line.name in html
        assert line.name in text
    assert text.count("\n| ") == len(TABLE.lines) + 2
