import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from seekloop.system.errors import UsageError
from seekloop.system.plain import parse_yaml, read_yaml, show


@pytest.mark.parametrize(
    ("data", "code", "where"),
    [
        (b"a: [1\nb: 2\n", "system.spec_not_yaml", ":2"),
        (b"a: 1\nb: 2\na: 3\n", "system.spec_not_yaml", ":3"),
        (b"a:\n\tb: 1\n", "system.spec_not_yaml", ":2"),
        ("意图: 挂失".encode("gb18030"), "system.spec_not_utf8", ""),
        (b"- 1\n", "system.spec_not_mapping", ""),
        (b"just words", "system.spec_not_mapping", ""),
        (b"a: !!python/object/apply:os.system [true]\n", "system.spec_not_yaml", ":1"),
        (b"a: 2026-13-45\n", "system.spec_not_yaml", ""),
    ],
)
def test_a_faulty_file_is_refused_with_its_line(tmp_path, data, code, where):
    path = tmp_path / "tune.yaml"
    path.write_bytes(data)
    with pytest.raises(UsageError) as caught:
        read_yaml(path)
    assert caught.value.code == code
    assert str(caught.value.facts["where"]) == f"{path}{where}"


def test_a_missing_file_is_a_sentence(tmp_path):
    with pytest.raises(UsageError) as caught:
        read_yaml(tmp_path / "no.yaml")
    assert caught.value.code == "system.spec_not_found"


@pytest.mark.parametrize("data", [b"", b"# only a comment\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_an_empty_mapping(tmp_path, data):
    path = tmp_path / "tune.yaml"
    path.write_bytes(data)
    assert read_yaml(path) == {}


@pytest.mark.parametrize(
    ("text", "number"), [("1e-3", 0.001), ("2E5", 2e5), ("-1.5e+3", -1500.0), (".5e1", 5.0), ("7", 7), ("0.1", 0.1)]
)
def test_numbers_are_read_as_people_write_them(text, number):
    assert parse_yaml(text, where="") == number
    assert type(parse_yaml(text, where="")) is type(number)


@pytest.mark.parametrize("text", ["e5", "1e", "qwen-1e3", "3f9c1e4a"])
def test_names_with_an_e_stay_names(text):
    assert parse_yaml(text, where="") == text


@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "Yes", "NO", "y"])
def test_words_are_words_as_keys_and_as_values(word):
    assert parse_yaml(f"{word}: {word}", where="") == {word: word}


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False), ("TRUE", True)])
def test_true_and_false_are_truth_values(text, value):
    assert parse_yaml(text, where="") is value


@given(st.dictionaries(st.text("abc中文", min_size=1), st.integers() | st.text("xyz意图 ", min_size=1)))
def test_what_is_shown_reads_back(value):
    assert yaml.safe_load(show(value)) == value
