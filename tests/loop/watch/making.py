"""A project on the tiny model with a first release, and a production that finds fault with it."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

from seekloop.artifact.context import RunContext
from seekloop.artifact.ledger import Answer, Feedback
from seekloop.loop import registry
from seekloop.loop.project import Project, ProjectSpec
from seekloop.loop.run import first_round
from seekloop.loop.steps import Steps

CLOSED = {"require": "at_most", "figure": "size_mb", "value": 0.0}
OPEN = {"require": "at_most", "figure": "size_mb", "value": 1000}
COMPOSE = {"system": "Name the intent, then reply.", "answer": "label_then_text"}
LORA = {"method": {"type": "lora", "rank": 2}, "epochs": 1, "rows_per_step": 4}


def values(**watch: Any) -> dict[str, Any]:
    """A project file whose gate lets everything through: what is tested is the way, not what a random model can do."""
    return {
        "domain": "bank support",
        "base": "tiny",
        "data": {
            "sources": [{"path": "data/messages.jsonl", "columns": {"subject": "customer"}}],
            "split": {"validation": 0.0, "test": 0.2},
            "compose": COMPOSE,
        },
        "tune": {**LORA, "max_steps": 2},
        "evaluate": {"engine": "torch", "limit": 4, "max_tokens": 2, "resamples": 100, "threads": 1},
        "serve": {"max_tokens": 8},
        "learn": {"min_corrections": 4},
        "incremental": {
            "data": {"split": {"validation": 0.0, "test": 0.35}, "replay": {"rows": 6}, "compose": COMPOSE},
            "tune": {**LORA, "max_steps": 3},
        },
        "gate": {"rules": [OPEN], "min_rows": 1},
        "watch": {"triggers": [{"n_errors": 6}, "manual"], "cool_down": "0", "lease_s": 5, **watch},
    }


def lines(name: str, count: int) -> list[dict[str, Any]]:
    """Rows of the shipped sample."""
    text = resources.files("seekloop.data").joinpath("sample", name).read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()[:count]]


def make_project(folder: Path, **watch: Any) -> Project:
    """A project with its first release in production."""
    (folder / "data").mkdir(parents=True)
    written = [json.dumps(row) + "\n" for row in lines("messages.jsonl", 60)]
    (folder / "data" / "messages.jsonl").write_text("".join(written), "utf-8")
    project = Project.create(folder, values(**watch))
    with project.context() as ctx:
        first_round(project.spec, Steps(ctx, "first round"))
    return project


def spec_of(**watch: Any) -> ProjectSpec:
    """The spec alone."""
    return ProjectSpec.parse(values(**watch))


def answered(ctx: RunContext, *, first: int = 0, count: int = 10, wrong: bool = True, callers: int = 5) -> None:
    """Answers of the release in production, and what agents said of each."""
    release = registry.promoted("production", ctx=ctx).target
    rows = lines("traffic.jsonl", first + count)[first:]
    at = ctx.clock.now().isoformat()
    ctx.ledger.record_answers(
        [
            Answer(
                id=f"ans_{number:04x}",
                release=release,
                at=at,
                caller=f"customer-{number}",
                messages=[{"role": "user", "content": row["text"]}],
                content="nonsense\nNo idea.",
                finish_reason="stop",
                prompt_tokens=5,
                completion_tokens=3,
                first_token_ms=1.0,
                total_ms=2.0,
            )
            for number, row in enumerate(rows, start=first)
        ]
    )
    for number, row in enumerate(rows, start=first):
        said = {"label": row["intent"], "correction": row["reply"], "score": 0.0} if wrong else {"score": 1.0}
        ctx.ledger.record_feedback(
            Feedback(id=f"fb-{number}", answer=f"ans_{number:04x}", at=at, caller=f"agent-{number % callers}", **said)
        )


def made(ctx: RunContext) -> set[str]:
    """Ids of everything that the project has made."""
    return {record.id for record in ctx.ledger.artifacts()}
