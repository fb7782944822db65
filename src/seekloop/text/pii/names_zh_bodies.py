"""Chinese places and organisations, told by the table of divisions, by suffixes and by where the words end."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence

from seekloop.text.pii.lists import lines, ours
from seekloop.text.pii.names_zh import Cut, Piece

__all__ = ["bodies", "places"]

_h = "\u4e00-\u9fff"
_no = "的了在是有去到从和与或及我你您他她它们请怎么这那哪什吗呢吧把被给让对向为"
_free = f"(?:(?![{_no}])[{_h}])"
_n = "[0-9０-９A-Za-z一二三四五六七八九十百零〇-]"
_street = "街道|大道|大街|路|街|巷|胡同|里弄|弄|镇|乡|村|屯"
_building = "小区|花园|花苑|家园|公寓|大厦|广场|新村|新城|园区|工业园|开发区|产业园|中心"
_number = "号院|号楼|号|栋|幢|座|单元|层|楼|室|组|队"
_tail = re.compile(
    f"(?:{_free}{{1,8}}?(?:{_street})(?!上|边|口|费|由|线|况|过|灯)|{_free}{{2,8}}?(?:{_building})|"
    f"{_n}{{1,8}}(?:{_number})(?!线)){{1,8}}{_n}{{0,5}}"
)
_address = re.compile(
    f"{_free}{{2,6}}?(?:大道|大街|路|街|巷|胡同|弄)[0-9０-９一二三四五六七八九十百]{{1,5}}(?:号|"
    f"弄)(?:{_free}{{0,8}}?{_n}{{1,8}}(?:{_number})){{0,4}}"
)
_division = re.compile("[省市区县旗州盟]")
_longest = 12
_levels = ("市", "县", "省")
_unlike = frozenset("城超门股夜菜楼上本全该各我贵外这那每某两几三小地社园景学郊山市老特校库战专新片禁牧州郡半跨多大同")
_words_before = re.compile(f"(?:到|在|去|来|往|于|从|址|寄|发|至|住|达|由|系|是|对|，|。|：|:|、|^|[^{_h}])$")

_strong = (
    "有限责任公司|股份有限公司|集团有限公司|有限公司|股份公司|集团公司|分公司|子公司|集团|律师事务所|会计师事务所|事务所|支行|分行|信用社|人民法院|法院|检察院|派出所"
    "|公安局|公安分局|分局|仲裁委员会|委员会|管理局|监管局|税务局|教育局|卫健委|居委会|村委会|街道办|营业部|交易所|研究院|研究所|基金会|协会|出版社|卫生院|疾控中心|合作社"
)
_weak = (
    "医院|大学|银行|公司|学院|中学|小学|幼儿园|保险|人寿|证券|基金|信托|支付|酒店|宾馆|药房|药店|诊所|商场|百货|"
    "超市|餐厅|饭店|工厂|物流|快递|电器|科技|传媒|学校"
)
_weak = f"(?:{_weak})(?!园|有限|单|费|卡|款|产品|服务|人员|行业|产业)"
_suffix = re.compile(f"(?:{_strong}|{_weak})")
_is_strong = re.compile(_strong)
_hard = frozenset("的了在是到给由向把被与及或从对让去你您我他她它这那哪某吗呢吧就都也还不没")
_few = frozenset("一二三四五六七八九十两几第省市区县镇大小新老东西南北总分病诊院所好各家")
_reach = 20
_latin = re.compile(r"[A-Za-z0-9]{2,16}$")
_brands = re.compile(
    "京东(?:商城|物流|金融|快递)?|淘宝|天猫|拼多多|美团|饿了么|顺丰(?:速运|快递)?|圆通|中通(?!过)|韵达|申通(?!过)|德邦|极兔|菜鸟驿站|支付宝|阿里巴巴|腾讯|百度|字节跳动|抖音|快手|小红书|滴滴(?:出行)?|携程|"
    "唯品会|苏宁(?:易购)?|国美|华为|小米(?=公司|官网|商城|客服|售后|科技)|联想(?=集团|客服|售后)|海尔|格力|美的集团|比亚迪|特斯拉|蔚来汽车|"
    "(?:中国)?(?:工商|农业|建设|招商|交通|浦发|兴业|光大|民生|平安|中信|华夏|广发|浙商|渤海|恒丰|邮政储蓄|邮储)银行|中国银行|工行|农行|建行|招行|中行(?=卡|的|网)|交行|邮储|微众银行|网商银行|"
    "(?:中国)?(?:平安|太平洋|太平|泰康|新华|人民)(?:保险|人寿|财险)|中国人保|中国人寿|中国移动|中国联通|中国电信|国家电网|南方电网|中国石油|中国石化|中石油|中石化|"
    "汇丰银行|花旗银行|渣打银行|麦当劳|肯德基|星巴克|瑞幸咖啡|海底捞|沃尔玛|家乐福|宜家|优衣库|亚马逊|苹果公司|微软|谷歌|三星电子"
)


def places(text: str, cut: Cut) -> Iterator[Piece]:
    """Divisions, short names of cities and streets; neighbours are one place, to the number of the room."""
    known = _divisions()
    spans = [(one.start, one.end) for one in cut.names if one.kind == "place" and one.confidence >= 0.5]
    ends = {one.end: one for one in cut.pieces}
    for match in _division.finditer(text):
        end = match.end()
        for start in range(max(0, end - _longest), end - 1):
            if text[start:end] in known:
                spans.append((start, end))
                break
        else:
            if (new := _unknown(text, end, ends=ends)) is not None:
                spans.append((new, end))
    spans = [(start, end + (text[end : end + 1] in _levels)) for start, end in spans]
    spans += [match.span() for match in _address.finditer(text)]
    for start, end in _joined(sorted(spans)):
        tail = _tail.match(text, end)
        yield Piece(start, tail.end() if tail else end, "place", 0.8)


def bodies(text: str, cut: Cut) -> Iterator[Piece]:
    """Organisations: known ones, and words that end in what organisations are called."""
    for match in _brands.finditer(text):
        yield Piece(*match.span(), "organisation", 0.8)
    for match in _suffix.finditer(text):
        start = _start(text, match, pieces=cut.pieces)
        if start is not None:
            yield Piece(start, match.end(), "organisation", 0.8)


def _unknown(text: str, end: int, *, ends: dict[int, Piece]) -> int | None:
    """Where a division that no table has begins: one to three characters that are no words of speech, then 市 or 县."""
    last = ends.get(end)
    if text[end - 1] not in "市县" or last is None:
        return None
    if last.kind == "person":
        return last.start
    start = end - 1
    while last.start == end - 1 and start in ends and end - 1 - ends[start].start <= 3:
        word = text[ends[start].start : start]
        if word in ours("zh_stops") or (start == end - 1 and word[-1] in _unlike):
            break
        start = ends[start].start
    return start if start < end - 1 and _words_before.search(text[max(0, start - 1) : start]) else None


def _joined(spans: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    here: tuple[int, int] | None = None
    for start, end in spans:
        if here is not None and start <= here[1]:
            here = (here[0], max(here[1], end))
        else:
            if here is not None:
                yield here
            here = (start, end)
    if here is not None:
        yield here


def _start(text: str, match: re.Match[str], *, pieces: Sequence[Piece]) -> int | None:
    """Where the organisation begins that ends with `match`; None: nothing of a name stands before it."""
    parts = _parts(text, match, pieces=pieces)
    is_strong = _is_strong.fullmatch(match[0]) is not None
    words = [text[one.start : min(one.end, match.start())] for one in parts]
    tells = [_tells(words, place, kind=one.kind) for place, one in enumerate(parts)]
    if is_strong:
        own = sum(len(word) for word in words if word not in ours("zh_generic"))
        return parts[0].start if any(tells) or own > 1 else None
    return parts[tells.index(True)].start if any(tells) else None


def _parts(text: str, match: re.Match[str], *, pieces: Sequence[Piece]) -> list[Piece]:
    """The words that lead up to a suffix, as far as a name can reach, in order."""
    before = [one for one in pieces if one.start < match.start()]
    parts: list[Piece] = []
    start = max(match.start(), before[-1].end) if before else match.start()
    while start > match.start() - _reach:
        latin = _latin.search(text[max(0, start - 16) : start])
        if latin is not None:
            parts.append(Piece(start - len(latin[0]), start, "latin"))
        elif before and before[-1].end == start:
            one = before.pop()
            if _stops_at(text, one, parts=parts, before=before):
                break
            parts.append(one)
        else:
            break
        start = parts[-1].start
    return parts[::-1]


def _stops_at(text: str, one: Piece, *, parts: Sequence[Piece], before: Sequence[Piece]) -> bool:
    word = text[one.start : one.end]
    if word not in ours("zh_stops"):
        return False
    if word in _hard or len(word) > 1 or not parts:
        return True
    left = text[before[-1].start : before[-1].end] if before and before[-1].end == one.start else ""
    return len(left) != 1 or left in ours("zh_stops")


def _tells(words: Sequence[str], place: int, *, kind: str) -> bool:
    """Whether a word makes an organisation of what it begins: a proper name, or letters that are no word."""
    word = words[place]
    if kind != "word" or word in _proper():
        return word not in ours("zh_generic")
    alone = len(word) == 1 and word not in _few
    return alone and place + 1 < len(words) and len(words[place + 1]) == 1 and words[place + 1] not in _few


@functools.cache
def _proper() -> frozenset[str]:
    return frozenset(lines("zh_proper.txt")[0].split())


@functools.cache
def _divisions() -> frozenset[str]:
    return frozenset(name for line in lines("zh_places.txt")[:3] for name in line.split(" "))
