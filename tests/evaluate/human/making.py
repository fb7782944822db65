"""Reports without a model: rows, a checkpoint of nothing, answers as a function gives them."""

from __future__ import annotations

from seekloop.artifact.kinds import Checkpoint, Dataset, Report
from seekloop.artifact.rows import Message, Row, Source, row_id, write_rows
from seekloop.evaluate.scoring import Scored, write_answers
from seekloop.system.spec import Spec


class NoSpec(Spec):
    """Something that nobody specified."""


def row(question, label, answer, *, line=1):
    """A row of one question."""
    turns = (Message(role="user", content=question), Message(role="assistant", content=answer))
    return Row(id=row_id([question, answer]), messages=turns, label=label, source=Source(file="bank.jsonl", line=line))


def checkpoint(ctx):
    """A checkpoint that holds no weights."""
    with ctx.job("tune", NoSpec()) as job:
        job.path("config.json").write_text("{}", "utf-8")
        facts = {"form": "full", "family": "smollm2", "precision": "f32", "parameters": 0}
        return job.commit(Checkpoint(made_by=job.origin, **facts))


def dataset_of(ctx, rows):
    """A dataset with the rows as its test split."""
    with ctx.job("data", NoSpec()) as job:
        write_rows(job.path("test.jsonl"), rows)
        splits = {"train": 0, "validation": 0, "test": len(rows)}
        return job.commit(Dataset(made_by=job.origin, rows=len(rows), splits=splits, dropped={}))


def report(ctx, rows, answer, *, subject, dataset):
    """A report of the answers that a function gives to the rows."""
    with ctx.job("evaluate", NoSpec()) as job:
        write_answers(job.path("answers.jsonl"), [scored(one, answer(one)) for one in rows])
        facts = {"subject": subject.id, "dataset": dataset.id, "split": "test", "engine": "echo", "figures": ()}
        return job.commit(
            Report(parents={"checkpoint": subject.id, "dataset": dataset.id}, made_by=job.origin, **facts)
        )


def scored(one, got):
    """An answer as a report holds it."""
    expected = one.messages[-1].content
    common = {"row": one.id, "label": None, "got_label": None, "correct": False, "expected": expected, "got": got}
    measured = {"rougeL": None, "finish_reason": "stop", "completion_tokens": 3, "language": "en"}
    return Scored(**common, reference_text=expected, text=got, **measured)
