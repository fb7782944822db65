"""From a request to an order: what is asked of the worker that was picked, in ids or in an upstream's words."""

from __future__ import annotations

import functools
import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from seekloop.artifact.rows import Message
from seekloop.model.codec import Codec
from seekloop.runtime.generate.backend import Prompt
from seekloop.serve.answer_grammar import answer_grammar
from seekloop.serve.caller import Caller
from seekloop.serve.manner import Manner
from seekloop.serve.options import GatewayOptions
from seekloop.serve.protocol import ChatRequest, CompletionRequest, EmbeddingRequest, Sampling
from seekloop.serve.reply import Order
from seekloop.serve.safety.screen import Screen, Screening
from seekloop.serve.upstream.asking import chat_asked, text_asked
from seekloop.serve.worker import Worker
from seekloop.system.errors import UsageError

__all__ = ["Orders"]

_Make = functools.partial[Order]


@dataclass(frozen=True, kw_only=True)
class Orders:
    """Makes orders. A request may be made into one more than once, when another worker takes the place of the first."""

    screen: Screen | None
    """What looks at questions; None: nothing does."""
    options: GatewayOptions

    def chat(self, request: ChatRequest, *, worker: Worker, caller: Caller, manner: Manner, asked_at: float) -> Order:
        """Of a conversation.

        Raises:
            UsageError: it is too long, or the engine cannot do what is asked.
            ModelError: it needs what the model's family does not have.
        """
        make = _begun(request, caller=caller, manner=manner, asked_at=asked_at)
        return (self._chat_text if worker.takes_text else self._chat_ids)(request, worker=worker, make=make)

    def raw(
        self,
        request: CompletionRequest,
        *,
        prompt: str | Sequence[int],
        worker: Worker,
        caller: Caller,
        manner: Manner,
        asked_at: float,
    ) -> Order:
        """Of one raw prompt of a request.

        Raises:
            UsageError: it is too long, has ids that the model has not, or the engine cannot do what is asked.
        """
        make = _begun(request, caller=caller, manner=manner, asked_at=asked_at)
        return (self._raw_text if worker.takes_text else self._raw_ids)(request, prompt, worker=worker, make=make)

    def embedding(
        self, request: EmbeddingRequest, *, text: str | Sequence[int], worker: Worker, caller: Caller, asked_at: float
    ) -> Order:
        """Of one text of a request for embeddings.

        Raises:
            UsageError: it is too long, or has ids that the model has not.
            EngineError: the engine gives no embeddings.
        """
        worker.need("embeddings")
        codec = worker.codec
        ids = codec.raw_ids(text) if isinstance(text, str) else tuple(text)
        _check_ids(ids, codec=codec)
        if len(ids) > self.options.context:
            raise UsageError("serve.context_overflow", tokens=len(ids), context=self.options.context)
        return Order(
            caller=caller,
            messages=[{"role": "user", "content": text if isinstance(text, str) else codec.decode(ids)}],
            prompt=Prompt(ids=ids, stop_ids=codec.stop_ids, max_tokens=0),
            stops=(),
            stream=False,
            raw=True,
            embeds=True,
            asked_at=asked_at,
        )

    def _chat_ids(self, request: ChatRequest, *, worker: Worker, make: _Make) -> Order:
        sent = [message.as_message() for message in request.messages]
        # What does not fit is refused before anything reads its text.
        prompt = self._chat_prompt(request, sent, worker=worker)
        screening = self._looked_at(sent)
        if screening is not None and screening.changed:
            sent = screening.messages
            prompt = self._chat_prompt(request, sent, worker=worker)
        return make(
            messages=[{"content": "", **message.model_dump(mode="json", exclude_defaults=True)} for message in sent],
            prompt=prompt,
            tools=request.offered_tools,
            repeatable=_repeatable(request, worker),
            screening=screening,
        )

    def _chat_text(self, request: ChatRequest, *, worker: Worker, make: _Make) -> Order:
        """The messages as they came, for an upstream that makes ids of them itself."""
        sent = [message.as_sent() for message in request.messages]
        screening = None
        if self.screen is not None:
            screening = self.screen.asked([message.as_message() for message in request.messages])
            sent = [_said(one, seen) for one, seen in zip(sent, screening.messages, strict=True)]
        system = worker.release.system
        begins = system and all(message["role"] not in ("system", "developer") for message in sent)
        messages = [{"role": "system", "content": system}, *sent] if begins else sent
        prompt = self._prompt(request, (), worker=worker, limit=request.token_limit, top=request.top)
        return make(
            messages=sent,
            prompt=prompt,
            repeatable=request.top is None and _repeatable(request, worker),
            screening=screening,
            upstream=chat_asked(request, messages, prompt=prompt),
        )

    def _raw_ids(
        self, request: CompletionRequest, prompt: str | Sequence[int], *, worker: Worker, make: _Make
    ) -> Order:
        codec = worker.codec
        ids = codec.raw_ids(prompt) if isinstance(prompt, str) else tuple(prompt)
        _check_ids(ids, codec=codec)
        text = prompt if isinstance(prompt, str) else codec.decode(ids)
        # As in a conversation: what does not fit is refused before anything reads its text.
        drawn = self._raw_prompt(request, ids, worker=worker)
        screening = self._looked_at([Message(role="user", content=text)])
        if screening is not None and screening.changed:
            text = screening.messages[0].content
            ids = codec.raw_ids(text)
            drawn = self._raw_prompt(request, ids, worker=worker)
        return make(
            messages=[{"role": "user", "content": text}],
            prompt=drawn,
            raw=True,
            reads=request.echo and request.logprobs is not None,
            repeatable=_repeatable(request, worker),
            screening=screening,
        )

    def _raw_text(
        self, request: CompletionRequest, prompt: str | Sequence[int], *, worker: Worker, make: _Make
    ) -> Order:
        text = prompt if isinstance(prompt, str) else json.dumps(prompt)
        screening = self._looked_at([Message(role="user", content=text)])
        if screening is not None and screening.changed:
            prompt = text = screening.messages[0].content
        drawn = self._raw_prompt(request, (), worker=worker)
        return make(
            messages=[{"role": "user", "content": text}],
            prompt=drawn,
            raw=True,
            repeatable=request.logprobs is None and not request.echo and _repeatable(request, worker),
            screening=screening,
            upstream=text_asked(request, prompt, prompt=drawn),
        )

    def _looked_at(self, messages: Sequence[Message]) -> Screening | None:
        return None if self.screen is None else self.screen.asked(messages)

    def _chat_prompt(self, request: ChatRequest, messages: Sequence[Message], *, worker: Worker) -> Prompt:
        system = worker.release.system
        if system and all(message.role != "system" for message in messages):
            messages = [Message(role="system", content=system), *messages]
        ids = worker.codec.prompt_ids(messages, tools=request.offered_tools)
        return self._prompt(
            request,
            ids,
            worker=worker,
            limit=request.token_limit,
            top=request.top,
            grammar=answer_grammar(request, worker.codec),
        )

    def _raw_prompt(self, request: CompletionRequest, ids: tuple[int, ...], *, worker: Worker) -> Prompt:
        return self._prompt(request, ids, worker=worker, limit=request.max_tokens, top=request.logprobs)

    def _prompt(
        self,
        request: Sampling,
        ids: tuple[int, ...],
        *,
        worker: Worker,
        limit: int | None,
        top: int | None,
        grammar: str | None = None,
    ) -> Prompt:
        _check_abilities(request, worker=worker, grammar=grammar)
        # An upstream knows how long its texts may be; we do not.
        room = self.options.max_tokens if worker.takes_text else self.options.context - len(ids)
        if room < (0 if limit == 0 else 1):
            raise UsageError("serve.context_overflow", tokens=len(ids), context=self.options.context)
        decoding = worker.release.decoding
        temperature = decoding.temperature if request.temperature is None else request.temperature
        seed = secrets.randbits(31) if request.seed is None and temperature else request.seed or 0
        return Prompt(
            ids=ids,
            stop_ids=worker.codec.stop_ids,
            max_tokens=min(decoding.max_tokens if limit is None else limit, self.options.max_tokens, room),
            temperature=temperature,
            top_p=decoding.top_p if request.top_p is None else request.top_p,
            seed=seed & 0x7FFF_FFFF,
            top=top,
            presence=request.presence_penalty or 0.0,
            frequency=request.frequency_penalty or 0.0,
            bias=request.bias,
            grammar=grammar,
        )


