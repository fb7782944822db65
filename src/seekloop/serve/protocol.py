"""The part of the OpenAI API that we speak, as it comes in: strict types, unknown fields let through."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from seekloop.artifact.rows import Message

__all__ = [
    "ChatMessage",
    "ChatRequest",
    "FeedbackRequest",
    "StreamOptions",
    "TextPart",
    "ToolCall",
    "ToolFunction",
]


class _Incoming(BaseModel):
    # Clients send many fields that we have no use for; a known field of a wrong type is a mistake, never a guess.
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, use_attribute_docstrings=True)


class _Body(_Incoming):
    @model_validator(mode="before")
    @classmethod
    def _can_be_written_down(cls, value: Any) -> Any:
        # JSON's escapes can spell half of a character; no tokenizer and no database takes that.
        try:
            json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        except UnicodeEncodeError as error:
            raise ValueError("a text holds half of a surrogate pair, which is no character") from error
        except RecursionError as error:
            raise ValueError("lists and objects stand too deep in each other") from error
        return value


class TextPart(_Incoming):
    """One piece of a message's content."""

    type: Literal["text"]
    text: str


class ToolFunction(_Incoming):
    """A called function, its arguments being JSON in a string."""

    name: str
    arguments: str = "{}"


class ToolCall(_Incoming):
    """A call that the assistant made in an earlier turn."""

    id: str | None = None
    type: Literal["function"] = "function"
    function: ToolFunction


class ChatMessage(_Incoming):
    """One turn of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> ChatMessage:
        if self.content is None and not (self.role == "assistant" and self.tool_calls):
            raise ValueError("a message needs content, unless it is an assistant's with tool_calls")
        return self

    def as_message(self) -> Message:
        """The message as the codec takes it."""
        content = self.content
        text = "".join(part.text for part in content) if isinstance(content, list) else content or ""
        return Message(
            role="system" if self.role == "developer" else self.role,
            content=text,
            reasoning=self.reasoning_content,
            tool_calls=tuple(call.model_dump(exclude_none=True) for call in self.tool_calls or ()),
        )


class StreamOptions(_Incoming):
    """What a stream carries beside its deltas."""

    include_usage: bool = False


def _tool(value: dict[str, Any]) -> dict[str, Any]:
    # Kept as it came, order of keys included: that is how the model was trained to read it.
    function = value.get("function")
    if value.get("type") != "function" or not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise ValueError('a tool is {"type": "function", "function": {"name": …}}')
    return value


Stop = Annotated[str, Field(min_length=1)]
Tool = Annotated[dict[str, Any], AfterValidator(_tool)]


class ChatRequest(_Body):
    """Body of `POST /v1/chat/completions`.

    What would change the answer and cannot be done is refused, not left out in silence: more than one choice, log
    probabilities, forced tools, response formats, penalties.
    """

    model: str
    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: int | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["auto", "none"] | None = None
    n: Literal[1] | None = None
    logprobs: Literal[False] | None = None
    response_format: dict[str, Any] | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None

    @model_validator(mode="after")
    def _can_be_done(self) -> ChatRequest:
        if self.frequency_penalty or self.presence_penalty or self.logit_bias:
            raise ValueError("penalties and logit_bias are not supported; leave them out")
        if self.response_format is not None and self.response_format.get("type") != "text":
            raise ValueError("response_format other than text is not supported; leave it out")
        return self

    @property
    def token_limit(self) -> int | None:
        """Tokens that the answer may have, where the request says so."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop strings."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def offered_tools(self) -> tuple[dict[str, Any], ...]:
        """The tools that the model is told of."""
        return () if self.tool_choice == "none" else tuple(self.tools or ())


class FeedbackRequest(_Body):
    """Body of `POST /v1/feedback`: what somebody thought of an answer, in one way at least."""

    answer: str
    id: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Idempotency key; None: made from what is said, so that saying it twice counts once."""
    label: str | None = None
    """The right label."""
    correction: str | None = None
    """The right answer, in full."""
    score: Annotated[float, Field(ge=0, le=1)] | None = None
    """0 to 1; a thumb is 0 or 1."""
    comment: str | None = None

    @model_validator(mode="after")
    def _says_something(self) -> FeedbackRequest:
        if self.label is None and self.correction is None and self.score is None and self.comment is None:
            raise ValueError("give a label, a correction, a score or a comment")
        return self
