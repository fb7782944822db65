"""Noise, by rule: each rule looks at what the user wrote, and its name is the reason that a dropped row carries."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from seekloop.artifact.rows import Message, Row
from seekloop.data.relevance import Relevance
from seekloop.data.spec import FilterSpec
from seekloop.data.wording import asked, everything, is_answered
from seekloop.text.garbled import is_garbled
from seekloop.text.labelled import AnswerForm
from seekloop.text.language import told_by
from seekloop.text.normalize import key
from seekloop.text.segment import tokens

__all__ = ["noise", "unusable"]

_word_character = re.compile(r"[^\W_]")
_mask = re.compile(r"\[[A-Z0-9_]+(?:[#~][a-z2-7]+)?\]")
_keyboard_rows = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_row_runs = frozenset(
    run
    for row in _keyboard_rows
    for line in (row, row[::-1])
    for run in (line[i : i + 4] for i in range(len(line) - 3))
) - {"wert", "erty", "rewq"}  # these stand in `property`, `liberty`, …
_consonants = re.compile(r"[bcdfghjklmnpqrstvwxz]{6,}")
_boilerplate = re.compile(
    r"(?:sent (?:from|with|via) (?:my )?[\w ]{2,30}|get outlook for \w+|(?:kind|best|warm)?\s*regards"
    r"|yours (?:truly|sincerely)|sincerely(?: yours)?|cheers|发自我的\s*[\w ]{2,20}|此致\s*敬礼|顺颂商祺)"
)
_placeholder = re.compile(
    r"\{\{[^{}\n]{1,60}\}\}|\$\{[^{}\n]{1,60}\}|\[(?:your|insert|customer|company) [a-z ]{2,30}\]"
    r"|<(?:name|date|number|id)>"
    r"|[【\[](?:姓名|您的姓名|公司名称|订单号|日期|电话)[】\]]",
    re.IGNORECASE,
)
_echo_from = 12
_looped_from, _looped_ratio = 400, 0.08
_repeated_from = 60
_repeated_ratio = 0.2


@dataclass(frozen=True, kw_only=True)
class _Look:
    """What a rule looks at."""

    row: Row
    text: str
    """The user's turns."""
    words: str
    """The same without masks such as `[PHONE]` or `[PHONE#…]`, which are in no language."""
    reply: str
    """The assistant's turns; empty where there are none, or none with text."""
    spec: FilterSpec
    relevance: Relevance | None


def noise(row: Row, spec: FilterSpec, *, relevance: Relevance | None = None) -> str | None:
    """The first rule of `spec` that the row breaks; None: it is no noise.

    `relevance` holds the corpus' counts, which `irrelevant_reply` needs; without them the rule drops nothing.
    """
    text = asked(row)
    reply = "\n".join(m.content for m in row.messages if m.role == "assistant" and m.content.strip())
    look = _Look(row=row, text=text, words=_mask.sub("", text), reply=reply, spec=spec, relevance=relevance)
    return next((rule for rule in spec.rules if _rules[rule](look)), None)


def unusable(row: Row, answer: AnswerForm, *, labels: Collection[str] | None) -> str | None:
    """Why a row cannot be trained or tested with this form of answer; None: it can.

    Returns:
        `bad_turns` (it does not begin with the user), `missing_label`, `unknown_label` (not one of `labels`, where
        these are given), `missing_answer` or `same_answers` (a preference between equals).
    """
    if row.plain:
        return None
    roles = [message.role for message in row.messages if message.role != "system"]
    if not roles or roles[0] != "user":
        return "bad_turns"
    if answer != "text" and not row.label:
        return "missing_label"
    if row.label and labels is not None and row.label not in labels:
        return "unknown_label"
    if answer != "label" and not is_answered(row):
        return "missing_answer"
    chosen = row.messages[-len(row.rejected) :]
    return "same_answers" if row.rejected and _answers(chosen) == _answers(row.rejected) else None


def _answers(messages: Sequence[Message]) -> list[tuple[str, str, str]]:
    return [(message.role, message.content.strip(), str(message.tool_calls)) for message in messages]


def _is_repeated(text: str) -> bool:
    words = tokens(text)
    if len(words) > 1 and len(set(words)) == 1 and any(map(str.isalpha, words[0])):
        return True
    folded = key(text).encode()
    return len(folded) >= _repeated_from and len(zlib.compress(folded, 9)) < _repeated_ratio * len(folded)


def _is_looped(text: str) -> bool:
    """A model that fell into a loop: long, and nearly all of it the same again."""
    folded = key(text).encode()
    return len(folded) >= _looped_from and len(zlib.compress(folded, 9)) < _looped_ratio * len(folded)


def _is_mash(text: str) -> bool:
    """Half of the letters or more stand in words that run along the keyboard, or have six consonants in a row."""
    words = re.findall("[a-z]+", text.lower())
    mashed = [w for w in words if _consonants.search(w) or any(w[i : i + 4] in _row_runs for i in range(len(w) - 3))]
    return bool(mashed) and 2 * sum(map(len, mashed)) >= sum(map(len, words))


def _only_boilerplate(text: str) -> bool:
    lines = [line.strip(" .,!-—–。，！") for line in text.lower().splitlines()]
    return all(_boilerplate.fullmatch(line) for line in lines if line) and any(lines)


def _is_echo(look: _Look) -> bool:
    """The reply is the question again: a telling one, for hello is answered with hello."""
    asked_key = key(look.text)
    return len(asked_key) >= _echo_from and asked_key == key(look.reply)


def _language(look: _Look) -> str:
    return told_by(look.spec.language_by, least=look.spec.language_least)(look.words)


def _is_irrelevant(look: _Look) -> bool:
    return bool(look.reply) and look.relevance is not None and look.relevance.is_irrelevant(look.row)


_rules: Mapping[str, Callable[[_Look], bool]] = MappingProxyType(
    {
        "empty": lambda look: not look.text.strip(),
        "no_letters": lambda look: not _word_character.search(look.text),
        "too_short": lambda look: len(_word_character.findall(look.text)) < look.spec.min_chars,
        "too_long": lambda look: len(everything(look.row)) > look.spec.max_chars,
        "repeated": lambda look: _is_repeated(look.text),
        "keyboard_mash": lambda look: _is_mash(look.words),
        "boilerplate": lambda look: _only_boilerplate(look.text),
        "other_language": lambda look: (
            bool(look.spec.languages) and _language(look) not in (*look.spec.languages, "und")
        ),
        "mojibake": lambda look: is_garbled(look.text) or is_garbled(look.reply),
        "repeated_reply": lambda look: bool(look.reply) and _is_looped(look.reply),
        "echoed_reply": _is_echo,
        "reply_too_short": lambda look: (
            bool(look.reply) and len(_word_character.findall(look.reply)) < look.spec.min_reply_chars
        ),
        "reply_too_long": lambda look: len(look.reply) > look.spec.max_reply_chars,
        "placeholder": lambda look: bool(_placeholder.search(look.text) or _placeholder.search(look.reply)),
        "irrelevant_reply": _is_irrelevant,
    }
)
