"""Cards of models and data: what they say is what artifacts and the ledger say, and what is missing is said to be."""

from __future__ import annotations

import json
import string

import pytest
import yaml

from seekloop.artifact.kinds import Checkpoint, Dataset, Figure, Release, Report
from seekloop.loop.compliance.card import card_of
from seekloop.loop.compliance.words import cell, sentences
from seekloop.system.errors import UsageError
from tests.artifact.making import made, make_report, one_turn


def front(card):
    return yaml.safe_load(card.split("---\n")[1])


def section(card, title):
    return card.split(f"\n## {title}\n")[1].split("\n## ")[0]


@pytest.fixture(scope="module")
def released(walked):
    """The release of the second round where it was promoted, of the first where not."""
    return walked.ctx.store.open(walked.ctx.ledger.alias("production").target, Release)


@pytest.fixture(scope="module")
def model_card(walked, released):
    return card_of(released.id, language="en", ctx=walked.ctx)


@pytest.fixture(scope="module")
def dataset(walked):
    return walked.ctx.store.open(walked.ctx.ledger.artifacts("dataset")[0].id, Dataset)


def test_the_front_matter_holds_the_figures_of_the_reports_with_n_and_interval(walked, released, model_card):
    told = front(model_card)
    report = walked.ctx.store.open(released.report, Report)
    accuracy = report.figure("accuracy")
    metrics = told["model-index"][0]["results"][0]["metrics"]
    (one,) = [metric for metric in metrics if metric["name"] == "accuracy"]
    assert (one["value"], one["args"]["n"]) == (accuracy.value, accuracy.n)
    assert (one["args"]["ci_low"], one["args"]["ci_high"]) == accuracy.ci
    assert told["license"] == "apache-2.0"
    assert {"en", "zh"} >= set(told["language"])
    assert "accuracy" in told["metrics"]


def test_the_line_goes_back_to_the_base(walked, released, model_card):
    checkpoint = walked.ctx.store.open(released.checkpoint, Checkpoint)
    told = section(model_card, "What it was made of")
    assert checkpoint.id[:23] in told
    assert told.count("| checkpoint:") >= 2
    assert front(model_card)["base_model"]


def test_training_says_method_and_numbers(model_card):
    told = section(model_card, "Training")
    assert "lora, rank 4" in told


def test_every_figure_stands_with_n_and_interval(walked, released, model_card):
    told = section(model_card, "Figures")
    for figure in walked.ctx.store.open(released.report, Report).figures:
        assert f"| {figure.name} |" in told


def test_slices_and_limits_are_of_what_was_measured(dataset, model_card):
    assert "accuracy[label=" in section(model_card, "By slice")
    limits = section(model_card, "Limits and what it is not for")
    assert f"{len(dataset.labels)} classes" in limits or "free text" in limits
    assert "by script" in limits


def test_names_and_verdicts_are_told(model_card):
    told = section(model_card, "Status")
    assert "production" in told
    assert "No erasure has marked it." in told


def test_both_languages_have_the_same_sections_and_numbers(walked, released, model_card):
    chinese = card_of(released.id, language="zh", ctx=walked.ctx)
    assert chinese.count("\n## ") == model_card.count("\n## ")
    assert front(chinese) == front(model_card)
    assert chinese.count("|") == model_card.count("|")
    assert "未测量" in chinese or "not measured" not in model_card


def test_the_same_again_is_the_same_card(walked, released, model_card):
    assert card_of(released.id, language="en", ctx=walked.ctx) == model_card


def test_rows_of_a_data_card_balance(walked, dataset):
    told = section(card_of(dataset.id, language="en", ctx=walked.ctx), "Rows")
    cells = [line.split("|") for line in told.splitlines() if line.startswith("| ")]
    numbers = {one[1].strip(): int(one[2]) for one in cells if one[2].strip().isdigit()}
    kept = sum(n for name, n in numbers.items() if name.startswith(("kept", "left out")))
    added = sum(n for name, n in numbers.items() if name.startswith("made here"))
    assert numbers["came in"] + added == kept == dataset.rows + sum(dataset.added.values())


def test_a_data_card_names_sources_languages_labels_and_checks(walked, dataset):
    card = card_of(dataset.id, language="en", ctx=walked.ctx)
    assert "messages.jsonl | jsonl/" in section(card, "Sources and formats")
    assert "| en |" in section(card, "Languages") or "| zh |" in section(card, "Languages")
    labels = {line.split("|")[1].strip() for line in section(card, "Labels").splitlines() if line.startswith("| ")}
    assert labels - {"label"} <= {cell(one) for one in dataset.labels}
    assert "near duplicates" in section(card, "Duplicates and leaks")
    assert "unstated" in section(card, "Personal data")


