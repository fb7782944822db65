"""Personal data in the data stage: actions by kind, the project's key, and the counts in the dataset."""

from __future__ import annotations

import importlib.util
import json

import pytest

from seekloop.data.pii import PiiSpec
from seekloop.data.redaction import KEY, project_key
from seekloop.system.errors import MissingPackage, UsageError
from seekloop.text import pii
from seekloop.text.pii.names import open_recognizers

TEXTS = (
    "手机13812345678收不到短信怎么办",
    "my mail a.b@example.com gets no codes",
    "卡号4111 1111 1111 1111扣了两次钱",
    "回拨138-1234-5678谢谢，急",
)


@pytest.fixture
def masked(write, make):
    """A dataset of four rows under the given spec of personal data."""

    def make_masked(**keys):
        rows = [{"text": text, "label": "help"} for text in TEXTS]
        source = write("rows.jsonl", rows)
        return make({"sources": [{"path": source}], "clean": {"pii": keys}, "split": {"test": 0, "validation": 0}})

    return make_masked


def texts(made, name="train"):
    return [row.messages[0].content for row in made.rows[name]]


def test_counts_are_by_kind_and_action(masked):
    made = masked(actions={"phone": "replace", "email": "hash"})
    assert made.dataset.pii == {"card": 1, "email:hash": 1, "phone:replace": 2}


def test_one_value_has_one_stand_in_in_all_rows(masked):
    made = masked(actions={"phone": "replace"})
    first, last = (pii.find(text)[0] for text in (texts(made)[0], texts(made)[3]))
    numbers = [texts(made)[place][one.start : one.end].replace("-", "") for place, one in ((0, first), (3, last))]
    assert numbers[0] == numbers[1] != "13812345678"


def test_a_row_to_be_dropped_is_kept_masked_among_the_dropped(masked):
    made = masked(actions={"card": "drop"})
    assert made.dataset.dropped == {"personal_data": 1}
    assert texts(made, "dropped") == ["卡号[CARD]扣了两次钱"]


def test_what_was_encrypted_opens_with_the_projects_key(masked, room):
    made = masked(action="encrypt")
    assert "1381234" not in "".join(texts(made))
    assert [pii.reveal(text, key=project_key(room)) for text in texts(made)] == list(TEXTS)


def test_the_same_key_gives_the_same_dataset(masked):
    assert masked(action="hash").dataset.id == masked(action="hash").dataset.id


def test_masking_needs_no_key_and_makes_none(masked, room):
    masked()
    assert not list(room.root.rglob(KEY))


def test_the_key_file_is_for_its_owner_only(room):
    project_key(room)
    (path,) = room.root.rglob(KEY)
    assert path.stat().st_mode & 0o077 == 0


def test_a_key_of_the_environment_goes_first_and_a_bad_one_is_named(room, monkeypatch):
    monkeypatch.setenv("SEEKLOOP_PII_KEY", "ab" * 32)
    assert project_key(room) == b"\xab" * 32
    monkeypatch.setenv("SEEKLOOP_PII_KEY", "secret")
    with pytest.raises(UsageError) as caught:
        project_key(room)
    assert caught.value.code == "data.pii_key_bad"


def test_all_subjects_can_be_pseudonyms(write, make):
    rows = [{"text": f"question number {n}", "label": "help", "customer": "C7"} for n in range(4)]
    source = write("rows.jsonl", rows)
    made = make({"sources": [{"path": source}], "clean": {"pii": {"subjects": "all"}}, "dedupe": {"near": False}})
    subjects = {row.subject for rows in made.rows.values() for row in rows}
    assert len(subjects) == 1
    assert subjects.pop().startswith("subject:")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"actions": {"fone": "mask"}}, "unknown kind fone"),
        ({"actions": {"person": "mask"}}, "say in names what shall find it"),
        ({"action": "burn"}, "mask"),
    ],
)
def test_a_spec_that_cannot_be_meant_is_refused(value, reason):
    with pytest.raises(UsageError) as caught:
        PiiSpec.parse(value)
    assert reason in caught.value.sentence("en")


def test_names_are_masked_where_a_finder_is_named(write, make):
    rows = [{"text": "我叫张伟，手机13812345678", "label": "help"}, {"text": "Mr. John Smith called", "label": "help"}]
    spec = {"sources": [{"path": write("rows.jsonl", rows)}], "clean": {"pii": {"names": ["rules"]}}}
    made = make({**spec, "split": {"test": 0, "validation": 0}})
    assert texts(made) == ["我叫[PERSON]，手机[PHONE]", "Mr. [PERSON] called"]
    assert made.dataset.pii == {"person": 2, "phone": 1}


def test_jieba_finds_chinese_names_that_no_phrase_gives_away():
    (found,) = open_recognizers(["jieba"])[0].find(["这单是张伟在北京签收的"])
    assert [one.kind for one in found] == ["person", "place"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("收货人：李建国，放门口", ["李建国"]),
        ("请找王女士", ["王"]),
        ("我叫欧阳娜娜", ["欧阳娜娜"]),
        ("我叫你别寄了", []),
        ("高兴的先生", []),
        ("我是高兴的", []),
        ("了解目标客户和竞争对手", []),
        ("根据市场供求", []),
        ("我在青岚贸易有限公司上班", ["青岚贸易有限公司"]),
        ("Hello, my name is Mary Jones.", ["Mary Jones"]),
        ("this is a test", []),
    ],
)
def test_a_phrase_gives_a_name_away(text, names):
    (found,) = open_recognizers(["rules"])[0].find([text])
    assert [text[one.start : one.end] for one in found] == names


@pytest.mark.skipif(importlib.util.find_spec("spacy") is not None, reason="spaCy is installed")
def test_a_missing_finder_is_named_with_its_pip_line():
    with pytest.raises(MissingPackage) as caught:
        open_recognizers(["spacy"])
    assert "seekloop[names]" in caught.value.hint("en")


def test_the_report_of_a_dataset_is_plain_json(masked):
    made = masked(action="keep")
    assert json.loads(made.dataset.model_dump_json())["pii"] == {"card:keep": 1, "email:keep": 1, "phone:keep": 2}
    assert texts(made) == list(TEXTS)
