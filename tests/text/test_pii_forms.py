"""Each kind of personal data in its written forms, and the numbers that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import pii_gold
from seekloop.text import pii
from seekloop.text.pii import checks


def found(text: str) -> list[tuple[str, str]]:
    return [(one.kind, text[one.start : one.end]) for one in pii.find(text, kinds=pii.KINDS)]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("打(+86)138-1234-5678没人接", "phone", "(+86)138-1234-5678"),
        ("（138）12345678", "phone", "（138）12345678"),
        ("我的号码是一三八一二三四五六七八请回", "phone", "一三八一二三四五六七八"),
        ("一 Tel13812345678vx同号", "phone", "13812345678"),
        ("请拨0755-8765 4321转802找我", "phone", "0755-8765 4321转802"),
        ("call 001-518-640-0854 now", "phone", "001-518-640-0854"),
        ("They're not answering at 78 651 450", "phone", "78 651 450"),
        ("fax 259.735.7502x459", "phone", "259.735.7502x459"),
        ("身份证１１０１０１１９９００３０７０３９６", "cn_id", "１１０１０１１９９００３０７０３９６"),
        ("证件110101 19900307 0396", "cn_id", "110101 19900307 0396"),
        ("老身份证110101900307039", "cn_id", "110101900307039"),
        ("香港身份证A123456(3)", "hk_id", "A123456(3)"),
        ("台灣身分證A123456789", "tw_id", "A123456789"),
        ("IBAN GB82 WEST 1234 5698 7654 32 please", "iban", "GB82 WEST 1234 5698 7654 32"),
        ("统一社会信用代码91350100M000100Y43", "uscc", "91350100M000100Y43"),
        ("护照E12345678过期", "passport", "E12345678"),
        ("车牌京A·12345", "plate", "京A·12345"),
        ("新能源粤BD12345", "plate", "粤BD12345"),
        ("SSN 078 05 1120", "us_ssn", "078 05 1120"),
        ("server 2001:db8::1 down", "ipv6", "2001:db8::1"),
        ("DNS server 8.8.8.8", "ipv4", "8.8.8.8"),
        ("我1990年3月7日出生", "birth_date", "1990年3月7日"),
        ("born on March 7, 1990", "birth_date", "March 7, 1990"),
        ("通行证C12345678", "travel_permit", "C12345678"),
        ("客服热线95588", "hotline", "95588"),
        ("请拨400-810-0000", "hotline", "400-810-0000"),
        ("key sk-abcdefghij1234567890 leaked", "secret", "sk-abcdefghij1234567890"),
    ],
)
def test_a_written_form_is_found_whole(text, kind, value):
    assert found(text) == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    [
        "订单号13812345678什么时候发货",
        "order number 4111111111111111 is late",
        "扣了13812345678元",
        "E12345678这个型号",
        "版本10.2.3.14闪退",
        "12:30:45到13:00",
        "std::vector<int> a::b",
        "DOID:0081312 T-cell",
        "603225000 + 8617500000 = 9220725000",
        "2024-01-02 12:30:45下单，电话没人接",
        "身份证110101199002300396号",
        "新A款到货12345件",
        "GB82WEST12345698765431",
        "see https://example.com/put-ai-to-work-in-health-care",
    ],
)
def test_a_number_of_another_kind_stays(text):
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("13812345678", 0.5, 0.9),
        ("我的手机13812345678", 0.9, 1.0),
        ("护照E12345678", 0.9, 1.0),
    ],
)
def test_a_word_beside_a_number_raises_its_confidence(text, low, high):
    (one,) = pii.find(text, least=0.0)
    assert low <= one.confidence <= high


def test_a_kind_that_is_not_asked_for_is_not_taken_for_another():
    assert pii.find("身份证110101199003070396", kinds=["card", "phone", "uscc"]) == []
    assert pii.mask("请拨400-810-0000或95588")[1] == {}


@pytest.mark.parametrize("language", ["chinese", "english"])
def test_every_generated_sentence_has_its_kind_and_nothing_else(language):
    rows = getattr(pii_gold, language)(seed=20)[::4]
    for row in rows:
        assert [(one.kind, one.start, one.end) for one in pii.find(row.text)] == list(row.spans), row.text


@given(st.from_regex(r"[0-9]{8}", fullmatch=True))
def test_one_check_character_fits_a_credit_code(organisation):
    body = f"91350100{organisation}{checks.organisation_digit(organisation)}"
    fits = [c for c in "0123456789ABCDEFGHJKLMNPQRTUWXY" if checks.uscc_digit(body) == c]
    assert len(fits) == 1
    assert checks.is_uscc(body + fits[0])


@given(st.text("0123456789", min_size=15, max_size=18), st.integers(1, 9))
def test_a_changed_check_digit_is_no_card(body, change):
    number = f"62{body[2:]}"
    right = number + checks.luhn_digit(number)
    assert checks.is_card(right) or len(set(right)) == 1
    assert not checks.is_card(number + str((int(right[-1]) + change) % 10))


@given(st.text("0123456789ABCDEFGHIJ", min_size=18, max_size=18))
def test_an_account_number_fits_its_check_digits(account):
    assert checks.is_iban(f"GB{checks.iban_digits('GB', account)}{account}")


def test_the_published_examples_pass():
    assert checks.is_iban("GB29 NWBK 6016 1331 9268 19")
    assert checks.is_hk_id("C668668(9)")
    assert checks.is_tw_id("A123456789")
    assert checks.is_cn_id("11010519491231002X")
    assert not checks.is_cn_id("110101190002290012")
