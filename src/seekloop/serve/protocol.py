"""The part of the OpenAI API that we speak, as it comes in: strict types, unknown fields let through."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from seekloop.artifact.rows import Message

__all__ = [
    "ChatMessage",
    "ChatRequest",
    "CompletionRequest",
    "FeedbackRequest",
    "Sampling",
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


class Sampling(_Body):
    """What every request may say about how its answer is drawn."""

    model: str
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=0)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: int | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = None
    n: Literal[1] | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None

    @model_validator(mode="after")
    def _without_penalties(self) -> Self:
        if self.frequency_penalty or self.presence_penalty or self.logit_bias:
            raise ValueError("penalties and logit_bias are not supported; leave them out")
        return self

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop strings."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())


class ChatRequest(Sampling):
    """Body of `POST /v1/chat/completions`.

    What would change the answer and cannot be done is refused, not left out in silence: more than one choice, log
    probabilities, forced tools, response formats, penalties.
    """

    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["auto", "none"] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    response_format: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _is_text(self) -> Self:
        if self.response_format is not None and self.response_format.get("type") != "text":
            raise ValueError("response_format other than text is not supported; leave it out")
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs wants logprobs: true beside it")
        if self.stream and self.logprobs:
            raise ValueError("a stream comes without logprobs; leave out one of the two")
        return self

    @property
    def top(self) -> int | None:
        """Likeliest tokens told with each token of the answer; None: no log-probabilities."""
        return (self.top_logprobs or 0) if self.logprobs else None

    @property
    def token_limit(self) -> int | None:
        """Tokens that the answer may have, where the request says so."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def offered_tools(self) -> tuple[dict[str, Any], ...]:
        """The tools that the model is told of."""
        return () if self.tool_choice == "none" else tuple(self.tools or ())


_ids = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
_prompt = Annotated[str, Field(min_length=1)]


class CompletionRequest(Sampling):
    """Body of `POST /v1/completions`: raw text or ids, no template.

    With `echo` and `logprobs` the prompt's own tokens are scored, which is what likelihood tasks are made of.
    """

    prompt: (
        _prompt
        | _ids
        | Annotated[list[_prompt], Field(min_length=1, max_length=64)]
        | Annotated[list[_ids], Field(min_length=1, max_length=64)]
    )
    """A text, several, or the same in token ids."""
    echo: bool = False
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    """Likeliest tokens told at each place."""
    suffix: None = None
    best_of: Literal[1] | None = None

    @model_validator(mode="after")
    def _streams_one(self) -> Self:
        if self.stream and (len(self.prompts) > 1 or self.echo or self.logprobs is not None):
            raise ValueError("a stream answers one prompt, without echo and logprobs")
        if self.max_tokens == 0 and not self.echo:
            raise ValueError("max_tokens 0 gives nothing, unless echo is on")
        return self

    @property
    def prompts(self) -> list[str | list[int]]:
        """Each prompt, as text or ids."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        ids: list[int] = []
        several: list[str | list[int]] = []
        for one in self.prompt:
            if isinstance(one, int):
                ids.append(one)
            else:
                several.append(one)
        return several or [ids]


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
