"""The last stage of deduplication: what an encoder places side by side."""

from __future__ import annotations

import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from seekloop.system.errors import DataError

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "card", "lost", "gone", "fee", "how", "much", "my", "is", "the"]
TEXTS = ("my card is lost", "my card is gone", "how much is the fee")


@pytest.fixture
def encoder(tmp_path):
    """An encoder to which `lost` and `gone` are one word, and all others are strangers."""
    folder = tmp_path / "encoder"
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS), "utf-8")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    model = BertModel(config)
    words = torch.eye(len(WORDS), config.hidden_size)
    words[WORDS.index("gone")] = words[WORDS.index("lost")]
    model.embeddings.word_embeddings.weight.data.copy_(words)
    model.save_pretrained(folder)
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder.name


def spec(write, encoder, *, labels="aab", near=False, **keys):
    rows = [{"text": text, "intent": label} for text, label in zip(TEXTS, labels, strict=True)]
    dedupe = {"exact": True, "near": near, "meaning": {"path": encoder, "similarity": 0.99, **keys}}
    plain = {"split": {"test": 0, "validation": 0}, "compose": {"answer": "label"}, "calibration": 0}
    return {"sources": [{"path": write("a.jsonl", rows)}], "dedupe": dedupe, **plain}


def test_the_same_in_other_words_is_dropped_with_its_twin(write, make, encoder):
    made = make(spec(write, encoder))
    (dropped,) = made.rows["dropped"]
    assert (dropped.messages[0].content, dropped.dropped) == ("my card is gone", "duplicate_meaning")
    assert dropped.twin == made.rows["train"][0].id


def test_other_labels_are_other_wishes_in_whatever_words(write, make, encoder):
    assert make(spec(write, encoder, labels="abc")).dataset.dropped == {}


def test_a_twin_of_a_row_that_was_left_out_names_the_row_that_stands_for_both(write, make, encoder):
    spec_ = spec(write, encoder)
    rows = [{"text": text, "intent": "a"} for text in (*TEXTS[:2], "My card is gone!")]
    made = make({**spec_, "sources": [{"path": write("b.jsonl", rows)}]})
    assert {row.dropped for row in made.rows["dropped"]} == {"duplicate_meaning", "duplicate_exact"}
    assert {row.twin for row in made.rows["dropped"]} == {made.rows["train"][0].id}


def test_a_folder_that_is_no_encoder_is_named(write, make, encoder):
    with pytest.raises(DataError) as caught:
        make(spec(write, "nowhere"))
    assert caught.value.code == "data.no_classifier"
