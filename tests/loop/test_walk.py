"""The promises of the whole loop."""

import pytest

from seekloop.artifact import lineage
from seekloop.artifact.kinds import Checkpoint, Dataset, Release, Report
from seekloop.loop.run import first_round
from seekloop.loop.steps import Steps
from seekloop.system import digests
from seekloop.system.errors import SeekloopError


def test_every_row_is_accounted_for(walked):
    rows = walked.receipt["rows"]
    assert rows["in"] == rows["train"] + rows["validation"] + rows["test"] + sum(rows["dropped"].values())
    assert rows["dropped"]


def test_the_receipt_has_every_form_measured_and_weighed(walked):
    assert set(walked.receipt["accuracy"]) == {"base", "tuned", "int8", "int4", "round2"}
    sizes = walked.receipt["size_mb"]
    assert sizes["int4"] < sizes["int8"] < sizes["tuned"]


def test_what_was_released_was_measured_in_that_very_form(walked):
    release = walked.ctx.store.open(walked.receipt["release"], Release)
    checkpoint = walked.ctx.store.open(release.checkpoint, Checkpoint)
    assert (checkpoint.form, checkpoint.precision) == ("gguf", "q8_0")


def test_a_rollback_serves_the_old_digest_again(walked):
    assert walked.receipt["promoted"]
    assert walked.receipt["rolled_back_to"] == walked.receipt["release"]
    targets = [entry.target for entry in walked.ctx.ledger.alias_history("production")]
    assert targets == [walked.receipt["release"], walked.receipt["round2"]["release"], walked.receipt["release"]]


def test_a_second_round_replays_and_never_trains_on_the_frozen_test(walked):
    second = walked.ctx.store.open(walked.ctx.ledger.artifacts("dataset")[-1].id, Dataset)
    assert second.replay == 12
    first = walked.ctx.store.open(walked.receipt["dataset"], Dataset)

    def ids(dataset, split):
        return set(walked.ctx.store.path(dataset.id, f"{split}.jsonl").read_text("utf-8").splitlines())

    assert not ids(second, "train") & ids(first, "test")


def test_an_answer_leads_back_to_rows_spec_code_and_seed(walked):
    trace = lineage.trace(walked.receipt["answer_id"], store=walked.ctx.store, ledger=walked.ctx.ledger)
    roles = " ".join(hop.role for hop in trace.hops)
    for role in ("answer", "release", "report", "checkpoint", "base", "dataset", "corpus"):
        assert role in roles


def test_a_run_that_was_finished_makes_nothing_new(walked):
    before = walked.ctx.ledger.artifacts()
    first_round(walked.project.spec, Steps(walked.ctx, "again"))
    assert walked.ctx.ledger.artifacts() == before


@pytest.mark.parametrize("kind", ["release", "report", "checkpoint", "dataset", "corpus"])
def test_a_changed_byte_anywhere_behind_an_answer_is_found_and_its_hop_named(walked, kind):
    trace = lineage.trace(walked.receipt["answer_id"], store=walked.ctx.store, ledger=walked.ctx.ledger)
    for hop in [hop for hop in trace.hops if hop.id.startswith(f"{kind}:")]:
        for path in sorted(walked.ctx.store.folder(hop.id).iterdir()):
            good = path.read_bytes()
            path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
            with pytest.raises(SeekloopError) as caught:
                lineage.verify(walked.receipt["answer_id"], store=walked.ctx.store, ledger=walked.ctx.ledger)
            path.write_bytes(good)
            assert digests.short(hop.id) in str(caught.value)
    lineage.verify(walked.receipt["answer_id"], store=walked.ctx.store, ledger=walked.ctx.ledger)


def test_a_later_round_is_compared_with_parent_and_base_and_the_gate_looks_at_the_parent(walked):
    store = walked.ctx.store
    release = store.open(walked.receipt["round2"]["release"], Release)
    frozen = store.open(release.report, Report)
    parent, base = (store.open(frozen.parents[role], Report) for role in ("baseline", "baseline.1"))
    assert parent.id == store.open(walked.receipt["release"], Release).report
    assert not set(store.open(base.subject, Checkpoint).parents)
    assert {one.baseline for one in frozen.comparisons if one.figure == "accuracy"} == {parent.id, base.id}