def test_a_corpus_has_a_card(walked):
    corpus = walked.ctx.ledger.artifacts("corpus")[0].id
    assert "jsonl" in section(card_of(corpus, language="zh", ctx=walked.ctx), "来源与格式")


def test_other_kinds_have_none(walked):
    report = walked.ctx.ledger.artifacts("report")[0].id
    with pytest.raises(UsageError) as caught:
        card_of(report, language="en", ctx=walked.ctx)
    assert caught.value.code == "compliance.no_card"


def test_another_language_is_refused(walked, released):
    with pytest.raises(UsageError) as caught:
        card_of(released.id, language="fr", ctx=walked.ctx)
    assert caught.value.code == "compliance.language"


def test_what_was_never_measured_is_said_to_be_so(ctx):
    turn = one_turn(ctx)
    card = card_of(turn.adapter, language="en", ctx=ctx)
    assert section(card, "Figures").strip() == "not measured"
    assert section(card, "By slice").strip() == "not measured"
    told = section(card, "Forgetting and safety")
    assert "Forgetting against a parent: not measured" in told
    assert "probes: not measured" in told
    assert "model-index" not in front(card)
    assert "Not measured: Figures, By slice, Forgetting and safety." in card


def test_the_weakest_slice_comes_first(ctx):
    turn = one_turn(ctx)
    figures = [Figure(name=f"accuracy[label={name}]", value=v, n=20, ci=(v - 0.1, v + 0.1)) for name, v in BY_LABEL]
    data = json.dumps([one.model_dump(mode="json") for one in figures]).encode()
    report = make_report(ctx.store.open(turn.adapter, Checkpoint), ctx.store.open(turn.dataset, Dataset))
    made(ctx, report, {"answers.jsonl": b"{}\n", "slices.json": data}, stage="evaluate")
    card = card_of(turn.adapter, language="en", ctx=ctx)
    told = section(card, "By slice")
    assert told.index("label=lost") < told.index("label=limit") < told.index("label=card")
    assert "Weakest measured slices: accuracy[label=lost] 0.2 (n 20)" in card


BY_LABEL = [("card", 0.9), ("lost", 0.2), ("limit", 0.5)]


def test_forgetting_is_the_gates_own_figure(ctx):
    turn = one_turn(ctx)
    outcome = {"rule": {"figure": "forgetting_points", "require": "at_most"}, "value": 1.5, "ci": [0.5, 2.5], "n": 80}
    facts = {"decision": "hold", "outcomes": [outcome]}
    ctx.ledger.note("gate.verdict", turn.adapter, facts=facts, actor="gate")
    told = section(card_of(turn.adapter, language="en", ctx=ctx), "Forgetting and safety")
    assert "(points): 1.5, interval [0.5, 2.5], n 80" in told


def test_a_release_that_was_marked_says_so(ctx):
    turn = one_turn(ctx)
    ctx.ledger.note("release.tainted", turn.release, facts={"of": "p", "names": []}, actor="wu")
    for identity in (turn.release, turn.gguf):
        assert "**TAINTED since" in section(card_of(identity, language="en", ctx=ctx), "Status")
    assert "TAINTED" not in card_of(turn.base, language="en", ctx=ctx)


def test_files_that_were_shredded_are_said_to_be_gone(ctx):
    turn = one_turn(ctx)
    facts = {"files": ["train.jsonl"], "by": None, "of": "p", "count": 2}
    ctx.ledger.note("artifact.shredded", turn.dataset, facts=facts, actor="wu")
    ctx.store.shred(turn.dataset, ["train.jsonl"])
    card = card_of(turn.dataset, language="en", ctx=ctx)
    assert "train.jsonl was removed" in card
    assert "2 out of train.jsonl, replaced by none" in section(card, "Erased since")
    assert "Languages of its train rows, by script: none" in card_of(turn.adapter, language="en", ctx=ctx)


def test_somebodys_label_is_no_markup():
    assert cell("a|b\n<script>`x`") == "a\\|b &lt;script>\\`x\\`"


def test_every_sentence_is_in_both_languages_with_the_same_facts():
    for told in sentences().values():
        assert set(told) == {"en", "zh"}
        names = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in told.values()]
        assert names[0] == names[1]
