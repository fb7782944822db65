"""The `labels` verbs, from rows to an annotation tool and back to decisions that a dataset applies."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from seekloop.app.main import app
from seekloop.system.errors import SeekloopError

ROWS = [
    {"text": "where is my refund, call 13812345678", "intent": "refund"},
    {"text": "my card is gone", "intent": "card"},
    {"text": "what does it cost", "intent": "refund"},
]


@pytest.fixture
def call(tmp_path):
    """Run a verb in a folder of its own; its stdout."""

    def run(*words):
        result = CliRunner().invoke(app, ["labels", *map(str, words)], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")
    (tmp_path / "t.txt").write_text("billing\n  refund\n  fee\ncard\n", "utf-8")
    return run


def test_a_dispute_goes_to_a_tool_and_comes_back_as_a_decision(call, tmp_path):
    tasks, items, queue = tmp_path / "tasks.json", tmp_path / "items.jsonl", tmp_path / "q"
    place, classes = ("-p", tmp_path), ("--taxonomy", tmp_path / "t.txt")
    call("export", tmp_path / "rows.jsonl", tasks, "--config", tmp_path / "c.xml", *classes, *place)
    exported = json.loads(tasks.read_text("utf-8"))
    assert "[PHONE]" in exported[0]["data"]["text"] and "<Taxonomy" in (tmp_path / "c.xml").read_text("utf-8")
    for task, (ann, bob) in zip(exported, [("refund", "refund"), ("card", "fee"), ("fee", "fee")], strict=True):
        task["annotations"] = [_said(1, ann), _said(2, bob)]
    tasks.write_text(json.dumps(exported), "utf-8")
    call("import", tasks, items)
    assert json.loads(call("agreement", items, "--json"))["units"] == 3
    call("queue", items, queue, *classes, *place)
    shown = json.loads(call("decide", queue, "--json", *place))
    assert shown["votes"] == {"1": ["card"], "2": ["billing/fee"]}
    call("decide", queue, shown["item"], "--label", "card", "--by", "cy", "--why", "it says so", *place)
    assert json.loads(call("decide", queue, "--json", *place)) is None
    decided = json.loads(next((queue / "decisions").glob("*.json")).read_text("utf-8"))
    assert (decided["labels"], decided["by"], decided["why"]) == (["card"], "cy", "it says so")


def _said(rater, label):
    region = {"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": [label]}}
    return {"completed_by": rater, "result": [region]}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["export", "nothing.csv", "x.json"], "labels.source"),
        (["export", "sample:messages.jsonl", "x.json", "--format", "argila"], "labels.choice"),
        (["agreement", "nothing.json"], "labels.source"),
    ],
)
def test_a_mistake_is_named(words, code, tmp_path):
    with pytest.raises(SeekloopError) as caught:
        CliRunner().invoke(app, ["labels", *words], catch_exceptions=False)
    assert caught.value.code == code
