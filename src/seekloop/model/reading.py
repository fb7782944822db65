"""Reading answers back: token ids in, content, reasoning and tool calls out, whole or as they come."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from seekloop.model.answers import CLOSE, OPEN, AnswerForm

__all__ = ["Delta", "Parsed", "RawDecoder", "StreamDecoder"]

# Stands for a token that never comes as text, where only the text before it must be held back.
_never = "\0"


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """A whole answer."""

    content: str
    reasoning: str | None
    """None: there was none, or an empty block."""
    tool_calls: tuple[dict[str, Any], ...] = ()
    """OpenAI tool calls, arguments as JSON text."""


@dataclass(frozen=True, kw_only=True)
class Delta:
    """What one more token adds to an answer."""

    content: str = ""
    reasoning: str = ""
    tool_calls: tuple[dict[str, Any], ...] = ()
    """Only in the last delta."""


class RawDecoder:
    """Reads text in which nothing is read: no reasoning, no calls; control tokens are the text that they write.

    Args:
        token_bytes: token id -> the bytes that it writes.
    """

    def __init__(self, token_bytes: Mapping[int, bytes]) -> None:
        self._token_bytes = token_bytes
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, id_: int) -> Delta:
        """The characters that the token `id_` completes."""
        return Delta(content=self._utf8.decode(self._token_bytes.get(id_, b"")))

    def finish(self) -> Delta:
        """What is left of a character that was never completed."""
        return Delta(content=self._utf8.decode(b"", final=True))


class StreamDecoder:
    """Reads one answer, token by token; the deltas add up to what the whole answer parses to.

    Text is given as soon as it is certain: a character once all its bytes are there, and nothing that could still turn
    out to be part of a tag.

    Args:
        form: the family's layout of answers.
        token_bytes: token id -> the bytes that it writes.
        controls: token id -> text, for control tokens.
        stop_ids: ids that end the answer.
        text_tags: tags for which the tokenizer has no token of their own.
    """

    def __init__(
        self,
        form: AnswerForm,
        *,
        token_bytes: Mapping[int, bytes],
        controls: Mapping[int, str],
        stop_ids: Collection[int],
        text_tags: Collection[str],
    ) -> None:
        self._form, self._token_bytes, self._controls = form, token_bytes, controls
        self._stop_ids, self._text_tags = stop_ids, text_tags
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._state: Callable[[bool], bool] = self._in_prefix
        self._pending = ""
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[tuple[str, bool]] = []
        self._ended = False

    def push(self, id_: int) -> Delta:
        """What the token `id_` adds; nothing after the first stop id."""
        if self._ended:
            return Delta()
        if id_ in self._stop_ids:
            self._ended = True
        elif id_ in self._controls:
            self._take(self._utf8.decode(b"", final=True))
            self._control(self._controls[id_])
        else:
            self._take(self._utf8.decode(self._token_bytes.get(id_, b"")))
        return self._delta()

    def finish(self) -> Delta:
        """What was still held back, and the tool calls. Calls that are not in the family's form are given as text."""
        self._take(self._utf8.decode(b"", final=True))
        self._drain(True)
        calls = self._form.wire.parse(self._calls) if self._form.wire and self._calls else ()
        if calls is None:
            self._content.append("".join(text for text, _ in self._calls))
        self._calls = []
        return self._delta(tuple(call.to_openai() for call in calls or ()))

    def _delta(self, calls: tuple[dict[str, Any], ...] = ()) -> Delta:
        delta = Delta(content="".join(self._content), reasoning="".join(self._reasoning), tool_calls=calls)
        self._content, self._reasoning = [], []
        return delta

    def _take(self, text: str) -> None:
        self._pending += text
        self._drain(False)

    def _drain(self, final: bool) -> None:
        """Run the states until one of them has to wait. A state returns True when it has handed over to another."""
        while self._state(final):
            pass

    def _control(self, token: str) -> None:
        """A control token; those that have no meaning inside an answer are left out of it."""
        reasoning = (self._in_reasoning, self._at_reasoning)
        if self._state == self._in_calls:
            self._calls += [*self._marked(self._certain("")), (token, True)]
        elif token == CLOSE and self._state in reasoning:
            self._reasoning.append(self._pending.removesuffix("\n"))
            self._pending, self._state = "", self._after_reasoning
        elif token == OPEN and self._state == self._at_start and not self._pending:
            self._state = self._at_reasoning
        elif self._form.wire and token == self._form.wire.tags[0] and self._state not in reasoning:
            while self._state != self._in_answer:
                self._state(True)
            self._content.append(self._pending.removesuffix(self._form.wire.gap))
            self._pending, self._state = "", self._in_calls
            self._calls.append((token, True))

    def _in_prefix(self, final: bool) -> bool:
        prefix = self._form.prefix
        if not final and len(self._pending) < len(prefix) and prefix.startswith(self._pending):
            return False
        self._pending = self._pending.removeprefix(prefix)
        self._state = self._in_reasoning if self._form.opened else self._at_start
        return True

    def _at_start(self, final: bool) -> bool:
        is_text = OPEN in self._text_tags
        if not final and (OPEN.startswith(self._pending) if is_text else not self._pending) and self._pending != OPEN:
            return False
        opens = is_text and self._pending.startswith(OPEN)
        self._pending = self._pending.removeprefix(OPEN) if opens else self._pending
        self._state = self._at_reasoning if opens else self._in_answer
        return True

    def _at_reasoning(self, final: bool) -> bool:
        if not final and not self._pending:
            return False
        self._pending, self._state = self._pending.removeprefix("\n"), self._in_reasoning
        return True

    def _in_reasoning(self, final: bool) -> bool:
        if CLOSE in self._text_tags:
            before, tag, after = self._pending.partition(CLOSE)
            if tag:
                self._reasoning.append(before.removesuffix("\n"))
                self._pending, self._state = after, self._after_reasoning
                return True
            tags: tuple[str, ...] = (f"\n{CLOSE}", CLOSE)
        else:
            tags = (f"\n{_never}",)
        self._reasoning.append(self._certain("" if final else self._held(tags)))
        return False

    def _after_reasoning(self, final: bool) -> bool:
        if not final and self._pending in ("", "\n"):
            return False
        newlines = 2 if self._pending.startswith("\n\n") else int(self._pending.startswith("\n"))
        self._pending, self._state = self._pending[newlines:], self._in_answer
        return True

    def _in_answer(self, final: bool) -> bool:
        suffix, wire = self._form.suffix, self._form.wire
        tags: tuple[str, ...] = (f"{suffix}{_never}",)
        if wire is not None and wire.tags[0] in self._text_tags:
            before, tag, after = self._pending.partition(wire.tags[0])
            if tag:
                self._content.append(before.removesuffix(wire.gap))
                self._pending, self._state = tag + after, self._in_calls
                return True
            tags = (*tags, wire.tags[0], wire.gap + wire.tags[0])
        elif wire is not None:
            tags = (*tags, wire.gap + _never)
        if final:
            self._pending = self._pending.removesuffix(suffix)
        self._content.append(self._certain("" if final else self._held(tags)))
        return False

    def _in_calls(self, final: bool) -> bool:
        if final:
            self._calls += self._marked(self._certain(""))
        return False

    def _marked(self, text: str) -> list[tuple[str, bool]]:
        """Text of the calls, cut at the tags that are told by their text."""
        tags = [tag for tag in self._form.tags if tag in self._text_tags]
        parts = re.split(f"({'|'.join(map(re.escape, tags))})", text) if tags else [text]
        return [(part, odd % 2 == 1) for odd, part in enumerate(parts) if part]

    def _held(self, tags: tuple[str, ...]) -> str:
        """The end of what is pending that may be the beginning of a tag."""
        lengths = [n for tag in tags for n in range(1, len(tag)) if self._pending.endswith(tag[:n])]
        return self._pending[-max(lengths) :] if lengths else ""

    def _certain(self, held: str) -> str:
        """Take everything that is pending but `held`."""
        certain = self._pending.removesuffix(held)
        self._pending = held
        return certain
