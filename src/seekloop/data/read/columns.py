"""Which column plays which part: as mapped, or by the names that people use in English and Chinese."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from seekloop.data.sources import ColumnsSpec
from seekloop.system.errors import DataError
from seekloop.text.script import simple_forms

__all__ = ["SYNONYMS", "assign", "likely", "listed", "value_at"]

_shown_at_most = 12

SYNONYMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "messages": ("messages", "conversations", "conversation", "dialogue", "turns", "对话", "会话", "消息列表"),
        "text": (
            *("text", "prompt", "instruction", "question", "query", "utterance", "message", "ask", "input", "content"),
            *("user", "customer_message", "文本", "问题", "提问", "问句", "用户问题", "客户问题", "咨询", "咨询内容"),
            *("内容", "消息", "讯息", "客户消息", "用户输入", "输入", "指令"),
        ),
        "label": ("intent", "label", "labels", "category", "class", "topic", "意图", "标签", "类别", "分类", "类目"),
        "reply": (
            *("reply", "response", "answer", "completion", "output", "std_answer", "reference", "target", "assistant"),
            *("回复", "回答", "答案", "答复", "标准答案", "客服回复", "应答", "输出"),
        ),
        "context": ("input", "context", "补充", "输入"),
        "system": ("system", "system_prompt", "系统", "系统提示"),
        "chosen": ("chosen", "chosen_response", "preferred", "更优回答", "优选回答"),
        "rejected": ("rejected", "rejected_response", "dispreferred", "较差回答", "拒绝回答"),
        "desirable": ("kto_tag", "desirable", "是否可取"),
        "followup": ("followup", "follow_up", "followups", "follow-up", "追问", "后续"),
        "speaker": (
            *(
                "speaker",
                "sender_type",
                "sender_role",
                "role",
                "sender",
                "from",
                "author",
                "发送者类型",
                "消息方",
                "角色",
            ),
            *("发送者", "发送人", "发送方", "说话人", "身份"),
        ),
        "time": (
            *("time", "timestamp", "created_at", "sent_at", "datetime", "date", "时间", "发送时间", "消息时间"),
            *("asked_at", "时间戳", "创建时间", "提问时间", "咨询时间", "发生时间", "日期时间"),
        ),
        "history": ("history", "历史", "历史对话"),
        "tools": ("tools", "functions", "工具"),
        "group": (
            *("group", "ticket", "ticket_id", "conversation_id", "session_id", "session", "dialogue_id", "dialog_id"),
            *("chat_id", "工单号", "会话id", "会话号", "会话编号", "对话id"),
        ),
        "subject": ("customer", "customer_id", "user_id", "client_id", "客户", "客户号", "客户编号", "用户id"),
        "split": ("split", "数据划分"),
        "noise": ("is_noise", "noise", "是否噪声", "噪声"),
    }
)
"""Part -> column names, the likeliest first; compared without case and in simplified characters."""


def assign(found: Sequence[str], mapped: ColumnsSpec, *, shown: str) -> dict[str, str]:
    """Part -> column, for the columns `found` in a source.

    Columns that `mapped` names come first; other parts take the likeliest column left. No column plays two parts.

    Raises:
        DataError: a mapped column is not there; the columns found and the nearest one are named.
    """
    parts: dict[str, str] = {part: column for part, column in mapped.model_dump().items() if column is not None}
    for column in parts.values():
        if column not in found:
            close = difflib.get_close_matches(column, found, n=1)
            suggestion = f"; did you mean {close[0]}?" if close else ""
            raise DataError("data.no_column", column=column, suggestion=suggestion, found=listed(found), where=shown)
    by_name = {column.strip().lower().translate(simple_forms()): column for column in reversed(found)}
    for part, names in SYNONYMS.items():
        free = [by_name[name] for name in names if name in by_name and by_name[name] not in parts.values()]
        if part not in parts and free:
            parts[part] = free[0]
    return parts


def value_at(record: Mapping[str, Any], column: str) -> Any:
    """The value of a column; where there is none of that name, its dots lead into nested records: `requester.id`."""
    if column in record or "." not in column:
        return record.get(column)
    value: Any = record
    for name in column.split("."):
        if isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            value = value.get(name) if isinstance(value, Mapping) else None
    return value


def likely(part: str, found: Sequence[str], *, taken: Sequence[str]) -> str | None:
    """The first free column whose name is near to a usual name of `part`, or has one in it: `full_text`."""
    for column in found:
        name = column.lower()
        words = set(re.split(r"[\W_]+", name))
        near = difflib.get_close_matches(name, SYNONYMS[part], n=1, cutoff=0.7) or words.intersection(SYNONYMS[part])
        if near and column not in taken and words.isdisjoint({"id", "no", "count"}):
            return column
    return None


def listed(found: Sequence[str]) -> str:
    """The columns for an error message: the first dozen."""
    more = f", … ({len(found)} in all)" if len(found) > _shown_at_most else ""
    return ", ".join(found[:_shown_at_most]) + more
