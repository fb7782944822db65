"""Chat templates: Jinja text that turns messages into a prompt, with what users wrote kept apart from control tokens.

One template is the single source of a family's prompt: the codec renders with it, and it is exported as
`chat_template.jinja`, so other programs render the same. While the codec renders, everything that came from outside
(contents, tool schemas, function names, arguments) is a placeholder: the template's own text and the users' text come
out as separate pieces, and only the former may hold control tokens.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from seekloop.artifact.rows import Message
from seekloop.model.families import FamilyCard
from seekloop.model.tool_calls import calls_of
from seekloop.system.errors import ModelError

__all__ = ["ChatTemplate", "Piece", "source_of", "to_json"]

# Two noncharacters, which no template of ours holds; content never meets them, because it is put in afterwards.
_open, _close = "\ufdd0", "\ufdd1"
_placeholder = re.compile(f"{_open}([0-9]+){_close}")


@dataclass(frozen=True)
class Piece:
    """A stretch of a rendered prompt."""

    text: str
    trusted: bool
    """True: the template's own text, in which control tokens are control tokens. False: from outside, only text."""


class _Slot(str):
    """The placeholder of something that came from outside."""

    __slots__ = ()


class ChatTemplate:
    """A compiled template.

    Args:
        source: Jinja text, as in `chat_template.jinja`.
        bos: what `bos_token` stands for.
        eos: what `eos_token` stands for.

    Raises:
        ModelError: the text is not a template.
    """

    def __init__(self, source: str, *, bos: str | None, eos: str) -> None:
        self.source = source
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.filters["tojson"] = lambda value: value if isinstance(value, _Slot) else to_json(value)
        environment.globals["raise_exception"] = _refuse
        try:
            self._template = environment.from_string(source, globals={"bos_token": bos or "", "eos_token": eos})
        except TemplateError as error:
            raise ModelError("model.bad_template", problem=error) from error

    def prompt(self, messages: Sequence[Message], *, tools: Sequence[dict[str, Any]] = ()) -> list[Piece]:
        """The pieces of the prompt for the next answer, the start of that answer's turn included.

        Raises:
            ModelError: the template refuses the conversation.
            DataError: a tool call is not in OpenAI's form.
        """
        outside: list[str] = []

        def slot(text: str) -> str:
            outside.append(text)
            return _Slot(f"{_open}{len(outside) - 1}{_close}") if text else ""

        def entry(message: Message) -> dict[str, Any]:
            calls = [
                {"type": "function", "function": {"name": slot(call.name), "arguments": slot(call.arguments)}}
                for call in calls_of(message)
            ]
            return {"role": message.role, "content": slot(message.content), **({"tool_calls": calls} if calls else {})}

        try:
            text = self._template.render(
                messages=[entry(message) for message in messages],
                tools=[slot(to_json(tool)) for tool in tools] or None,
                add_generation_prompt=True,
            )
        except TemplateError as error:
            raise ModelError("model.template_refused", problem=error) from error
        parts = _placeholder.split(text)
        pieces = [Piece(outside[int(part)], False) if odd % 2 else Piece(part, True) for odd, part in enumerate(parts)]
        return [piece for piece in pieces if piece.text]


def source_of(card: FamilyCard) -> str:
    """The family's `chat_template.jinja`: what is particular about the card, then the template that it shares."""
    body = resources.files("seekloop.model").joinpath("templates", f"{card.template}.jinja").read_text("utf-8")
    system = "none" if card.default_system is None else json.dumps(card.default_system, ensure_ascii=False)
    opens = "true" if card.reasoning == "opened" else "false"
    return f"{{%- set default_system = {system} -%}}\n{{%- set opens_reasoning = {opens} -%}}\n{body}"


def to_json(value: Any) -> str:
    """JSON as chat templates write it: the keys' own order, a space after each comma and colon, no escapes."""
    return json.dumps(value, ensure_ascii=False)


def _refuse(problem: str) -> NoReturn:
    raise TemplateError(problem)
