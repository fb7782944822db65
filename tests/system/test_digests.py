import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.system import digests

text = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner) | st.dictionaries(text, inner),
)


@given(values)
def test_canonical_bytes_read_back_are_the_same_bytes(value):
    assert digests.canonical(json.loads(digests.canonical(value))) == digests.canonical(value)


@given(st.dictionaries(text, st.integers()))
def test_the_order_of_keys_does_not_change_a_digest(value):
    assert digests.of_json(dict(reversed(value.items()))) == digests.of_json(value)


@given(values, values)
def test_different_canonical_bytes_have_different_digests(one, other):
    same = digests.canonical(one) == digests.canonical(other)
    assert (digests.of_json(one) == digests.of_json(other)) is same


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [-float("inf")]])
def test_a_number_that_is_not_json_has_no_digest(value):
    with pytest.raises(ValueError, match="JSON compliant"):
        digests.canonical(value)


def test_chinese_stays_readable_in_canonical_form():
    assert digests.canonical({"意图": "挂失"}) == '{"意图":"挂失"}'.encode()


def test_a_file_has_the_digest_of_its_bytes(tmp_path):
    path = tmp_path / "blob"
    path.write_bytes(bytes(range(256)) * 5000)
    assert digests.of_file(path) == digests.of_bytes(path.read_bytes())


def test_a_digest_is_sha256_with_its_name_before_it():
    assert digests.of_bytes(b"abc") == f"sha256:{hashlib.sha256(b'abc').hexdigest()}"


@pytest.mark.parametrize(
    ("identity", "shown"), [("dataset:" + "a" * 64, "dataset:aaaaaaaaaaaa"), ("dataset:3f9c", "dataset:3f9c")]
)
def test_short_keeps_the_kind_and_twelve_digits(identity, shown):
    assert digests.short(identity) == shown
