"""A later round on a copy of the walked project: both strategies, the frozen sets, and rows that were erased since."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from seekloop.artifact.approvals import REGISTERED
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset, Lesson
from seekloop.artifact.lineage import REWRITTEN
from seekloop.artifact.rows import Row, read_rows
from seekloop.data.erase import erase, rewrite
from seekloop.data.holdings import Holding
from seekloop.data.wording import asked
from seekloop.loop import evidence, incremental, registry, rehearing
from seekloop.loop.frozen import frozen_sets
from seekloop.loop.lessons import JoinInputs, JoinSpec, earlier_lessons, join
from seekloop.loop.line import WITHDRAWN, line_of, withdrawn
from seekloop.loop.project import Project, ProjectSpec
from seekloop.loop.registry import Released
from seekloop.loop.steps import Steps
from seekloop.loop.strategies import EVENT, Choice
from seekloop.system.spec import override


@dataclass(frozen=True)
class Round:
    """A copy of the walked project, about to train its second round again."""

    project: Project
    ctx: RunContext
    parent: Released
    lesson: Lesson
    second: Released
    """What the walk's second round released."""

    def spec(self, *changes: str) -> ProjectSpec:
        return ProjectSpec.parse(override(self.project.spec.model_dump(mode="json"), changes))

    def dataset(self, *changes: str) -> Dataset:
        return incremental.dataset(self.spec(*changes), self.lesson, parent=self.parent, steps=Steps(self.ctx, "test"))

    def rows(self, dataset: Dataset, split: str) -> list[Row]:
        return list(read_rows(self.ctx.store.path(dataset.id, f"{split}.jsonl")))


@pytest.fixture
def again(walked, tmp_path) -> Iterator[Round]:
    """The second round once more, in a copy that may be changed."""
    shutil.copytree(walked.project.folder, tmp_path / "project")
    project = Project.open(tmp_path / "project")
    ctx = project.context()
    lesson = ctx.store.open(ctx.ledger.artifacts("lesson")[-1].id, Lesson)
    parent = registry.released("production", ctx=ctx)
    moves = [entry.target for entry in ctx.ledger.alias_history("production")]
    ctx.ledger.move_alias("second", moves[1], expected_version=0, actor="test", reason="to look at")
    yield Round(project, ctx, parent, lesson, registry.released("second", ctx=ctx))
    ctx.ledger.close()


def test_both_strategies_are_trained_measured_and_the_choice_is_recorded_once(again):
    spec = again.spec("incremental.strategies=[continue, retrain]")
    rows = again.dataset("incremental.strategies=[continue, retrain]")
    for run in ("one", "killed and gone on"):
        chosen = incremental.candidate(spec, rows, parent=again.parent, steps=Steps(again.ctx, run))
    (event,) = again.ctx.ledger.events(kind=EVENT)
    choice = Choice.model_validate(event.facts)
    assert (event.subject, choice.chosen) == (chosen.id, chosen.id)
    assert [one.strategy for one in choice.tried] == ["continue", "retrain"]
    assert {one.on for one in choice.tried[1].differences} == {"frozen"}
    assert all(one.tokens > 0 and one.seconds > 0 for one in choice.tried)
    retrained = again.ctx.store.open(choice.tried[1].candidate, Checkpoint)
    tuned = again.ctx.store.open(retrained.parents["checkpoint"], Checkpoint)
    assert "parent" not in tuned.parents
    everything = again.ctx.store.open(tuned.parents["dataset"], Dataset)
    assert everything.replay > rows.replay
    assert again.rows(everything, "test") == again.rows(rows, "test")


def test_a_strategy_that_takes_too_long_is_left_out_and_that_is_recorded(again):
    changes = ("incremental.strategies=[continue, retrain]", "incremental.retrain_minutes=0")
    rows = again.dataset(*changes)
    incremental.candidate(again.spec(*changes), rows, parent=again.parent, steps=Steps(again.ctx, "test"))
    (event,) = again.ctx.ledger.events(kind=EVENT)
    choice = Choice.model_validate(event.facts)
    assert (choice.strategy, choice.reason) == ("continue", "only")
    assert choice.skipped[0].strategy == "retrain" and choice.skipped[0].minutes > 0


