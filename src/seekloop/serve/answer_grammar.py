"""From what a request wants its answer to be, to the grammar of everything that the model writes.

A grammar covers the whole answer: the reasoning that some families begin with, the tags of their tool calls, and JSON
where the request wants it. JSON is written as models are trained to write it (`", "` and `": "`), so that no model can
spend its tokens on blanks. What is too large is refused here, before a parser recurses into it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from seekloop.model.answers import CLOSE
from seekloop.model.codec import Codec
from seekloop.model.tool_calls import ToolCall
from seekloop.runtime.generate.grammar import check_grammar
from seekloop.serve.formats import JsonObject, JsonSchema, NamedTool
from seekloop.serve.protocol import ChatRequest
from seekloop.system.errors import ModelError, UsageError

__all__ = ["answer_grammar", "check_format"]

_deepest = 32
_longest = 65_536
_spacing = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
_here = "\0"
"""Stands for the arguments while a call is laid out."""
_name = re.compile(r"[\w.:/-]+")
_combiners = frozenset({"anyOf", "oneOf", "$ref"})
_others = frozenset({"additionalProperties", "patternProperties", "unevaluatedProperties", "minProperties"})
_plain = frozenset({"enum", "const", "default", "examples"})
"""Keywords whose values are data."""
Schema = Mapping[str, Any]


def check_format(request: ChatRequest) -> None:
    """Make sure that a request's schemas can be followed. It may take milliseconds: not for the event loop.

    Raises:
        UsageError: a schema that cannot be followed, or something beside it that goes against it.
        MissingPackage: llguidance is not installed.
    """
    schemas = _schemas(request)
    if not schemas:
        return
    if request.stops:
        raise UsageError("grammar.with_stop")
    if request.presence_penalty or request.frequency_penalty or request.logit_bias:
        raise UsageError("grammar.with_penalties")
    for schema in schemas.values():
        check_grammar(_text("start: @value_0", [schema]))


def answer_grammar(request: ChatRequest, codec: Codec) -> str | None:
    """The grammar of the whole answer in a family's own form; None: any text will do.

    Raises:
        ModelError: a tool is wanted of a family that has none.
    """
    schemas = _schemas(request)
    if not schemas:
        return None
    form = codec.form
    rules: list[str] = []
    if request.forces_tool:
        if form.wire is None:
            raise ModelError("model.no_tools", family=codec.card.name)
        calls = [_call(name, f"@value_{place}", codec=codec) for place, name in enumerate(schemas)]
        rules += [f"call_{place}: {call}" for place, call in enumerate(calls)]
        body = "(" + " | ".join(f"call_{place}" for place in range(len(calls))) + ")"
    else:
        body = "@value_0"
    parts = [_literal(form.prefix), *_reasoning(codec, rules), body, _literal(form.suffix)]
    start = "start: " + " ".join(part for part in parts if part)
    return _text("\n".join([start, *rules]), list(schemas.values()))


def _schemas(request: ChatRequest) -> dict[str, Schema]:
    """Name -> schema of what the answer may be; one of them is kept to. Empty: any text will do."""
    if request.forces_tool:
        return _arguments(request)
    match request.response_format:
        case JsonObject(schema_=schema):
            return {"object": _checked(schema or {"type": "object"})}
        case JsonSchema(json_schema=named):
            return {named.name: _checked(named.schema_)}
        case _:
            return {}


def _arguments(request: ChatRequest) -> dict[str, Schema]:
    functions = {tool["function"]["name"]: tool["function"] for tool in request.tools or ()}
    if isinstance(request.tool_choice, NamedTool):
        name = request.tool_choice.function.name
        if name not in functions:
            raise UsageError("grammar.no_tool", name=name, tools=", ".join(functions) or "-")
        functions = {name: functions[name]}
    for name in functions:
        if not _name.fullmatch(name):
            raise UsageError("grammar.bad_name", name=name)
    return {
        name: _checked({"type": "object", **(function.get("parameters") or {})}) for name, function in functions.items()
    }


def _checked(schema: Schema) -> Schema:
    """The schema with our spacing; what a client says of the library's own dials is not for it to say."""
    length = len(json.dumps(schema))
    if length > _longest:
        raise UsageError("grammar.too_large", what="length", found=length, most=_longest)
    depth = _depth(schema)
    if depth > _deepest:
        raise UsageError("grammar.too_large", what="depth", found=depth, most=_deepest)
    return {**_narrowed(schema, closes="allOf" not in json.dumps(schema)), "x-guidance": _spacing}


def _narrowed(schema: Any, *, closes: bool) -> Any:
    """A schema that allows no more than this one, in today's words.

    Objects get the properties that are named and no others, where nothing says otherwise and none is missed by that:
    whatever it allows the whole schema allows too, and no model can go on adding properties. Lists of `items` become
    what drafts since 2020 call them.
    """
    if isinstance(schema, list):
        return [_narrowed(one, closes=closes) for one in schema]
    if not isinstance(schema, dict):
        return schema
    combined = not _combiners.isdisjoint(schema) and "properties" in schema
    said = {
        key: one if key in _plain else _narrowed(one, closes=closes and not combined) for key, one in schema.items()
    }
    if isinstance(said.get("items"), list):
        said["prefixItems"], rest = said.pop("items"), said.pop("additionalItems", None)
        said |= {} if rest is None else {"items": rest}
    named, required = said.get("properties"), said.get("required", [])
    if closes and not combined and isinstance(named, dict) and isinstance(required, list) and _others.isdisjoint(said):
        said |= {"additionalProperties": False} if all(one in named for one in required) else {}
    return said


def _depth(value: Any) -> int:
    """Objects and lists that stand in each other."""
    depth, level = 0, [value]
    while level := [each for each in level if isinstance(each, dict | list)]:
        depth += 1
        level = [inner for each in level for inner in (each.values() if isinstance(each, dict) else each)]
    return depth


def _reasoning(codec: Codec, rules: list[str]) -> list[str]:
    """Where the prompt ends inside the reasoning: any text up to its end, and the lines between it and the answer."""
    if not codec.form.opened:
        return []
    close = codec.control_id(CLOSE)
    if close is None:
        rules.append(rf"reasoning[lazy]: /(.|\n)*{CLOSE.replace('/', chr(92) + '/')}/")
        return ["reasoning", r"/\n{0,2}/"]
    rules.append(r"reasoning: /(.|\n)*/")
    return ["reasoning", f"<[{close}]>", r"/\n{0,2}/"]


def _call(name: str, arguments: str, *, codec: Codec) -> str:
    """One call of a tool as the family writes it."""
    wire = codec.form.wire
    if wire is None:
        return ""
    marked = wire.render([ToolCall(name, _here)])
    parts: list[str] = []
    for text, is_tag in marked:
        control = codec.control_id(text) if is_tag else None
        if control is not None:
            parts.append(f"<[{control}]>")
            continue
        before, here, after = text.partition(_here)
        parts += [_literal(before), *([arguments] if here else []), _literal(after)]
    return " ".join(part for part in parts if part)


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False) if text else ""


def _text(lark: str, schemas: Sequence[Schema]) -> str:
    values = [{"name": f"value_{place}", "json_schema": schema} for place, schema in enumerate(schemas)]
    return json.dumps({"grammars": [{"lark_grammar": lark}, *values]}, ensure_ascii=False)
