"""Gold sentences for personal data, Chinese and English: numbers in sentences of ours, and numbers that are none.

Every structured kind in its written forms (full-width, spaced, dashed, digit by digit, in words) inside sentences as
customers write them, most of them without a space around the number; and hard negatives: order and parcel numbers,
amounts, times, versions, wrong check digits, the hotlines of businesses. Numbers that Faker does not make are made here
from their standards, apart from the code that looks for them.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from faker import Faker

__all__ = ["Gold", "chinese", "english", "names"]

EACH = 100
"""Rows of each kind, and of each sort of negative."""


@dataclass(frozen=True)
class Gold:
    """A sentence and the personal data in it."""

    text: str
    spans: tuple[tuple[str, int, int], ...]
    """Kind, start and end."""


Make = Callable[[], str]
_today = dt.date(2026, 11, 22)
"""On which everybody here is as old as Faker made them, so that the sentences are the same on every day."""


def chinese(seed: int) -> list[Gold]:
    """Chinese rows, positives and negatives."""
    return list(_Chinese(seed).rows())


def english(seed: int) -> list[Gold]:
    """English rows, positives and negatives."""
    return list(_English(seed).rows())


def names(seed: int) -> list[Gold]:
    """Chinese sentences with the name of a person, place or organisation; every other one has no word that tells."""
    faker, chance = Faker("zh_CN"), random.Random(seed)
    faker.seed_instance(seed)
    rows = []
    for kind, (telling, plain) in _named.items():
        make = {"person": faker.name, "place": faker.city, "organisation": faker.company}[kind]
        for number in range(EACH):
            rows.append(_filled(chance.choice(plain if number % 2 else telling), kind, make()))
    return rows


_named = {
    "person": (
        ("我叫{v}，卡丢了", "收货人：{v}，放门口", "请帮{v}先生查一下", "联系人{v}，下午在家", "户主姓名{v}"),
        ("{v}昨天来过了", "这单是{v}签收的", "钱转给{v}了没到账", "麻烦通知{v}来取"),
    ),
    "place": (("寄到{v}", "地址在{v}"), ("{v}能送货吗", "我下周去{v}出差")),
    "organisation": (("我在{v}上班", "发票抬头{v}"), ("{v}的对公账户", "{v}一直没回复")),
}


def _filled(template: str, kind: str, value: str) -> Gold:
    start = template.index("{v}")
    return Gold(template.replace("{v}", value), ((kind, start, start + len(value)),))


class _Language:
    def __init__(self, seed: int, locale: str) -> None:
        self.random = random.Random(seed)
        self.faker = Faker(locale)
        self.faker.seed_instance(seed)

    def digits(self, count: int, *, first: str = "0123456789") -> str:
        return self.random.choice(first) + "".join(self.random.choices("0123456789", k=count - 1))

    def grouped(self, number: str, *sizes: int) -> str:
        separator = self.random.choice(" -")
        parts, place = [], 0
        for size in sizes:
            parts.append(number[place : place + size])
            place += size
        return separator.join([*parts, *([number[place:]] if number[place:] else [])])

    def luhn(self, body: str, *, right: bool = True) -> str:
        total = 0
        for place, digit in enumerate(reversed(body)):
            value = int(digit) * (2 if place % 2 == 0 else 1)
            total += value // 10 + value % 10
        check = -total % 10
        return body + str(check if right else (check + self.random.randint(1, 9)) % 10)

    def rows(self) -> Iterator[Gold]:
        for kind, templates, make in self.positives():
            for _ in range(EACH):
                yield _filled(self.random.choice(templates), kind, make())
        for templates, make in self.negatives():
            for _ in range(EACH):
                yield Gold(self.random.choice(templates).replace("{v}", make()), ())

    def positives(self) -> list[tuple[str, tuple[str, ...], Make]]:
        raise NotImplementedError

    def negatives(self) -> list[tuple[tuple[str, ...], Make]]:
        raise NotImplementedError


_wide = str.maketrans("0123456789-()X", "０１２３４５６７８９－（）Ｘ")
_said = str.maketrans("0123456789", "零一二三四五六七八九")
_code = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_plain = (
    "我的号码是{v}请帮我查一下",
    "麻烦登记{v}谢谢",
    "{v}这个能办吗",
    "昨天报的是{v}，一直没人处理",
    "资料:{v}。请核对",
)


class _Chinese(_Language):
    def __init__(self, seed: int) -> None:
        super().__init__(seed, "zh_CN")

    def mobile(self) -> str:
        number = self.faker.phone_number()
        forms = [
            number,
            number,
            self.grouped(number, 3, 4),
            self.grouped(number, 4, 3),
            self.random.choice(("+86", "+86 ", "0086", "86-", "(+86)", "+86-")) + number,
            f"+86 {number[:3]} {number[3:7]} {number[7:]}",
            number.translate(_wide),
            self.grouped(number, 3, 4).translate(_wide),
            f"({number[:3]}){number[3:]}",
            number.translate(_said),
            number.translate(_said).replace("一", "幺"),
        ]
        return self.random.choice(forms)

    def landline(self) -> str:
        area = self.random.choice(("010", "021", "0755", "0571", "029", "0931"))
        number = self.digits(8 if len(area) == 3 else 7, first="23456789")
        forms = (f"{area}-{number}", f"({area}){number}", f"{area} {number}", f"{area}-{number[:4]}-{number[4:]}")
        return self.random.choice((*forms, f"{area}-{number}转{self.digits(3)}", f"{area}-{number}".translate(_wide)))

    def labelled_local(self) -> str:
        return self.digits(8, first="23456789")

    def resident(self) -> str:
        """The number of an identity card; its last character by ISO 7064, MOD 11-2, as GB 11643 has it."""
        number = self.faker.ssn()
        born = dt.datetime.strptime(number[6:14], "%Y%m%d").date() + (_today - dt.date.today())
        body = f"{number[:6]}{born:%Y%m%d}{number[14:17]}"
        total = sum(int(digit) * 2 ** (17 - place) for place, digit in enumerate(body))
        return body + "10X98765432"[total % 11]

    def identity(self) -> str:
        number = self.resident()
        spaced = f"{number[:6]} {number[6:14]} {number[14:]}"
        return self.random.choice((number, number, number.lower(), number.translate(_wide), spaced))

    def card(self) -> str:
        length = self.random.choice((16, 17, 18, 19, 19))
        number = self.luhn("62" + self.digits(length - 3))
        forms = [number, number, number.translate(_wide)]
        forms += [self.grouped(number, 4, 4, 4, 4)] if length in (16, 19) else []
        return self.random.choice(forms)

    def credit_code(self) -> str:
        organisation = "".join(self.random.choices(_code, k=8))
        total = sum(int(c, 36) * w for c, w in zip(organisation, (3, 7, 9, 10, 5, 8, 4, 2), strict=True))
        check = {10: "X", 11: "0"}.get(11 - total % 11, str((11 - total % 11) % 10))
        body = self.random.choice(("91", "92", "52", "12")) + self.random.choice(
            ("110105", "440300", "310115", "510107")
        )
        body += organisation + check
        total = sum(_code.index(c) * pow(3, place, 31) for place, c in enumerate(body))
        return body + _code[-total % 31]

    def plate(self) -> str:
        head = self.random.choice("京沪粤苏浙川鄂湘皖鲁") + self.random.choice("ABCDEFGH")
        letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
        dot = self.random.choice(("", "", "·", " "))
        ordinary = self.random.choice((self.digits(5), self.random.choice(letters) + self.digits(4)))
        electric = self.random.choice(
            (self.random.choice("DF") + self.digits(5), self.digits(5) + self.random.choice("DF"))
        )
        return head + dot + self.random.choice((ordinary, electric))

    def passport(self) -> str:
        return self.random.choice(
            ("E" + self.digits(8), "G" + self.digits(8), "E" + self.random.choice("ABCDH") + self.digits(7))
        )

    def hong_kong(self) -> str:
        letter, digits = self.random.choice("ABCDEGHKMPRVYZ"), self.digits(6)
        total = 36 * 9 + int(letter, 36) * 8 + sum(int(d) * w for d, w in zip(digits, range(7, 1, -1), strict=True))
        return f"{letter}{digits}({'0123456789A'[-total % 11]})"

    def email(self) -> str:
        return self.faker.ascii_free_email().replace("example", self.random.choice(("qq", "163", "foxmail")))

    def positives(self) -> list[tuple[str, tuple[str, ...], Make]]:
        calls = (
            "手机{v}请尽快处理",
            "打{v}没人接",
            "收货人{n}，{v}，放门口",
            "联系电话：{v}",
            "Tel:{v}",
            "您好我是{n}{v}麻烦看一下",
        )
        named = tuple(template.replace("{n}", self.faker.name()) for template in calls)
        return [
            ("phone", (*named, *_plain), self.mobile),
            ("phone", ("座机{v}", "公司电话{v}，工作日打", "{v}找小王", "请回拨{v}。", *_plain), self.landline),
            ("phone", ("座机{v}", "电话：{v}", "家里电话是{v}白天有人"), self.labelled_local),
            ("cn_id", ("身份证{v}号", "我的身份证号是{v}，请核实", "证件号:{v}", *_plain), self.identity),
            ("cn_id", ("老身份证{v}还能用吗", "身份证号：{v}"), lambda: self.old_identity()),
            ("card", ("卡号{v}已丢", "工行卡{v}扣了两次", "转到{v}这张卡", *_plain), self.card),
            ("card", ("信用卡{v}要销户", "visa卡号是{v}"), lambda: self.faker.credit_card_number("visa")),
            ("uscc", ("统一社会信用代码{v}", "开票税号：{v}，谢谢", *_plain), self.credit_code),
            ("plate", ("车牌{v}违停了", "我的车{v}怎么还没过户", "{v}的保险到期了"), self.plate),
            ("passport", ("护照{v}快到期了", "护照号：{v}", "我的护照号码是{v}可以办吗"), self.passport),
            ("hk_id", ("香港身份证{v}", "证件{v}可以吗", *_plain), self.hong_kong),
            ("email", ("发到{v}就行", "邮箱{v}收不到验证码", "我的邮箱是{v}请回复"), self.email),
            ("ipv4", ("登录地址{v}是我本人吗", "从{v}登录的请查"), self.faker.ipv4_public),
            ("ipv6", ("异常登录{v}请核实", "服务器{v}连不上"), self.faker.ipv6),
            ("birth_date", ("我{v}出生", "出生日期：{v}", "生日是{v}，能领券吗"), self.birthday),
            (
                "secret",
                ("链接https://a.example/cb?token={v}打不开", "https://a.example/x?a=1&access_token={v}请看"),
                self.token,
            ),
        ]

    def old_identity(self) -> str:
        number = self.resident()
        return number[:6] + f"{self.random.randint(50, 84)}" + number[10:17]

    def birthday(self) -> str:
        day = self.faker.date_of_birth(minimum_age=18)
        return self.random.choice(
            (f"{day.year}年{day.month}月{day.day}日", f"{day:%Y-%m-%d}", f"{day:%Y/%m/%d}", f"{day:%Y%m%d}")
        )

    def token(self) -> str:
        return self.faker.pystr(min_chars=16, max_chars=32)

    def wrong_identity(self) -> str:
        number = self.resident()
        return number[:17] + self.random.choice([c for c in "0123456789X" if c != number[17]])

    def wrong_region(self) -> str:
        return self.random.choice(("00", "19", "29", "99", "76")) + self.resident()[2:]

    def wrong_code(self) -> str:
        code = self.credit_code()
        return code[:17] + self.random.choice([c for c in _code if c != code[17]])

    def negatives(self) -> list[tuple[tuple[str, ...], Make]]:
        moment = self.faker.date_time_this_decade
        return [
            (
                ("订单号{v}什么时候发货", "订单编号：{v}，要退款", "订单{v}还没到"),
                lambda: self.digits(self.random.choice((12, 15, 16, 18, 19))),
            ),
            (
                ("运单号{v}三天没动", "快递{v}查不到", "物流单号{v}显示签收"),
                lambda: self.digits(self.random.choice((12, 13, 14, 15))),
            ),
            (("快递单号{v}到哪了",), lambda: self.random.choice(("SF", "YT", "JD")) + self.digits(13)),
            (("交易流水号{v}请查", "流水{v}扣重了"), lambda: "4200" + self.digits(24)),
            (("{v}下的单怎么还没处理", "昨天{v}付的款"), lambda: f"{moment():%Y%m%d%H%M%S}"),
            (("{v}付款成功", "时间是{v}"), lambda: f"{moment():%Y-%m-%d %H:%M:%S}"),
            (
                ("时间戳{v}的请求失败了", "日志{v}报错"),
                lambda: f"{self.random.randint(1_600_000_000_000, 1_799_999_999_999)}",
            ),
            (("扣了{v}元", "余额{v}", "合计¥{v}"), lambda: f"{self.random.uniform(1, 99_999_999):.2f}"),
            (("注册资本{v}元", "贷款{v}元什么时候放款"), lambda: self.digits(11, first="1")),
            (("身份证{v}校验不过", "证件号{v}"), self.wrong_identity),
            (("身份证{v}不对",), self.wrong_region),
            (("号码{v}无效", "{v}验证失败"), lambda: self.luhn("62" + self.digits(16), right=False)),
            (("代码{v}查不到", "税号{v}不存在"), self.wrong_code),
            (
                ("升级到版本{v}后闪退", "固件V{v}", "版本号{v}"),
                lambda: ".".join(self.digits(self.random.choice((1, 2)), first="123") for _ in range(4)),
            ),
            (
                ("商品型号SKU{v}A", "批次号{v}", "条码{v}", "序列号{v}"),
                lambda: self.digits(self.random.choice((11, 13, 15))),
            ),
            (
                ("拨打{v}转人工", "客服热线{v}打不通", "请致电{v}"),
                lambda: self.random.choice(
                    ("95588", "95533", "400-820-8820", "4008123123", "10086", "12315", "800-820-5555")
                ),
            ),
            (("验证码{v}过期了", "房号{v}停水", "邮编{v}"), lambda: self.digits(6)),
            (
                ("第{v}期账单", "工号{v}态度很好", "{v}个工作日"),
                lambda: self.digits(self.random.choice((1, 2, 4, 5, 6))),
            ),
        ]


_spoken = ("My number is {v} thanks", "Please note {v}.", "I gave you {v} yesterday", "ref. person: {v}, please check")


class _English(_Language):
    def __init__(self, seed: int) -> None:
        super().__init__(seed, "en_US")
        self.british = Faker("en_GB")
        self.british.seed_instance(seed)

    def american(self) -> str:
        area, office, line = self.digits(3, first="235679"), self.digits(3, first="23456789"), self.digits(4)
        forms = (
            f"({area}) {office}-{line}",
            f"({area}){office}-{line}",
            f"{area}-{office}-{line}",
            f"{area}.{office}.{line}",
        )
        extra = (
            f"+1-{area}-{office}-{line}",
            f"001-{area}-{office}-{line}",
            f"1-{area}-{office}-{line}",
            f"+1 {area} {office} {line}",
        )
        return self.random.choice((*forms, *extra, f"{area}-{office}-{line}x{self.digits(4)}"))

    def bare_american(self) -> str:
        number = self.digits(3, first="235679") + self.digits(7, first="23456789")
        return self.random.choice((number, f"{number[:3]} {number[3:6]} {number[6:]}"))

    def uk(self) -> str:
        return self.random.choice(
            (
                self.british.cellphone_number(),
                f"+44 7{self.digits(3)} {self.digits(6)}",
                f"020 7{self.digits(3)} {self.digits(4)}",
            )
        )

    def card(self) -> str:
        kind = self.random.choice(("visa16", "mastercard", "amex", "discover", "jcb16"))
        number = self.faker.credit_card_number(kind)
        forms = [number, number] + ([self.grouped(number, 4, 4, 4)] if len(number) == 16 else [])
        return self.random.choice(forms)

    def account(self) -> str:
        number = self.british.iban()
        return self.random.choice(
            (number, number.lower(), " ".join(number[i : i + 4] for i in range(0, len(number), 4)))
        )

    def birthday(self) -> str:
        day = self.faker.date_of_birth(minimum_age=18)
        return self.random.choice(
            (f"{day:%m/%d/%Y}", f"{day:%Y-%m-%d}", f"{day:%B} {day.day}, {day.year}", f"{day.day} {day:%b} {day.year}")
        )

    def positives(self) -> list[tuple[str, tuple[str, ...], Make]]:
        calls = ("call me at {v} please", "my phone is {v}.", "Tel: {v}", "text {v} when it ships")
        return [
            ("phone", (*calls, *_spoken), self.american),
            ("phone", calls[:3], self.bare_american),
            ("phone", (*calls, *_spoken), self.uk),
            ("card", ("my card {v} was stolen", "charged twice on {v}", *_spoken), self.card),
            ("us_ssn", ("My SSN is {v}", "social security number {v}, born in Ohio", *_spoken), self.faker.ssn),
            ("us_ssn", ("my social security number is {v}", "SSN: {v}"), lambda: self.faker.ssn().replace("-", "")),
            ("iban", ("wire it to {v} today", "IBAN: {v}", *_spoken), self.account),
            ("email", ("write to {v}", "my e-mail is {v}, thanks", "login:{v}"), self.faker.email),
            ("ipv4", ("blocked from {v} since Monday", "client {v} refused", *_spoken), self.faker.ipv4_public),
            ("ipv6", ("address {v} is blocked", *_spoken), self.faker.ipv6),
            ("mac", ("device {v} is offline", *_spoken), self.faker.mac_address),
            ("passport", ("my passport number is {v}", "Passport: {v} (US)"), lambda: self.faker.passport_number()),
            (
                "driver_licence",
                ("driver's license number is {v}", "my driver license: {v}"),
                lambda: self.random.choice("ABDS") + self.digits(12),
            ),
            ("birth_date", ("I was born on {v}", "DOB: {v}", "my date of birth is {v}."), self.birthday),
            (
                "secret",
                ("https://x.example/?api_key={v} fails", "open https://x.example/a?b=1&token={v} please"),
                lambda: self.faker.pystr(min_chars=16, max_chars=32),
            ),
        ]

    def negatives(self) -> list[tuple[tuple[str, ...], Make]]:
        moment = self.faker.date_time_this_decade
        return [
            (
                ("order {v} has not arrived", "Order number: {v}", "where is order #{v}"),
                lambda: self.digits(self.random.choice((10, 12, 15, 16, 19))),
            ),
            (
                ("tracking number {v}", "parcel {v} is lost", "tracking no. is {v}"),
                lambda: self.digits(self.random.choice((12, 15, 20))),
            ),
            (("UPS {v} is stuck",), lambda: "1Z" + self.digits(16)),
            (
                ("invoice {v} is wrong", "ticket #{v}", "case {v}", "transaction id {v}"),
                lambda: self.digits(self.random.choice((7, 8, 9, 10, 12))),
            ),
            (("charged {v} twice", "I paid ${v}", "balance {v}"), lambda: f"{self.random.uniform(1, 9_999_999):,.2f}"),
            (("paid on {v}", "since {v} nothing works"), lambda: f"{moment():%Y-%m-%d %H:%M:%S}"),
            (("delivery on {v} failed", "due {v}"), lambda: f"{moment():%m/%d/%Y}"),
            (
                ("timestamp {v} in the log", "at {v} it failed"),
                lambda: f"{self.random.randint(1_600_000_000_000, 1_799_999_999_999)}",
            ),
            (("number {v} is refused", "{v} does not validate"), lambda: self.luhn("4" + self.digits(14), right=False)),
            (
                ("version {v} crashes", "firmware v{v}", "release {v}"),
                lambda: ".".join(self.digits(self.random.choice((1, 2)), first="123") for _ in range(4)),
            ),
            (
                ("part number {v}", "model {v}", "SKU{v}B"),
                lambda: f"{self.digits(3)}-{self.digits(2)}-{self.digits(4)}",
            ),
            (("IBAN {v} is refused", "{v} is invalid"), self.wrong_iban),
            (
                ("room {v}", "{v} points", "{v} items left", "zip {v}"),
                lambda: self.digits(self.random.choice((2, 3, 5))),
            ),
            (("serial {v}", "isbn {v}", "code {v}"), lambda: self.digits(13)),
            (("dial 1-{v}", "our hotline is {v}"), lambda: f"800-{self.digits(3, first='23456789')}-{self.digits(4)}"),
        ]

    def wrong_iban(self) -> str:
        number = self.british.iban()
        return number[:-1] + str((int(number[-1]) + self.random.randint(1, 9)) % 10)
