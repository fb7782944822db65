"""Raw completions in OpenAI's words: text, and the log-probabilities of its tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from seekloop.model.codec import Codec, Delta
from seekloop.runtime.generate.backend import Chance
from seekloop.serve.protocol import CompletionRequest
from seekloop.serve.rendering import answer_events, frame_of, usage
from seekloop.serve.reply import Reply

__all__ = ["text_completion", "text_events"]

_kind = "text_completion"


def text_completion(replies: Sequence[Reply], *, asked: CompletionRequest) -> dict[str, Any]:
    """The body of whole answers, a choice each; `choices[i].answer` is the id of each one's row in the ledger."""
    choices = [_choice(reply, index, asked=asked) for index, reply in enumerate(replies)]
    return frame_of(replies[0], kind=_kind, model=asked.model) | {"choices": choices, "usage": usage(replies)}


def text_events(replies: Sequence[Reply], *, asked: CompletionRequest) -> AsyncIterator[bytes]:
    """The events of answers."""
    frame = frame_of(replies[0], kind=_kind, model=asked.model)
    lengths: dict[str, int] = {}

    def choice(reply: Reply, delta: Delta, *, chances: Sequence[tuple[int, Chance]]) -> dict[str, Any]:
        told = None
        if chances:
            ids = [id_ for id_, _ in chances]
            before = lengths.get(reply.id, 0)
            lengths[reply.id] = before + len(reply.codec.decode(ids))
            told = _table(chances, codec=reply.codec, lead=-before)
        return {"text": delta.content, "logprobs": told}

    usage_too = asked.stream_options is not None and asked.stream_options.include_usage
    return answer_events(replies, frame=frame, choice=choice, include_usage=usage_too)


def _choice(reply: Reply, index: int, *, asked: CompletionRequest) -> dict[str, Any]:
    # An upstream that is asked for an echo gives it itself.
    before = reply.asked if asked.echo and reply.relayed is None else ""
    return {
        "index": index,
        "text": before + reply.content,
        "logprobs": None if asked.logprobs is None else _logprobs(reply, asked=asked),
        "finish_reason": reply.finish_reason,
        "answer": reply.id,
    }


def _logprobs(reply: Reply, *, asked: CompletionRequest) -> dict[str, Any]:
    """`tokens`, `token_logprobs`, `top_logprobs` and `text_offset`; nothing precedes a prompt's first token."""
    if reply.relayed is not None:
        told_there: dict[str, Any] = reply.relayed.logprobs or {}
        return told_there
    told: list[tuple[int, Chance | None]] = []
    if asked.echo:
        told += zip(reply.prompt_ids, (None, *reply.prompt_chances), strict=True)
    told += reply.chances
    codec = reply.codec
    # A text is given the family's first token, which is no part of it.
    lead = len(codec.decode(reply.prompt_ids)) - len(reply.asked) if asked.echo else 0
    return _table(told, codec=codec, lead=lead)


def _table(told: Sequence[tuple[int, Chance | None]], *, codec: Codec, lead: int) -> dict[str, Any]:
    """OpenAI's four lists; `lead`: characters that stand before where the offsets are counted from."""
    return {
        "tokens": [codec.decode([id_]) for id_, _ in told],
        "token_logprobs": [chance.logprob if chance else None for _, chance in told],
        "top_logprobs": [_top(id_, chance, codec=codec) for id_, chance in told],
        "text_offset": [max(0, at - lead) for at in _offsets([id_ for id_, _ in told], codec)],
    }


def _top(id_: int, chance: Chance | None, *, codec: Codec) -> dict[str, float] | None:
    """Text -> log-probability, the token's own among them; of two tokens with one text the likelier is told."""
    if chance is None:
        return None
    table = {codec.decode([each]): logprob for each, logprob in reversed(chance.top)}
    return table | {codec.decode([id_]): max(chance.logprob, table.get(codec.decode([id_]), chance.logprob))}


def _offsets(ids: Sequence[int], codec: Codec) -> list[int]:
    """Where each token's text begins, in characters; a part of a character begins where the character does."""
    stream, offsets, at = codec.raw_stream(), [], 0
    for id_ in ids:
        offsets.append(at)
        at += len(stream.push(id_).content)
    return offsets
