"""Stand-ins for names of people, places and organisations, in the script of the name they stand for."""

from __future__ import annotations

from collections.abc import Callable

from seekloop.text.pii.stream import Stream

__all__ = ["NAMES"]

_surnames = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦许何吕施张孔曹严华金魏陶姜"
_given = "安柏晨丹恩芳歌涵嘉可岚沐宁沛清然书桐微希言怡远之舟竹子卓昭熙若颂棠"
_first = ("Alex", "Blair", "Casey", "Drew", "Ellis", "Frankie", "Gray", "Harper", "Indigo", "Jules", "Kit", "Lane")
_last = ("Ashdown", "Birchley", "Cranmoor", "Dunfield", "Eastmere", "Fairholt", "Glenrow", "Hartwell", "Inglemere")
_han_places = ("青岚", "云溪", "白鹭", "枫桥", "松陵", "望川", "临湖", "石屏")
_places = ("Ashbourne", "Brookvale", "Claymont", "Dunmere", "Eastford", "Fernhollow", "Greyhaven", "Hillcross")
_han_trades = ("贸易有限公司", "科技有限公司", "服务有限公司", "实业有限公司")
_trades = ("Trading Ltd", "Holdings Inc", "Services GmbH", "Partners LLC")


def _is_han(name: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in name)


def _person(name: str, stream: Stream) -> str:
    if _is_han(name):
        return stream.choice(_surnames) + "".join(stream.choice(_given) for _ in range(max(1, len(name) - 1)))
    return " ".join((stream.choice(_first), stream.choice(_last)) if " " in name else (stream.choice(_first),))


def _place(name: str, stream: Stream) -> str:
    if _is_han(name):
        return stream.choice(_han_places) + (name[-1] if name[-1] in "省市区县镇村路街" else "")
    return stream.choice(_places)


def _organisation(name: str, stream: Stream) -> str:
    if _is_han(name):
        return stream.choice(_han_places) + stream.choice(_han_trades)
    return f"{stream.choice(_places)} {stream.choice(_trades)}"


NAMES: dict[str, Callable[[str, Stream], str]] = {"organisation": _organisation, "person": _person, "place": _place}
"""By kind: a stand-in for a name."""
