"""AutoFT: the same trials after a crash, the best one's spec as a file, and samplers that learn."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest

from seekloop import data
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.loop.search.folds import views
from seekloop.loop.search.run import EVENT, search
from seekloop.loop.search.samplers import Policy, Sampler, Tpe, Uniform
from seekloop.loop.search.spec import SearchSpec
from seekloop.runtime.tiny import tiny_base
from seekloop.system.errors import TrainError, UsageError
from seekloop.system.progress import Silent
from seekloop.tune.spec import TuneInputs, TuneSpec
from tests.runtime.train.making import dataset, rows

SIZES = {"rank": 5, "rate_factor": 6, "epochs": 4}
PRIOR = {"rank": 2, "rate_factor": 3, "epochs": 2}
SPEC = {
    "tune": {"method": {"rank": 4}, "epochs": 1},
    "space": {"ranks": [2, 4], "rate_factors": [1.0, 8.0], "epochs": [1], "rows_per_step": [4]},
    "sampler": "reinforce",
    "trials": 3,
}


def spec_of(**changes: object) -> SearchSpec:
    return SearchSpec.parse({**SPEC, **changes})


@pytest.fixture
def inputs(ctx: RunContext) -> TuneInputs:
    return prepared(ctx)


def found(ctx: RunContext) -> dict:
    (path,) = ctx.work.glob("search-*/trials.json")
    return json.loads(path.read_text("utf-8"))


class Dies(Silent):
    """Progress that kills the process when the second trial is done."""

    def say(self, text: str) -> None:
        if text.startswith("trial 2:"):
            os.kill(os.getpid(), signal.SIGKILL)


def prepared(ctx: RunContext) -> TuneInputs:
    return TuneInputs(dataset=dataset(ctx, train=rows(12), validation=rows(4, first=30)), checkpoint=tiny_base(ctx))


def killed(folder: Path) -> None:
    """Run by the test below in a process of its own."""
    with RunContext.in_folder(folder, seed=7, progress=Dies()) as ctx:
        search(spec_of(), prepared(ctx), ctx=ctx)


def test_a_search_that_is_killed_goes_on_with_the_same_trials(tmp_path: Path, repository: Path) -> None:
    code = "import sys, pathlib; from tests.loop.test_search import killed; killed(pathlib.Path(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=repository, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with RunContext.in_folder(tmp_path, seed=7) as ctx:
        before = {record.id for record in ctx.ledger.artifacts("checkpoint")}
        inputs = prepared(ctx)
        best = search(spec_of(), inputs, ctx=ctx)
        tried = [identity for trial in found(ctx)["trials"] for rung in trial["checkpoints"] for identity in rung]
        assert len(before) > 2 and before - {inputs.checkpoint.id} <= set(tried)
        assert (search(spec_of(), inputs, ctx=ctx).id, len(tried)) == (best.id, len(set(tried)))


def test_the_best_spec_is_a_file_that_tune_takes(ctx: RunContext, inputs: TuneInputs) -> None:
    best = search(spec_of(), inputs, ctx=ctx)
    (path,) = ctx.work.glob("search-*/best.yaml")
    spec = TuneSpec.load(path)
    assert isinstance(best, Checkpoint)
    # What `auto` came to stands in the checkpoint, not in the file.
    settled = TuneSpec.parse(best.made_by.spec).compute
    assert best.made_by.spec_digest == spec.model_copy(update={"compute": settled}).digest
    trials = found(ctx)["trials"]
    complete = [trial for trial in trials if len(trial["losses"]) == 2]
    assert found(ctx)["best"] == min(complete, key=lambda trial: trial["losses"][-1])["number"]


def test_every_trial_is_in_the_ledger(ctx: RunContext, inputs: TuneInputs) -> None:
    best = search(spec_of(trials=2), inputs, ctx=ctx)
    (event,) = ctx.ledger.events(kind=EVENT, subject=best.id)
    assert [trial["number"] for trial in event.facts["trials"]] == [1, 2]
    names = {record.id for record in ctx.ledger.artifacts("checkpoint")}
    assert {one for trial in event.facts["trials"] for rung in trial["checkpoints"] for one in rung} <= names


def test_the_first_trial_is_the_prior_and_lower_rungs_are_shorter(ctx: RunContext, inputs: TuneInputs) -> None:
    search(spec_of(trials=1, rungs=2, eta=3), inputs, ctx=ctx)
    (trial,) = found(ctx)["trials"]
    assert trial["dials"] == {"rank": 4, "rate_factor": 1.0, "epochs": 1, "rows_per_step": 4}
    assert trial["steps"] == [1, 3]


def test_no_trial_begins_after_the_budget(ctx: RunContext, inputs: TuneInputs) -> None:
    search(spec_of(minutes=1e-6), inputs, ctx=ctx)
    assert len(found(ctx)["trials"]) == 1


def test_a_space_that_was_tried_whole_ends_the_search(ctx: RunContext, inputs: TuneInputs) -> None:
    search(spec_of(trials=50, rungs=1), inputs, ctx=ctx)
    dials = [tuple(trial["dials"].values()) for trial in found(ctx)["trials"]]
    assert len(dials) == len(set(dials)) == 4


def test_without_validation_rows_nothing_can_be_compared(ctx: RunContext, inputs: TuneInputs) -> None:
    blind = replace(inputs, dataset=dataset(ctx, train=rows(4)))
    with pytest.raises(TrainError) as error:
        search(spec_of(trials=1), blind, ctx=ctx)
    assert error.value.code == "tune.no_trial"


@pytest.fixture
def folded(ctx: RunContext) -> Dataset:
    """Thirty of the shipped messages in three folds."""
    sample = resources.files("seekloop.data").joinpath("sample", "messages.jsonl").read_text("utf-8")
    (ctx.root / "rows.jsonl").write_text("".join(sample.splitlines(keepends=True)[:30]), "utf-8")
    spec = {"sources": [{"path": "rows.jsonl"}], "compose": {"answer": "label"}, "folds": 3}
    return data.run(data.DataSpec.parse(spec), data.DataInputs(), ctx=ctx)


def test_every_row_is_validated_in_one_view_and_trained_in_the_others(ctx: RunContext, folded: Dataset) -> None:
    made = views(folded, ctx=ctx)
    own = folded.splits["train"] + folded.splits["validation"]
    assert [sum((one.splits["train"], one.splits["validation"])) for one in made] == [own] * 3
    assert sum(one.splits["validation"] for one in made) == own
    assert [one.id for one in views(folded, ctx=ctx)] == [one.id for one in made]


def test_with_folds_a_trial_has_a_mean_and_an_interval(ctx: RunContext, folded: Dataset) -> None:
    inputs = TuneInputs(dataset=folded, checkpoint=tiny_base(ctx))
    search(spec_of(trials=1, rungs=1, folds=True), inputs, ctx=ctx)
    (trial,) = found(ctx)["trials"]
    assert len(trial["checkpoints"][0]) == 3 and trial["intervals"][0] > 0


def test_a_dataset_without_folds_is_refused(ctx: RunContext, inputs: TuneInputs) -> None:
    with pytest.raises(UsageError) as error:
        search(spec_of(folds=True), inputs, ctx=ctx)
    assert error.value.code == "loop.no_folds"


def samplers(seed: int) -> dict[str, Sampler]:
    return {
        "random": Uniform(SIZES, seed=seed),
        "tpe": Tpe(SIZES, seed=seed),
        "reinforce": Policy(SIZES, prior=PRIOR, seed=seed),
    }


def bowl(place: dict[str, int]) -> float:
    """Lowest at rank 4, factor 1, epochs 3."""
    return (place["rank"] - 4) ** 2 + (place["rate_factor"] - 1) ** 2 + (place["epochs"] - 3) ** 2


@pytest.mark.parametrize("name", ["random", "tpe", "reinforce"])
def test_a_sampler_asks_the_same_when_told_the_same(name: str) -> None:
    asked = []
    for _ in range(2):
        sampler = samplers(3)[name]
        places = []
        for _ in range(8):
            places.append(sampler.ask())
            sampler.tell(places[-1], bowl(places[-1]))
        asked.append(places)
    assert asked[0] == asked[1]
    assert all(0 <= at < SIZES[dial] for place in asked[0] for dial, at in place.items())


@pytest.mark.parametrize("name", ["tpe", "reinforce"])
def test_a_sampler_that_learns_ends_nearer_than_chance(name: str) -> None:
    late = {"random": 0.0, name: 0.0}
    for seed in range(6):
        for one in late:
            sampler = samplers(seed)[one]
            for turn in range(40):
                place = sampler.ask()
                sampler.tell(place, bowl(place))
                late[one] += bowl(place) if turn >= 25 else 0.0
    assert late[name] < 0.7 * late["random"]


def test_a_policy_begins_around_the_prior_and_survives_a_loss_that_is_no_number() -> None:
    policy = Policy(SIZES, prior=PRIOR, seed=1)
    assert max(range(5), key=policy.chances("rank").__getitem__) == 2
    for loss in (1.0, float("inf"), float("nan"), 0.5):
        policy.tell(policy.ask(), loss)
    assert sum(policy.chances("rank")) == pytest.approx(1)


def test_the_surface_of_a_search_is_a_spec(tmp_path: Path) -> None:
    (tmp_path / "search.yaml").write_text("sampler: random\ntune: {method: full}\n", "utf-8")
    assert SearchSpec.load(tmp_path / "search.yaml").tune.method.type == "full"
