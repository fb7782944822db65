"""A first plan counts what stands in the project's files, and leaves nothing behind."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from seekloop.artifact.context import RunContext
from seekloop.data.spec import DataSpec
from seekloop.loop.adviser import Known, Wish, known, machine_of, question
from seekloop.loop.glance import glance

ROWS = [(f"第{number}位客户问：我的银行卡什么时候到？", "card_arrival") for number in range(40)]


def looked_at(folder: Path, *, base: str = "smollm2-135m", **spec: object) -> Known:
    with (folder / "rows.csv").open("w", encoding="gb18030", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *ROWS])
    with RunContext.in_folder(folder) as ctx:
        facts = known(base, ctx=ctx, data=DataSpec.parse({"sources": [{"path": "rows.csv"}], **spec}))
        assert ctx.ledger.artifacts("corpus") == []
    return facts


def test_rows_and_task_are_counted_before_anything_is_made(tmp_path: Path) -> None:
    facts = looked_at(tmp_path)
    asked = question(Wish(), facts, source="smollm2-135m", machine=machine_of(Wish(hardware="A100 80GB")))
    assert (asked.rows, asked.task) == (28, "classify")  # validation 0.1 and test 0.2 are not trained
    assert any(note.startswith("28 rows of") for note in asked.assumed)


def test_rows_of_a_source_that_comes_split_are_trained_whole(tmp_path: Path) -> None:
    sources = [{"path": "rows.csv", "split": "train"}, {"path": "rows.csv", "split": "test"}]
    counted = looked_at(tmp_path, sources=sources, split={"validation": 0}).counted
    assert counted is not None and len(counted.rows) == 40


def test_a_small_vocabulary_spends_more_tokens_on_chinese(tmp_path: Path) -> None:
    small, large = (looked_at(tmp_path, base=base).counted for base in ("smollm2-135m", "deepseek-7b"))
    assert small is not None and large is not None and small.tokens > 1.5 * large.tokens


@pytest.mark.parametrize(
    "source", [{"path": "nowhere.csv"}, {"path": "broken.csv"}, {"sql": {"url": "sqlite:///a.db", "table": "a"}}]
)
def test_what_cannot_be_looked_at_is_assumed(source: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "broken.csv").write_bytes(b"\x00\x01")
    with RunContext.in_folder(tmp_path) as ctx:
        assert glance(DataSpec.parse({"sources": [source]}), vocabulary=50_000, ctx=ctx) is None
