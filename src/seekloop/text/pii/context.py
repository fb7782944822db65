"""Words beside a number that say what it is.

`phone:` before seven digits makes them a telephone number; `order no.` before sixteen makes them no card. The patterns
here begin with plain characters, which lets the engine jump to where a word can begin. They are matched against
lower-case text without masks: `[PHONE]` is no context, or masking twice would mask more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from seekloop.text.pii.kinds import KINDS, NAMES

__all__ = ["AFTER", "BEFORE", "MASKS", "is_misnamed", "lowered", "words"]

MASKS = re.compile(rf"\[(?:{'|'.join(kind.upper() for kind in (*KINDS, *NAMES))})(?:[#~][a-z2-7]+)?\]")
"""What masking, hashing and encrypting leave behind; nothing in it is personal data."""
BEFORE, AFTER = 32, 12
"""Characters that are looked at on either side."""


def words(text: str) -> re.Pattern[str]:
    """A pattern of context words, separated by commas: Chinese ones anywhere, English ones as whole words."""
    return re.compile("|".join(_alternatives(text)))


def _alternatives(text: str) -> Iterable[str]:
    for word in (word.strip() for word in text.split(",")):
        escaped = re.escape(word)
        yield rf"{escaped}(?<![a-z]{escaped})(?![a-z])" if word[0].isascii() else escaped


def lowered(text: str) -> str:
    """`text` in lower case and without masks, each character at its place."""
    if "[" in text:
        text = MASKS.sub(lambda match: " " * len(match[0]), text)
    low = text.lower()
    return low if len(low) == len(text) else "".join(c if len(c.lower()) > 1 else c.lower() for c in text)


_chinese_labels = (
    "订单,单号,运单,快递,物流,流水,工单,合同,批次,批号,序列,型号,版本,条码,货号,票号,发票,凭证,案件,保单,金额,余额,总额,"
    "合计,共计,时间戳,员工编号,商品编号,设备编号,项目编号,编码,验证码,邮编,票据,商品"
)
_english_labels = (
    "order,tracking,invoice,ticket,serial,version,build,sku,batch,lot,ref,reference,transaction,trade,case,claim,"
    "amount,total,balance,isbn,ean,barcode,timestamp,part,model,item,product,parcel,shipment,waybill,code,otp,release"
)
_misnamed = re.compile(
    rf"(?:{'|'.join(_alternatives(f'{_chinese_labels},{_english_labels}'))})"
    r"(?:号码|编号|号|码|[ _-]?(?:number|num|no\.?|id|code))?[ :#=\"'(]{0,3}(?:是|为|is |was |of )?[ :#]{0,2}$"
)


def is_misnamed(low: str, start: int) -> bool:
    """Whether what begins at `start` has a label that makes it something else: an order, a parcel, an amount."""
    return _misnamed.search(low, max(0, start - BEFORE), start) is not None
