"""What a request may say about the form of its answer: JSON, JSON of a schema, or a call of a tool."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["JsonObject", "JsonSchema", "NamedTool", "PlainText", "ResponseFormat", "SchemaOf", "ToolChoice", "ToolName"]


class _Form(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, use_attribute_docstrings=True)


class PlainText(_Form):
    """Text, which is what an answer is anyway."""

    type: Literal["text"]


class JsonObject(_Form):
    """Any JSON object."""

    type: Literal["json_object"]
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    """What it must be, where a client says it here."""


class SchemaOf(_Form):
    """A named schema; it is always kept to, `strict` or not."""

    name: Annotated[str, Field(min_length=1, max_length=64)] = "answer"
    schema_: Annotated[dict[str, Any], Field(alias="schema")]
    strict: bool | None = None
    description: str | None = None


class JsonSchema(_Form):
    """JSON that satisfies a schema."""

    type: Literal["json_schema"]
    json_schema: SchemaOf


ResponseFormat = Annotated[PlainText | JsonObject | JsonSchema, Field(discriminator="type")]


class ToolName(_Form):
    """Which tool."""

    name: str


class NamedTool(_Form):
    """This tool and no other."""

    type: Literal["function"]
    function: ToolName


ToolChoice = Literal["auto", "none", "required"] | NamedTool
