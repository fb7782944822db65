"""Mask, replace, hash, encrypt, drop, keep: each does what it promises, in every text the same."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from seekloop.system.errors import DataError
from seekloop.text import pii
from seekloop.text.pii.fakes import canonical, fake
from seekloop.text.pii.seal import seal

KEY, OTHER = bytes(32), bytes([1]) * 32
VALUES = {
    "phone": (
        "13812345678",
        "+86 138-1234-5678",
        "010-12345678转801",
        "(212) 555-0147",
        "+44 7700 900456",
        "一三八一二三四五六七八",
    ),
    "cn_id": ("110101199003070396", "110101 19900307 0396"),
    "card": ("4111 1111 1111 1111", "6222021234567890128"),
    "uscc": ("91350100M000100Y43",),
    "iban": ("GB82 WEST 1234 5698 7654 32", "gb42nawi04454264788619"),
    "hk_id": ("A123456(3)",),
    "tw_id": ("A123456789",),
    "us_ssn": ("078-05-1120",),
    "email": ("zhang.wei@qq.com",),
    "ipv4": ("10.0.0.17",),
    "ipv6": ("2001:db9::1",),
    "mac": ("00:1b:44:11:3a:b7",),
    "plate": ("京A·12345", "粤BD12345"),
    "passport": ("E12345678",),
    "birth_date": ("1990年3月7日", "19900307", "03/07/1990"),
    "secret": ("abcDEF123",),
    "person": ("张伟", "Mary Jones"),
    "place": ("北京市",),
    "organisation": ("中国平安保险公司", "Acme Ltd"),
}
CASES = [(kind, value) for kind, values in VALUES.items() for value in values]
PIECES = [value for values in VALUES.values() for value in values]


def redactor(action: str, *, key: bytes = KEY, **keys) -> pii.Redactor:
    return pii.Redactor(dict.fromkeys(pii.PERSONAL, action), key=lambda: key, **keys)


@pytest.mark.parametrize(("kind", "value"), CASES)
def test_a_stand_in_keeps_the_form_and_is_another_value(kind, value):
    stand_in = fake(kind, value, key=KEY)
    assert stand_in != value
    if kind not in {*pii.NAMES, "email", "ipv4", "ipv6"}:
        shape = ["0" if c.isdigit() or c in "一二三四五六七八九零" else "A" if c.isalpha() else c for c in value]
        faked = ["0" if c.isdigit() else "A" if c.isalpha() else c for c in stand_in]
        assert len(faked) == len(shape)
    assert fake(kind, value, key=KEY) == stand_in
    assert kind in ("birth_date", "place") or fake(kind, value, key=OTHER) != stand_in


@pytest.mark.parametrize(
    ("kind", "value"), [case for case in CASES if case[0] in ("cn_id", "card", "uscc", "iban", "phone")]
)
def test_a_stand_in_passes_the_checks_of_its_kind(kind, value):
    stand_in = fake(kind, value, key=KEY)
    label = {"phone": "电话", "cn_id": "身份证", "card": "卡号", "uscc": "代码", "iban": "IBAN "}[kind]
    assert [one.kind for one in pii.find(label + stand_in)] == [kind]


@given(st.integers(0, 10**8 - 1), st.sampled_from(["{0}", "{1}-{2}-{3}", "+86 {1} {2} {3}", "86{0}"]))
def test_all_written_forms_of_a_value_have_one_stand_in(number, form):
    digits = f"138{number:08d}"
    written = form.format(digits, digits[:3], digits[3:7], digits[7:])
    assert canonical("phone", fake("phone", written, key=KEY)) == fake("phone", digits, key=KEY)


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=5))
def test_no_stand_in_is_a_value_of_its_text(values):
    text = "；".join(values)
    done = redactor("replace").redact(text)
    real = {canonical(one.kind, text[one.start : one.end]) for one in redactor("replace").find(text)}
    left = {canonical(one.kind, done.text[one.start : one.end]) for one in redactor("replace").find(done.text)}
    assert not real & left


@given(st.lists(st.sampled_from([*PIECES, "手机", "card ", "。", " ", "订单号"]), max_size=6).map("".join))
def test_masking_hashing_and_sealing_twice_change_nothing_more(text):
    for action in ("mask", "hash", "encrypt"):
        once = redactor(action).redact(text)
        assert redactor(action).redact(once.text) == pii.Redacted(once.text, once.counts.__class__())


@given(st.lists(st.sampled_from([*PIECES, "手机", "card ", "。", "[PHONE]", "订单号"]), max_size=6).map("".join))
def test_what_was_encrypted_is_revealed_with_the_key(text):
    assert pii.reveal(redactor("encrypt").redact(text).text, key=KEY) == text


@given(st.text(min_size=1, max_size=40).filter(lambda text: text.isprintable()))
def test_any_value_can_be_sealed(value):
    assert pii.reveal(f"a{seal('phone', value, key=KEY)}b", key=KEY) == f"a{value}b"


@pytest.mark.parametrize("change", ["key", "kind", "text"])
def test_a_seal_opens_only_as_it_was_made(change):
    sealed = seal("phone", "13812345678", key=KEY)
    flipped = sealed[:-2] + ("a" if sealed[-2] != "a" else "e") + "]"
    shown = {"key": sealed, "kind": sealed.replace("PHONE", "CARD"), "text": flipped}[change]
    with pytest.raises(DataError) as caught:
        pii.reveal(shown, key=OTHER if change == "key" else KEY)
    assert caught.value.code == "text.seal_broken"


def test_hashes_are_the_same_for_one_value_and_others_under_another_key():
    texts = ["打13812345678", "打138-1234-5678"]
    first, again = (redactor("hash").redact(text).text for text in texts)
    assert first == again
    assert first != redactor("hash", key=OTHER).redact(texts[0]).text


def test_each_kind_has_its_own_action_and_is_counted_by_it():
    actions = {"phone": "hash", "email": "mask", "card": "drop", "cn_id": "keep"}
    text = "13812345678 a@example.com 4111 1111 1111 1111 身份证110101199003070396"
    done = pii.Redactor(actions, key=lambda: KEY).redact(text)
    assert done.counts == {"phone:hash": 1, "email": 1, "card:drop": 1, "cn_id:keep": 1}
    assert done.drop
    assert done.text.endswith("[EMAIL] [CARD] 身份证110101199003070396")


def test_the_key_is_not_asked_for_where_nothing_needs_it():
    asked = itertools.count()
    masking = pii.Redactor({"phone": "mask"}, key=lambda: bytes([next(asked)]))
    assert masking.redact("13812345678").text == "[PHONE]"
    assert next(asked) == 0


@given(st.text(max_size=60))
def test_any_text_can_be_redacted(text):
    assume(text.isprintable())
    for action in ("mask", "replace", "hash"):
        assert isinstance(redactor(action).redact(text).text, str)
