"""Chinese numerals in running text to digits, where they surely are numbers: 二十四小时, not 十二指肠 or 三五个."""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal

from seekloop.text.numerals_zh import CHARACTERS, parse, parse_sequence
from seekloop.text.protect import Patterns, rewrite

__all__ = ["plain", "to_digits"]

_n = f"[{CHARACTERS}]"
_d, _coin = "[零〇○一二三四五六七八九]", "[零一二三四五六七八九壹贰叁肆伍陆柒捌玖]"
_run = rf"(?:(?:\d+(?:\.\d+)?)?{_n}+){{1,3}}(?:[点點]{_d}+)?(?:(?<=[万萬亿億千百])\d)?"
_number = rf"(?:{_run}|\d+(?:\.\d+)?)"
_edge, _stop = rf"(?<![{CHARACTERS}\d.点點A-Za-z_-])", rf"(?![{CHARACTERS}\d]|[.点點]\d|[点點]{_d})"
_to = "(?:到|至|~|～|—|-)"

_idioms = re.compile(
    "十二[指直脂]肠|三点一[线方]|十二生肖|十三香|三十六计|七十二变|二十四史|二十四节气|四十二章经|三十而立|四十不惑|五十肩|四十肩|一千零一夜|"
    "三百六十行|二百五(?![十毫公千克元块个米])|双十[一二]|十一(?=假期|黄金周|长假|期间|国庆)|国庆十一|九一一|三八(?=节|妇女)|八一|"
    "六一|五一|五四|七一|一五一十|三三两两|七七八八|九九归一|一一(?=对应|列举|回复|解答)|一二三|十一届|(?<![一二两三四五六七八九])百八十|一百(?=一)|十全|"
    "千千万万|万万|亿万|成百上千|(?:这|那|前|近|头|过|没)两[天日年]|三天两头|三番五次|第一(?:时间|手|线|次性)|"
    "[一二三四五六七八九十百千万]+[一-龥]+?不[一二三四五六七八九十百千万]"
)
_units = (
    "个(?:多)?(?:月|小时|钟头|星期|礼拜|半月|季度|工作日|疗程|百分点)|(?:人民币|美|欧|日|港|韩)?元|块钱|毛钱|角钱|英镑|周岁|岁|月份|"
    "月(?![亮饼经子季台光球嫂色老]|[一二三四五六七八九十]{1,3}(?![一二三四五六七八九十日号]))|号(?![码称召令角外线])|日(?![常本语元志记益渐出落光])|天(?![气空天生然下才真使涯津猫堂])|"
    "小时|钟头|分钟|秒|年(?![轻龄迈末货夜纪级])|周(?![围边末一二三四五六日期])|星期(?![一二三四五六日天])|季度|公斤|千克|"
    "毫克|微克|克(?![服制拉])|斤|吨|毫升|升(?![高级温降学职])|厘米|毫米|公里|千米|平方米|平米|立方米|米(?![饭粉线酒面])|"
    "度(?![过假])|次(?![方放])|片(?![面刻])|粒|颗|盒|瓶|袋|支(?![持付付气撑])|名(?![字称义])|位|台(?![湾风])|件|份(?![额子])|"
    "折(?![磨腾])|倍|例(?![如外])|届|楼|层|室|页|集|寸|英寸|毫安|瓦|伏|兆|期(?![间望待])|"
    "(?<=第[一二三四五六七八九十])[条款章节回轮步个]"
)
_sure_after_one = r"元|块钱|周岁|岁|月份|小时|公斤|千克|毫克|毫升|厘米|毫米|公里|平方米|英镑"
_unit, _one_unit = re.compile(_units), re.compile(_sure_after_one)
_share = re.compile(rf"([百千])分之(百|{_number}){_stop}(?:({_to})({_number}){_stop}(?!分之|%))?")
_fraction = re.compile(rf"{_edge}({_n}+)分之({_n}+){_stop}")
_money = re.compile(
    rf"{_edge}({_number})(元|块)(?:({_coin}|\d)(毛|角)(?:({_coin}|\d)分)?|({_d}|\d)(?![{CHARACTERS}\d个只张件半多几来]))?(钱)?"
)
_halved = re.compile(rf"{_edge}({_run})(米|度)({_d}{{1,2}}){_stop}(?![个多几米厘分])")
_dimes = re.compile(rf"{_edge}({_d}|\d)[毛角](?:({_d}|\d)分)?钱")
_sequence = re.compile(rf"(?<![{CHARACTERS}\d.])[零〇○幺一二三四五六七八九]{{3,}}(?![{CHARACTERS}\d点點.])")
_year = re.compile(rf"(?<![{CHARACTERS}\d])({_d}{{4}}|{_d}{{2}})(?=年(?![级代]))")
_range = re.compile(rf"{_edge}({_run})({_to})({_run})(?={_units})")
_any = re.compile(rf"{_edge}[负負]?({_run}){_stop}")
_no_number_after = tuple("周期拜初老高大小每同某这那哪前")
_ordered = "12345678901234567890"


