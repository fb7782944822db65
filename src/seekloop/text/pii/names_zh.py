"""Chinese names as readings of a sentence: every way to cut it into words and names has a probability.

A sentence is a lattice of words (counts of jieba's dictionary) and of names: a surname, then one or two characters as
often as given names have them, times what stands beside it (`收件人`, `先生`). A name's confidence is its posterior,
the share of all readings, weighed by their probability, in which it is one (forward-backward, Rabiner 1989).
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from seekloop.text.pii.lists import lines, ours

__all__ = ["SURNAMES", "Cut", "Piece", "cut", "labelled"]

SURNAMES: tuple[str, ...] = (
    *re.findall(
        "..",
        "欧阳上官司马诸葛东方皇甫尉迟公孙慕容令狐长孙宇文司徒夏侯端木独孤南宫司空轩辕西门呼延澹台公冶濮阳淳于申屠钟离闻人万俟赫连拓跋鲜于",
    ),
    *dict.fromkeys(
        "王李张刘陈杨黄赵周吴徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖萧田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭"
        "陆汪范金石廖贾夏韦付傅方白邹孟熊秦邱江尹薛闫阎段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤温康施文牛樊葛邢安齐"
        "易乔伍庞颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆蓝路游辛靳"
        "管柴蒙鲍华喻祁蒲房滕屈饶解牟艾尤阳时穆农司卓古吉缪简车项连芦麦褚娄窦戚岑景党宫费卜冷晏席卫米柏宗瞿桂全佟应臧闵"
        "苟邬边卞姬师和仇栾隋商刁沙荣巫寇桑郎甄丛仲虞敖巩明佘池查麻苑迟邝赖代邸郜冼揭危官宣羊鄢郇杭诸祖封储谌晁郁匡步胥"
        "常乐平元皮计狄云敬璩练鞠占浦蔺奚强粟屠门束鹿厉随"
    ),
)
"""Surnames: compound ones, then single ones, the commonest first."""
_scale = math.exp(7.5)
"""What each character of a reading is worth, so that long products stay near 1; it cancels out."""
_longest, _word = 120, 4
_rank = 10
_person = 0.005
"""Share of persons' names among the words of a text, before anything is known of their neighbours."""
_paired = 0.3
"""Share of given names that are told as a pair, the others as two characters."""
_lone = 0.22
"""Share of given names of one character."""
_least = 0.05
_told, _likely, _edge = 150.0, 7.0, 2.0

