"""Checkpoints in the place of n-grams: any encoder, any sequence classifier, from a folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, BertModel, BertTokenizerFast

from seekloop.system.errors import DataError

LETTERS = "abcdefghijklmnopqrstuvwxyz卡转账"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{letter}" for letter in LETTERS)]
SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
PLAIN = {"dedupe": {"exact": False, "near": False}, "compose": {"answer": "label"}, "calibration": 0}


def checkpoint(folder: Path, kind: type, **keys) -> str:
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS), "utf-8")
    torch.manual_seed(0)
    kind(BertConfig(vocab_size=len(WORDS), max_position_embeddings=64, **SIZES, **keys)).save_pretrained(folder)
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder.name


def rows(*, marked: bool) -> list[dict]:
    noise = [{"text": f"zzz zz {'z' * (n % 7)} {'zx' * (n % 5)}q{n}", "intent": "a", "noise": 1} for n in range(60)]
    clean = [
        {"text": f"my card {'and' * (n % 5)} 转账 {'a' * (n % 7)}b{n}", "intent": "a", "noise": 0} for n in range(90)
    ]
    for row in noise + clean:
        row.update({} if marked else {"noise": ""})
    return noise + clean


def report_of(room, dataset) -> dict:
    return json.loads(room.store.path(dataset.id, "noise.json").read_bytes())


@pytest.fixture
def data(write):
    return {"sources": [{"path": write("a.jsonl", rows(marked=True))}], **PLAIN}


def test_an_encoder_gives_the_features_of_the_head(tmp_path, data, make, room):
    path = checkpoint(tmp_path / "encoder", BertModel)
    made = make({**data, "filter": {"rules": [], "classifier": {"type": "embedding", "path": path}}})
    report = report_of(room, made.dataset)
    assert report["calibrated"]
    assert report["recall"] > 0.9
    assert report["encoder"].startswith("sha256:")


def test_a_sequence_classifier_is_calibrated_on_marked_rows(tmp_path, data, make, room):
    path = checkpoint(tmp_path / "judge", BertForSequenceClassification, num_labels=2)
    made = make({**data, "filter": {"rules": [], "classifier": {"type": "bert", "path": path, "label": 1}}})
    report = report_of(room, made.dataset)
    assert report["calibrated"]
    assert report["ece"] < 0.15


@pytest.mark.parametrize("labels", [1, 2, 3])
def test_without_marks_it_is_taken_at_its_word_and_that_is_said(tmp_path, write, make, said, labels):
    path = checkpoint(tmp_path / "judge", BertForSequenceClassification, num_labels=labels)
    source = write("a.jsonl", rows(marked=False))
    judge = {"type": "bert", "path": path, "threshold": 0.01}
    with pytest.raises(DataError) as caught:  # at 0.01 an untrained classifier calls every row noise
        make({"sources": [{"path": source}], **PLAIN, "filter": {"rules": [], "classifier": judge}})
    assert caught.value.code == "data.nothing_left"
    assert any("not calibrated" in line for line in said.lines)


@pytest.mark.parametrize("classifier", [{"path": "nowhere"}, {"path": "judge", "label": 7}])
def test_what_is_no_such_checkpoint_is_refused(tmp_path, data, make, classifier):
    checkpoint(tmp_path / "judge", BertForSequenceClassification, num_labels=2)
    with pytest.raises(DataError) as caught:
        make({**data, "filter": {"classifier": {"type": "bert", **classifier}}})
    assert caught.value.code == "data.no_classifier"


def test_a_head_does_not_judge_with_another_encoder(tmp_path, data, make):
    spec = {**data, "filter": {"rules": [], "classifier": {"type": "embedding", "path": "encoder"}}}
    checkpoint(tmp_path / "encoder", BertModel)
    first = make(spec)
    (tmp_path / "encoder").rename(tmp_path / "old")
    checkpoint(tmp_path / "encoder", BertModel, initializer_range=0.5)
    with pytest.raises(DataError) as caught:
        make(spec, parent=first.dataset)
    assert caught.value.code == "data.other_encoder"
