"""The part of the OpenAI API that we speak, as it comes in: strict types, unknown fields let through."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from seekloop.artifact.rows import Message
from seekloop.serve.formats import NamedTool, PlainText, ResponseFormat, ToolChoice

__all__ = [
    "Body",
    "ChatMessage",
    "ChatRequest",
    "CompletionRequest",
    "EmbeddingRequest",
    "Sampling",
    "StreamOptions",
    "TextPart",
    "ToolCall",
    "ToolFunction",
]


class _Incoming(BaseModel):
    # Clients send many fields that we have no use for; a known field of a wrong type is a mistake, never a guess.
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, use_attribute_docstrings=True)


class Body(_Incoming):
    """A body whose texts can be written down."""

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
    tool_call_id: str | None = None
    """Which call a tool's message answers, for upstreams that ask for it."""

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

    def as_sent(self) -> dict[str, Any]:
        """The message in OpenAI's words, its text in one piece."""
        content = self.content
        text = "".join(part.text for part in content) if isinstance(content, list) else content or ""
        sent: dict[str, Any] = {"role": self.role, "content": text}
        if self.reasoning_content is not None:
            sent["reasoning"] = self.reasoning_content
        if self.tool_calls:
            sent["tool_calls"] = [call.model_dump(exclude_none=True) for call in self.tool_calls]
        if self.tool_call_id is not None:
            sent["tool_call_id"] = self.tool_call_id
        return sent


class StreamOptions(_Incoming):
    """What a stream carries beside its deltas."""

    include_usage: bool = False


def _tool(value: dict[str, Any]) -> dict[str, Any]:
    # Kept as it came, order of keys included: that is how the model was trained to read it.
    function = value.get("function")
    if value.get("type") != "function" or not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise ValueError('a tool is {"type": "function", "function": {"name": …}}')
    return value


def _token_id(key: str) -> str:
    if not key.isdecimal() or len(key) > 9:
        raise ValueError("logit_bias maps token ids to biases")
    return key


Penalty = Annotated[float, Field(ge=-2, le=2)]
Bias = dict[Annotated[str, AfterValidator(_token_id)], Annotated[float, Field(ge=-100, le=100)]]
Stop = Annotated[str, Field(min_length=1)]
Tool = Annotated[dict[str, Any], AfterValidator(_tool)]


class Sampling(_Incoming):
    """What every request may say about how its answer is drawn."""

    model: str
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=0)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: int | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = None
    n: Annotated[int, Field(ge=1, le=8)] | None = None
    """Answers to the same question; each is drawn, and recorded, by itself."""
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logit_bias: Annotated[Bias, Field(max_length=300)] | None = None
    user: Annotated[str, Field(max_length=512)] | None = None
    """Who it is that the caller asks for; the same word sees the same release throughout a rollout."""
    store: bool | None = None
    """Whether the answer may be learnt from; the row that proves it is kept either way. None: not said."""

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop strings."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def bias(self) -> tuple[tuple[int, float], ...]:
        """Id -> what is added to its logit, in order."""
        return tuple(sorted((int(id_), bias) for id_, bias in (self.logit_bias or {}).items()))

    @property
    def several(self) -> list[Self]:
        """The request once for each answer that it wants; of drawn answers with a seed, the next has the next seed."""
        if not self.n or self.n == 1:
            return [self]
        seeds = [None if self.seed is None else self.seed + place for place in range(self.n)]
        return [self.model_copy(update={"n": 1, "seed": seed}) for seed in seeds]


class ChatRequest(Sampling):
    """Body of `POST /v1/chat/completions`.

    What would change the answer and cannot be done is refused, not left out in silence.
    """

    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    response_format: ResponseFormat | None = None
    parallel_tool_calls: bool | None = None

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs wants logprobs: true beside it")
        if self.forces_tool and not self.tools:
            raise ValueError("tool_choice wants tools beside it")
        return self

    @property
    def shaped(self) -> bool:
        """Whether the answer must have a form."""
        return self.forces_tool or not isinstance(self.response_format, PlainText | None)

    @property
    def forces_tool(self) -> bool:
        """Whether the answer must be a call of a tool."""
        return self.tool_choice == "required" or isinstance(self.tool_choice, NamedTool)

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


_most_choices = 64
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
    best_of: int | None = None

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.stream and self.echo:
            raise ValueError("a stream comes without echo; leave out one of the two")
        if len(self.prompts) * (self.n or 1) > _most_choices:
            raise ValueError(f"prompts times n may be {_most_choices} at most")
        if self.best_of is not None and self.best_of != (self.n or 1):
            raise ValueError("best_of other than n is not supported; leave it out, or ask for n answers")
        if self.max_tokens == 0 and not self.echo:
            raise ValueError("max_tokens 0 gives nothing, unless echo is on")
        return self

    @property
    def prompts(self) -> list[str | list[int]]:
        """Each prompt, as text or ids."""
        return _each(self.prompt)


def _each(said: str | Sequence[int | str | list[int]]) -> list[str | list[int]]:
    """The texts of a field that may hold one or several, in words or in ids."""
    if isinstance(said, str):
        return [said]
    ids = [one for one in said if isinstance(one, int)]
    return [ids] if ids else [one for one in said if not isinstance(one, int)]


_most_texts = 2048


class EmbeddingRequest(Body):
    """Body of `POST /v1/embeddings`: texts, or the same in token ids; each is an answer of its own in the ledger."""

    model: str
    user: str | None = None
    """As in other requests."""
    input: (
        _prompt
        | _ids
        | Annotated[list[_prompt], Field(min_length=1, max_length=_most_texts)]
        | Annotated[list[_ids], Field(min_length=1, max_length=_most_texts)]
    )
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Field(ge=1)] | None = None
    """Only so many of the first numbers, made a unit vector again."""

    @property
    def texts(self) -> list[str | list[int]]:
        """Each text, as text or ids."""
        return _each(self.input)