_roles = (
    "我叫|名叫|名字叫|叫做|姓名|名字|收货人|收件人|联系人|寄件人|发件人|持卡人|开户人|户名|户主|投保人|被保险人|受益人|担保人|保证人|借款人|贷款人|出借人"
    "|汇款人|收款人|付款人|经办人|申请人|被申请人|负责人|法定代表人|法人代表|法人|代理人|委托人|受托人|证人|被害人|受害人|原告人?|被告人?|上诉人|被上诉人"
    "|第三人|嫌疑人|当事人|审判长|审判员|书记员|公证员|患者|病人|患儿|产妇|家属|主治医师|主治医生|主刀医生|医师|责任护士|客户经理|理财经理|专员|客服|坐席"
    "|客户|用户|会员|业主|租客|承租人|出租人|甲方|乙方|丙方|买方|卖方|快递员|骑手|司机|师傅|签收人|领取人|监护人|学生|老师|同事|经理|主任|护士|律师|法官|签字人"
)
_introduced = re.compile(
    f'(?:{_roles})(?:（[^）]{{1,8}}）|\\([^)]{{1,8}}\\))?[ ：:是为叫乃即系\u3000"“]{{0,3}}$'
    "|(?:本人|我是|这里是|我姓|致)[ ：:]?$"
)
_kin = (
    "老公|老婆|妻子|丈夫|爱人|儿子|女儿|孩子|宝宝|爸爸|妈妈|父亲|母亲|爷爷|奶奶|哥哥|姐姐|弟弟|妹妹|朋友|同学|"
    "邻居|室友|舅舅|姑姑|外公|外婆|爸|妈|弟|妹|哥|姐"
)
_leading = re.compile(
    f"(?:(?:{_kin})(?:是|叫)?|[给找和与跟向由让请被叫帮替约是对同诉、及送把将为致问教]|通知|联系|转告|告诉|委托|"
    f"起诉|转给|交给|发给|寄给|打给|改成|写成|推荐|人是|刚才|昨天|今天)[ ：:]?$"
)
_titles = (
    "先生|女士|小姐|太太|夫人|老师|医生|大夫|医师|护士|经理|主任|律师|法官|师傅|阿姨|叔叔|同学|同志|教授|院长|"
    "董事长|总监|警官|店长|主管|工程师|博士|顾问|专员|会计"
)
_addressed = re.compile(f"(?:{_titles}|名下|本人|您好|你好|诉(?!求|讼|说))")
_following = re.compile(
    "说|称|将|诉|签|付|申请|提交|要求|陈述|自述|拒不|支付|借|欠|来|去|打|收|发|办|在|于|的|于|和|与|及|、|跟|同|等|因|已|未|没|是|把|被|向|给|对|负责|受理|代|联系|反映|投诉|购买"
    "|等|还|又|也|都|刚|曾|现|主张|辩称|到|从|为|系|患|住|领|取|术后|入院|出院|拿|买|下单|接|让|叫|答应|昨天|今天|明天|上午|下午|身份证|手机|电话|工号|女|男|，|。|,|？|！|；|：|\\)|）"
)
_medicine = re.compile("[片丸散汤膏剂粉素唑嗪钠钙胺酯嘌霉]|胶囊|颗粒|口服|注射|[西沙他]?[林平坦汀]")
_nicknames = re.compile("[小老阿]")
_surname_title = re.compile(
    f"(?:{_titles}|总(?![共计是额的结量数会和算体部得有要不在能裁分行务价])|工(?![作资程厂人商业会伤号地期单])|哥|"
    f"姐(?!妹)|董(?!事)|局(?!长?部))"
)
_han = re.compile("[\u4e00-\u9fff]+")
_label = re.compile(
    "(?:姓名|联系人|收件人|收货人|寄件人|户名|患者|原告|被告|被告人|法定代表人|证人|受益人|投保人|被保险人|借款人|"
    "担保人|持卡人)[：:] ?([\u4e00-\u9fff]{2,4})(?![\u4e00-\u9fff])"
)
_no_name = re.compile("[本的未无有是我你他公司店部院局所请不没同暂]")
_part = "(?:(?![是叫的了和在向给对与跟被由为诉我你他她找请说把于从])[\u4e00-\u9fff]){1,5}"
_dotted = re.compile(f"{_part}(?:[·•・]{_part}){{1,3}}")
_count = re.compile(r"(\D+?)(\d+) ?")


class Piece(NamedTuple):
    """`text[start:end]`."""

    start: int
    end: int
    kind: str
    """`word`, `person` or `place`."""
    confidence: float = 1.0


@dataclass(frozen=True)
class Cut:
    """How a text is read."""

    pieces: list[Piece]
    """The likeliest reading of its Chinese parts, in order."""
    names: list[Piece]
    """Every name that it may have, with its posterior; they may overlap."""


@dataclass(frozen=True)
class _Lexicon:
    words: dict[str, float]
    """Share of each word, times the scale of its characters."""
    surnames: dict[str, float]
    alone: dict[str, float]
    first: dict[str, float]
    second: dict[str, float]
    pairs: dict[str, float]
    places: frozenset[str]


def cut(text: str) -> Cut:
    """The readings of the Chinese parts of `text`."""
    lexicon, whole = _lexicon(), Cut([], [])
    for match in _han.finditer(text):
        for start in range(match.start(), match.end(), _longest):
            _run(text, start, end=min(start + _longest, match.end()), lexicon=lexicon, into=whole)
    return whole


def labelled(text: str) -> Iterator[Piece]:
    """Names that a label gives away whatever their letters (`姓名：阿依古丽`), and those with a dot."""
    words = _lexicon().words
    for match in _label.finditer(text):
        if match[1] not in words and not _no_name.search(match[1]):
            yield Piece(*match.span(1), "person", 0.8)
    for match in _dotted.finditer(text):
        yield Piece(*match.span(), "person", 0.9)


Edge = tuple[int, float, str]


def _run(text: str, begin: int, *, end: int, lexicon: _Lexicon, into: Cut) -> None:
    edges = [_edges(text, at, end=end, lexicon=lexicon) for at in range(begin, end)]
    size = end - begin
    after = [0.0] * size + [1.0]
    best: list[tuple[float, Edge | None]] = [(0.0, None) for _ in range(size)]
    best.append((1.0, None))
    for at in range(size - 1, -1, -1):
        total, top, chosen = 0.0, -1.0, None
        for edge in edges[at]:
            stop, weight = edge[0] - begin, edge[1]
            total += weight * after[stop]
            if weight * best[stop][0] > top:
                top, chosen = weight * best[stop][0], edge
        after[at], best[at] = total, (top, chosen)
    before = [1.0] + [0.0] * size
    for at in range(size):
        for stop, weight, _ in edges[at]:
            before[stop - begin] += before[at] * weight
    whole = after[0]
    at = begin
    while at < end:
        taken = best[at - begin][1]
        assert taken is not None  # every character is a word by itself
        into.pieces.append(Piece(at, taken[0], taken[2]))
        at = taken[0]
    for at, found in enumerate(edges):
        for stop, weight, kind in found:
            share = 0.0 if kind == "word" else before[at] * weight * after[stop - begin] / whole
            if share > _least:
                into.names.append(Piece(begin + at, stop, kind, min(1.0, share)))