def _begun(request: Sampling, *, caller: Caller, manner: Manner, asked_at: float) -> _Make:
    """An order's beginning: what its request says, whatever it asks for."""
    return functools.partial(
        Order,
        caller=caller,
        stops=request.stops,
        user=request.user,
        session=manner.session,
        consent=manner.consents(request.store),
        stream=bool(request.stream),
        asked_at=asked_at,
    )


def _repeatable(request: Sampling, worker: Worker) -> bool:
    """Whether the engine would say the same again."""
    greedy = not (worker.release.decoding.temperature if request.temperature is None else request.temperature)
    return greedy or request.seed is not None


def _said(sent: dict[str, Any], seen: Message) -> dict[str, Any]:
    """A message as it goes upstream, with the words that the screen left of it."""
    plain = isinstance(sent.get("content"), str)
    return {**sent, "content": seen.content} if plain or seen.content else sent


def _check_ids(ids: Iterable[int], *, codec: Codec) -> None:
    if unknown := [id_ for id_ in ids if id_ >= codec.vocab_size]:
        raise UsageError("serve.unknown_id", id=unknown[0], size=codec.vocab_size)


def _check_abilities(request: Sampling, *, worker: Worker, grammar: str | None) -> None:
    """Refuse what this worker's engine cannot, before it is asked."""
    _check_ids((id_ for id_, _ in request.bias), codec=worker.codec)
    if grammar is not None:
        worker.need("grammar")
    if request.bias:
        worker.need("logit_bias")
    if request.presence_penalty or request.frequency_penalty:
        worker.need("penalties")