def test_a_lesson_s_own_test_rows_become_a_frozen_set_of_every_later_round(again):
    assert [one.name for one in frozen_sets(again.parent, again.ctx)] == ["frozen"]
    sets = frozen_sets(again.second, again.ctx)
    assert [(one.name, one.rows > 0) for one in sets] == [("frozen", True), ("frozen.1", True)]
    assert sets[0].dataset == again.parent.frozen == again.second.frozen
    assert sets[1].dataset == again.second.trained_on
    held = {asked(row) for one in sets for row in again.rows(one.dataset, "test")}
    third = incremental.dataset(
        again.spec("incremental.data.replay.share=1.0", "incremental.data.replay.rows=null"),
        again.lesson,
        parent=again.second,
        steps=Steps(again.ctx, "third"),
    )
    assert not held & {asked(row) for row in again.rows(third, "train")}


def test_a_third_round_is_measured_on_the_second_s_lesson_and_again_after_a_crash(again):
    spec = again.spec("gate.recipe=standard")
    given = {"dataset": again.dataset(), "parent": again.second}
    candidate = again.parent.checkpoint
    one, other = (evidence.measure(spec, candidate, **given, steps=Steps(again.ctx, run)) for run in ("one", "killed"))
    assert one == other
    assert one.lessons.dataset == one.parent_lessons.dataset == again.second.trained_on.id
    assert one.lessons.parents["baseline"] == one.parent_lessons.id
    assert one.parent_lessons.subject == again.second.checkpoint.id
    assert not [figure for figure in one.lessons.figures if figure.name.startswith(("probe", "safety"))]
    (event,) = again.ctx.ledger.events(kind=REGISTERED, subject=spec.gate.digest)
    assert event.facts["data"]["lessons"]["dataset"] == again.second.trained_on.id
    found = rehearing.gather(spec.gate, one.asked, ctx=again.ctx)
    assert [figure.name for figure in found["lessons"].figures] == ["forgetting_points"]


def test_lessons_are_joined_and_each_question_is_asked_once(again):
    lesson, first = again.second.trained_on, again.parent.frozen
    for run in ("one", "killed"):
        made = Steps(again.ctx, run).do(
            "join", join, spec=JoinSpec(), inputs=JoinInputs(lessons=(first, lesson, first))
        )
    questions = dict.fromkeys(asked(row) for one in (first, lesson) for row in again.rows(one, "test"))
    assert [asked(row) for row in again.rows(made, "test")] == list(questions)
    assert made.splits == {"train": 0, "validation": 0, "test": len(questions)}
    assert again.rows(made, "train") == []


def test_a_lesson_whose_test_rows_were_all_erased_is_no_earlier_lesson(again):
    steps = Steps(again.ctx, "test")
    lesson = again.second.trained_on
    assert earlier_lessons(again.second, steps=steps) == lesson
    ids = tuple(row.id for row in again.rows(lesson, "test"))
    holding = Holding(artifact=lesson.id, rows={"test.jsonl": ids})
    replaced = rewrite([holding], person="pseudonym", ctx=again.ctx)
    again.ctx.ledger.note(REWRITTEN, "pseudonym", facts={"replaced": replaced}, actor="test")
    again.ctx.ledger.move_alias("second", again.second.release.id, expected_version=1, actor="test", reason="again")
    assert earlier_lessons(registry.released("second", ctx=again.ctx), steps=steps) is None


def test_rows_of_an_erased_person_are_neither_replayed_nor_measured(again):
    everyone = ("incremental.data.replay.share=1.0", "incremental.data.replay.rows=null")
    before = again.dataset(*everyone)
    person = next(row.subject for row in again.rows(before, "train") if row.subject and "replayed_from" in row.meta)
    erase(person, ctx=again.ctx)
    parent = registry.released("production", ctx=again.ctx)
    assert parent.trained_on.id != again.parent.trained_on.id
    assert parent.frozen == parent.trained_on == next(line_of(again.parent.trained_on, ctx=again.ctx))
    for name in ("train", "test"):
        assert person not in {row.subject for row in again.rows(parent.frozen, name)}
    after = incremental.dataset(again.spec(*everyone), again.lesson, parent=parent, steps=Steps(again.ctx, "later"))
    assert after.replay < before.replay
    assert person not in {row.subject for row in again.rows(after, "train") if "replayed_from" in row.meta}


def test_what_was_withdrawn_is_not_replayed(again):
    chosen = [row.id for row in again.rows(again.dataset(), "train") if "replayed_from" in row.meta]
    again.ctx.ledger.note(WITHDRAWN, chosen[0], facts={"reason": "asked for"}, actor="test")
    again.ctx.ledger.note(WITHDRAWN, "row:of others", facts={"reason": "asked for"}, actor="test")
    assert withdrawn(line_of(again.parent.trained_on, ctx=again.ctx), ctx=again.ctx) == (chosen[0],)
    later = [row.id for row in again.rows(again.dataset(), "train") if "replayed_from" in row.meta]
    assert chosen[0] not in later and len(later) == len(chosen)
