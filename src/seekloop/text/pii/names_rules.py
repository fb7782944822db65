"""Names that a phrase gives away, without a dependency: `我叫张伟`, `收货人：李建国`, `王女士`, `Mr. Lee`.

Precise rather than complete: a Chinese name is taken only with a known surname and beside a word that introduces or
addresses a person; what stands in the middle of a sentence like any other word is left to `jieba` or `spacy`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from seekloop.text.pii.kinds import Finding

__all__ = ["RuleNames", "open_rules"]

_double = "欧阳|上官|司马|诸葛|东方|皇甫|尉迟|公孙|慕容|令狐|长孙|宇文|司徒|夏侯|端木"
_single = (
    "王李张刘陈杨黄赵周吴徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖萧田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭"
    "陆汪范金石廖贾夏韦付傅方白邹孟熊秦邱江尹薛闫阎段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤温康施文牛樊葛邢安齐"
    "易乔伍庞颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆蓝路游辛靳"
    "管柴蒙鲍华喻祁蒲房滕屈饶解牟艾尤阳时穆农司卓古吉缪简车项连芦麦褚娄窦戚岑景党宫费卜冷晏席卫米柏宗瞿桂全佟应臧闵"
    "苟邬边卞姬师和仇栾隋商刁沙荣巫寇桑郎甄丛仲虞敖巩明佘池查麻苑迟邝"
)
_surname = f"(?:{_double}|[{_single}])"
_words = "的了是在有和与及或吗呢吧啊呀哦我你您他她它们这那个不没很都也就还要想请来去到从把被给让对向为之上下中"
_particles = f"{_words}女先小老手电联地身号说讲问"
_name = f"{_surname}(?:(?![{_particles}])[一-鿿]){{1,2}}"
_ends = f"(?=$|[^一-鿿]|[{_particles}])"
_titles = "(?=先生|女士|小姐|老师|医生|大夫|经理|主任|律师|师傅|阿姨|同学)"
_introduced = re.compile(
    "(?:(?:我叫|名叫|叫做|姓名|名字|收货人|收件人|联系人|寄件人|持卡人|开户人|户名|投保人|被保险人|经办人)"
    "[ ：:是为叫]{0,3}"
    "|(?:客户|患者|病人|负责人|法人|本人|联系|致)[ ：:是为叫]{1,3}"
    f"|我是(?={_name}(?:$|[^一-鿿])))({_name}){_ends}"
)
_addressed = re.compile(f"(?:(?<![一-鿿])|(?<=[找给和与跟向请让是问帮叫替约由的]))({_name}|{_surname}){_titles}")
_word = "[A-Z][a-zA-ZÀ-ÿ'’-]+"
_english = re.compile(
    "(?:(?i:my name is|my name's|i am called|this is|i'm|i am|name:|customer:|contact:|attn:|dear|regards,|sincerely,))"
    rf"\s+({_word}(?: [A-Z]\.)?(?: {_word}){{1,2}})"
    rf"|(?<![A-Za-z])(?:Mr|Mrs|Ms|Miss|Dr|Prof)\.? ({_word}(?: {_word})?)"
    rf"|(?i:my name is|my name's)\s+({_word})"
)
_place = re.compile(
    "((?:北京|上海|天津|重庆|[一-鿿]{2,3}(?:省|自治区))?[一-鿿]{2,4}市?[一-鿿]{1,4}[区县][一-鿿0-9]{2,12}(?:路|街|大道|巷|镇|乡|村)[一-鿿0-9]{0,6}号"
    "(?:[一-鿿0-9-]{0,12}(?:号楼|栋|幢|单元|室|楼|层))?)"
)

_han = f"(?:(?![{_particles}])[一-鿿])"
_region = re.compile(
    f"(?:(?<![一-鿿])|(?<=[到在往于从去址寄]))({_han}{{2,3}}(?:省|市(?!场)|县|自治区|自治州))(?<![城超门股夜菜楼][市县])"
)
_body = re.compile(
    f"((?!哪|一所|一家|几家|某){_han}{{2,16}}(?:有限责任公司|股份有限公司|有限公司|集团公司|分公司|支行|分行|医院|大学|中学|派出所|律师事务所))"
)
_rules = (
    ("place", _place),
    ("organisation", _body),
    ("place", _region),
    ("person", _introduced),
    ("person", _addressed),
    ("person", _english),
)


class RuleNames:
    """Names by what stands beside them."""

    def find(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Findings of each text, in order and without overlaps."""
        return [self._names(text) for text in texts]

    def _names(self, text: str) -> list[Finding]:
        found: list[Finding] = []
        for kind, pattern in _rules:
            for match in pattern.finditer(text):
                group = next(number for number, value in enumerate(match.groups(), 1) if value is not None)
                start, end = match.span(group)
                if all(end <= one.start or start >= one.end for one in found):
                    found.append(Finding(kind, start, end, 0.8))
        return sorted(found, key=lambda one: one.start)


def open_rules() -> RuleNames:
    """The rules; they need nothing."""
    return RuleNames()