def _edges(text: str, at: int, *, end: int, lexicon: _Lexicon) -> list[Edge]:
    found: list[Edge] = []
    words = lexicon.words
    for length in range(1, min(_word, end - at) + 1):
        word = text[at : at + length]
        share = words.get(word)
        if share is not None:
            found.append((at + length, share, "place" if word in lexicon.places else "word"))
    if not found or found[0][0] != at + 1:
        found.append((at + 1, words[""], "word"))
    for length in (2, 1):
        surname = lexicon.surnames.get(text[at : at + length]) if at + length <= end else None
        if surname is not None:
            found += _names(text, at, end=end, share=surname, length=length, lexicon=lexicon)
    if _nicknames.match(text, at) and at + 2 <= end and (surname := lexicon.surnames.get(text[at + 1])) is not None:
        weight = surname * _before(text, at) * _behind(text, at + 2) * 0.004 * _person * _scale**2
        found.append((at + 2, weight, "person"))
    return found


def _names(text: str, at: int, *, end: int, share: float, length: int, lexicon: _Lexicon) -> Iterator[Edge]:
    given = at + length
    start = _before(text, at) * share * _person
    if given + 1 <= end:
        alone = lexicon.alone.get(text[given], lexicon.alone[""])
        yield given + 1, start * _lone * alone * _behind(text, given + 1) * _scale ** (length + 1), "person"
    if given + 2 <= end:
        pair = (1 - _paired) * lexicon.first.get(text[given], lexicon.first[""])
        pair *= lexicon.second.get(text[given + 1], lexicon.second[""])
        pair += _paired * lexicon.pairs.get(text[given : given + 2], 0.0)
        yield given + 2, start * (1 - _lone) * pair * _behind(text, given + 2) * _scale ** (length + 2), "person"
    if _surname_title.match(text, given):
        yield given, share * 0.05 * _before(text, at) * _scale**length, "person"


def _before(text: str, at: int) -> float:
    left = text[max(0, at - 14) : at]
    if not left or not ("\u4e00" <= left[-1] <= "\u9fff" or left[-1] in ' ：:（()）、"“\u3000'):
        return _told if _introduced.search(left) else _edge
    if _introduced.search(left):
        return _told
    return _likely if _leading.search(left) else (_edge if not "\u4e00" <= left[-1] <= "\u9fff" else 1.0)


def _behind(text: str, end: int) -> float:
    if end == len(text):
        return _edge
    if _addressed.match(text, end):
        return _told
    if _medicine.match(text, end):
        return 0.01
    return _likely / 2 if _following.match(text, end) else 0.6


@functools.cache
def _lexicon() -> _Lexicon:
    levels = lines("zh_words.txt")
    counts = {word: 2 ** (int(line.split(" ", 1)[0]) / 2) for line in levels for word in line.split(" ")[1:]}
    counts = dict.fromkeys(ours("zh_things"), 2000.0) | counts
    total = sum(counts.values())
    words = {word: count / total * _scale ** len(word) for word, count in counts.items()}
    words[""] = _scale / total
    places = _places(lines("zh_places.txt"))
    for place in places:
        words.setdefault(place, 40 / total * _scale ** len(place))
    weights = {name: 1 / (rank + _rank) for rank, name in enumerate(one for one in SURNAMES if len(one) == 1)}
    whole = sum(weights.values())
    surnames = {name: weight / whole for name, weight in weights.items()}
    surnames |= {name: 0.0004 for name in SURNAMES if len(name) == 2}
    alone, first, second, pairs = map(_shares, lines("zh_given.txt"))
    return _Lexicon(words, surnames, alone, first, second, pairs, frozenset(places))


def _places(rows: list[str]) -> set[str]:
    return {name for line in rows for name in line.split(" ") if 2 <= len(name) <= _word} | ours("zh_abroad")


def _shares(line: str) -> dict[str, float]:
    counts = {match[1]: int(match[2]) for match in _count.finditer(line)}
    total = sum(counts.values()) + 2500
    return {given: (count + 0.5) / total for given, count in counts.items()} | {"": 0.15 / total}
