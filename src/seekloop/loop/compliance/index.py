"""The page of an export for people, in English or Chinese: of each control what it shows, and what it does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from seekloop.loop.compliance.history import Period

__all__ = ["index"]

_words = {
    "en": {
        "title": "Evidence of {project}",
        "line": "**Only an accredited body certifies an organisation.** This is evidence that seekloop's ledger can "
        "give for some controls of ISO/IEC 27001:2022, Annex A. It certifies nothing, and what each control asks "
        "for is said in our own words; the standard's text is what counts.",
        "period": "Period: after {after} until {until} (open ends: the beginning, and when this was made).",
        "check": "Check it: `seekloop evidence check DIR --key PUB`, or with `--project` against the ledger.",
        "asks": "Asks",
        "shows": "Shows",
        "does_not_show": "Does not show",
        "found": "Found",
        "nothing": "nothing in this period",
        "events": "{events} events told in [{file}]({file})",
        "open": "open",
        "colon": ": ",
    },
    "zh": {
        "title": "{project} 的证据",
        "line": "**只有获认可的认证机构才能为组织发证。** 这里是 seekloop 账本就 ISO/IEC 27001:2022 附录 A "
        "部分控制项所能提供的证据，不构成任何认证；各项要求均为我们自己的表述，以标准原文为准。",
        "period": "时间段：{after} 之后至 {until}（“不限”即从开始起、至生成时止）。",
        "check": "校验：`seekloop evidence check DIR --key PUB`，或用 `--project` 与账本核对。",
        "asks": "要求",
        "shows": "能表明",
        "does_not_show": "不能表明",
        "found": "结果",
        "nothing": "本期没有内容",
        "events": "[{file}]({file}) 列出 {events} 个事件",
        "open": "不限",
        "colon": "：",
    },
}


def index(found: Mapping[str, Mapping[str, Any]], *, period: Period, project: str, language: str) -> str:
    """The page.

    Args:
        found: file -> what it holds.
        period: of the export.
        project: what the project is for.
        language: `zh` or `en`.
    """
    return "\n".join(_lines(found, period=period, project=project, language=language)) + "\n"


def _lines(found: Mapping[str, Mapping[str, Any]], *, period: Period, project: str, language: str) -> Iterator[str]:
    words = _words[language]
    yield f"# {words['title'].format(project=project)}"
    for line in (words["line"], words["period"], words["check"]):
        yield ""
        yield line.format(after=period.first or words["open"], until=period.last or words["open"])
    for file, value in found.items():
        events = words["events"].format(events=len(value["rows"]), file=file)
        yield ""
        yield f"## {value['control']} {value['name'][language]}"
        yield ""
        for name in ("asks", "shows", "does_not_show"):
            yield f"- {words[name]}{words['colon']}{value[name][language]}"
        yield f"- {words['found']}{words['colon']}{words['nothing'] if value['nothing'] else events}"
        if not value["nothing"]:
            yield from (f"  - `{name}`: {_short(one)}" for name, one in value["counts"].items() if _short(one))


def _short(value: Any) -> str:
    """A count for people; what is long is counted."""
    if isinstance(value, Mapping):
        told = [f"{name} {_short(one)}" for name, one in value.items() if one not in (None, 0, {}, [])]
        return ", ".join(told[:12]) + (f", … ({len(told)})" if len(told) > 12 else "")
    if isinstance(value, list):
        return str(len(value))
    return str(value)