def to_digits(text: str, *, keep: Patterns = ()) -> tuple[str, Counter[str]]:
    """`text` with its numerals in digits, and how many of each kind there were.

    百分之五十 becomes 50%, 三分之一 1/3, 一百二十八块五毛 128.50元, 3万5 35000, 二〇二四年 2024年. What stays:
    ranges (三五个), rough counts (十几个, 几十), idioms, and single digits without a unit of measure (一下, 三方).
    """
    counts: Counter[str] = Counter()
    for kind, pattern, edit in _steps:
        text, count = rewrite(text, pattern, edit=edit, keep=(*keep, _idioms))
        counts[kind] += count
    return text, +counts


def plain(value: Decimal) -> str:
    """A value in digits without an exponent or zeros behind the last place: Decimal("1.50E+5") is "150000"."""
    written = f"{value:f}"
    return written.rstrip("0").rstrip(".") if "." in written else written


def _value(text: str) -> Decimal | None:
    return Decimal(text) if re.fullmatch(r"\d+(?:\.\d+)?", text, re.ASCII) else parse(text)


def _as_share(match: re.Match[str]) -> str | None:
    sign = "%" if match[1] == "百" else "‰"
    value = Decimal(100) if match[2] == "百" else _value(match[2])
    if value is None or _is_rough(match):
        return None
    if not match[4]:
        return f"{plain(value)}{sign}"
    end = _value(match[4])
    return None if end is None else f"{plain(value)}{sign}{match[3]}{plain(end)}{sign}"


def _as_fraction(match: re.Match[str]) -> str | None:
    below, above = parse(match[1]), parse(match[2])
    if below is None or above is None or below < 2 or above != int(above):
        return None
    return f"{plain(above)}/{plain(below)}"


def _as_money(match: re.Match[str]) -> str | None:
    amount, unit, tens, _, cents, bare, coin = match.groups()
    value, after = _value(amount), match.string[match.end() : match.end() + 1]
    if value is None or _is_rough(match):
        return None
    if tens is None and bare is None:
        if amount.isascii() and unit == "元":
            return None
        free = not re.match(r"[\u4e00-\u9fff]", after) and len(amount) > 1
        return f"{plain(value)}元" if unit == "元" or coin or free else None
    if value != int(value) or (bare and unit == "元" and not coin):
        return None
    return f"{plain(value)}.{_digit(tens or bare)}{_digit(cents) if cents else 0}元"


def _as_range(match: re.Match[str]) -> str | None:
    low, high = parse(match[1]), parse(match[3])
    if low is None or high is None or low >= high or _is_rough(match):
        return None
    return f"{plain(low)}{match[2]}{plain(high)}"


def _as_dimes(match: re.Match[str]) -> str | None:
    return f"0.{_digit(match[1])}{_digit(match[2]) if match[2] else 0}元"


def _as_measure(match: re.Match[str]) -> str | None:
    """一米七五 and 三十八度五: the digits behind the unit are decimals."""
    value, decimals = parse(match[1]), parse_sequence(match[3])
    return None if value is None or value != int(value) else f"{plain(value)}.{decimals}{match[2]}"


def _digit(text: str) -> str:
    return text if text.isascii() else parse_sequence(text) or "0"


def _as_sequence(match: re.Match[str]) -> str | None:
    """A code or telephone number that was spelt out; 一二三四 rather counts."""
    digits = parse_sequence(match[0])
    if digits is None or digits in _ordered or (len(digits) < 5 and not re.search("[零〇○幺]", match[0])):
        return None
    return digits


def _as_year(match: re.Match[str]) -> str | None:
    if len(match[1]) == 2 and not match[1].startswith(("零", "〇", "○", "九")):
        return None
    return parse_sequence(match[1])


def _as_number(match: re.Match[str]) -> str | None:
    run, before = match[0], match.string[max(0, match.start() - 2) : match.start()]
    rest = match.string[match.end() :]
    value = parse(run)
    if value is None or _is_rough(match) or before in ("凌晨", "早上", "晚上"):
        return None
    if "点" in run and (before[-1:] in ("午", "晨") or re.match("[分刻]|多|半|钟|左右", rest)):
        return None
    lone = len(run) == 1
    if lone and (before[-1:] in _no_number_after or not (_one_unit if run == "一" else _unit).match(rest)):
        return None
    if rest[:1] in ("多", "余") and value >= 10**4:  # 一亿多 is no 100000000多
        return None
    if run in ("十", "十一") and not _unit.match(rest):
        return None
    return plain(value)


def _is_rough(match: re.Match[str]) -> bool:
    """十几, 十来个, 三十好几: a rough count, which digits would make exact."""
    around = match.string[max(0, match.start() - 1) : match.start()], match.string[match.end() : match.end() + 2]
    return around[0] in tuple("几数") or around[1][:1] in tuple("几来") or around[1] == "好几"


_steps = (
    ("percent", _share, _as_share),
    ("fraction", _fraction, _as_fraction),
    ("money", _money, _as_money),
    ("money", _dimes, _as_dimes),
    ("number", _halved, _as_measure),
    ("number", _range, _as_range),
    ("number", _year, _as_year),
    ("number", _sequence, _as_sequence),
    ("number", _any, _as_number),
)
