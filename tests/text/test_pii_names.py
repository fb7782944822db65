"""Names of people, places and organisations by our own rules and by a checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import BertConfig, BertForTokenClassification, BertTokenizerFast

from seekloop.system.errors import DataError
from seekloop.text.pii.names import open_recognizers
from seekloop.text.pii.names_checkpoint import kind_of
from seekloop.text.pii.names_rules import RuleNames

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"张伟住在北京,"]


def found(text: str) -> list[tuple[str, str]]:
    (findings,) = RuleNames().find([text])
    return [(one.kind, text[one.start : one.end]) for one in findings]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("王芳昨天来过了，钱转给张丽了", [("person", "王芳"), ("person", "张丽")]),
        ("麻烦通知欧阳娜娜来取", [("person", "欧阳娜娜")]),
        ("原告赵梓涵诉被告钱一诺合同纠纷一案", [("person", "赵梓涵"), ("person", "钱一诺")]),
        ("患者李建国，男，因胸闷入院", [("person", "李建国")]),
        ("张女士找一下小陈", [("person", "张"), ("person", "小陈")]),
        ("姓名：阿依古丽，翻译是阿卜杜拉·买买提", [("person", "阿依古丽"), ("person", "阿卜杜拉·买买提")]),
        ("寄到广东省深圳市南山区科苑路12号3栋502室", [("place", "广东省深圳市南山区科苑路12号3栋502室")]),
        ("我从武汉到呼和浩特市", [("place", "武汉"), ("place", "呼和浩特市")]),
        ("被告深圳市大地物流有限公司欠款", [("organisation", "深圳市大地物流有限公司")]),
        ("去中山大学附属第一医院看的", [("organisation", "中山大学附属第一医院")]),
    ],
)
def test_chinese_names_are_found_where_they_begin_and_end(text, names):
    assert found(text) == names


@pytest.mark.parametrize(
    "text",
    [
        "非常高兴，周末能送吗",
        "黄金和白银的价格，何时能到账",
        "方便的话请安排上门，安全第一",
        "阿莫西林胶囊和柴胡颗粒可以一起吃吗",
        "在医院看病，在公司上班，在银行排队",
        "这个城市的超市很多，小区门口也有",
        "姓名：未知",
    ],
)
def test_words_that_begin_like_a_surname_are_no_names(text):
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Rebecca Thornton called about it", [("person", "Rebecca Thornton")]),
        ("Ask Dr. Weiss about the keys", [("person", "Weiss")]),
        ("My name is Rubija", [("person", "Rubija")]),
        ("I moved from Denver to Leeds", [("place", "Denver"), ("place", "Leeds")]),
        ("It goes to 48 Hawthorne Lane", [("place", "48 Hawthorne Lane")]),
        ("Invoice to Brightwater Logistics Ltd", [("organisation", "Brightwater Logistics Ltd")]),
        ("Will you cancel it? May I pay by Visa in March?", []),
        ("The Agreement shall end; the Buyer shall pay the Price", []),
        ("Customer Service and Apple Pay", []),
    ],
)
def test_english_names_are_told_from_words_with_capitals(text, names):
    assert found(text) == names


def test_a_text_in_another_script_has_no_names():
    assert found("Москва и Владимир") == []


@given(st.text(alphabet="张王李伟芳的在了北京市区县医院公司AB. ,12·", max_size=60))
def test_findings_never_overlap_and_lie_within_the_text(text):
    (findings,) = RuleNames().find([text])
    places = [place for one in findings for place in (one.start, one.end)]
    assert places == sorted(places)
    assert all(one.start < one.end <= len(text) for one in findings)


def test_a_long_text_is_read_in_parts():
    assert ("person", "李建国") in found("签收的人是李建国。" + "没有名字的一句话" * 400)


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("B-PER", "person"),
        ("I-location", "place"),
        ("S-ORG", "organisation"),
        ("E_GPE", "place"),
        ("O", None),
        ("B-MISC", None),
    ],
)
def test_labels_of_the_field_are_our_kinds(label, kind):
    assert kind_of(label) == kind


def checkpoint(folder: Path, labels: list[str]) -> str:
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS), "utf-8")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    torch.manual_seed(0)
    names = dict(enumerate(labels))
    model = BertForTokenClassification(
        BertConfig(vocab_size=len(WORDS), max_position_embeddings=16, id2label=names, num_labels=len(labels), **sizes)
    )
    with torch.no_grad():  # knows two characters by heart
        model.classifier.weight.zero_()
        model.classifier.bias.zero_()
        model.bert.embeddings.word_embeddings.weight.zero_()
        model.classifier.bias[1] = 5.0
    model.save_pretrained(folder)
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    return f"path:{folder.name}"


def test_a_checkpoint_finds_names_in_texts_longer_than_its_window(tmp_path):
    name = checkpoint(tmp_path / "ner", ["O", "I-PER", "B-LOC"])
    (finder,) = open_recognizers([name], root=tmp_path)
    text = "张伟住在北京" * 10
    (first, second) = finder.find([text, "，"])
    assert {one.kind for one in first} == {"person"}
    assert {place for one in first for place in range(one.start, one.end)} == set(range(len(text)))
    assert [(one.start, one.end) for one in second] == [(0, 1)]


def test_a_folder_that_is_no_token_classifier_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"model\.safetensors"):
        open_recognizers(["path:nothing"], root=tmp_path)
    with pytest.raises(DataError, match="none of its labels"):
        open_recognizers([checkpoint(tmp_path / "other", ["O", "VERB"])], root=tmp_path)
