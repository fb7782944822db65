"""The figures of one gateway: those that vLLM has under vLLM's names, and our own.

`vllm:` figures are of what an engine generated, so that dashboards made for vLLM read as they do there; an answer from
the cache is in `seekloop:` figures only. No label holds a caller's text.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from seekloop.serve.reply import Reply
from seekloop.serve.telemetry.figures import Spread, Tally
from seekloop.system import digests

__all__ = ["Meters"]

_seconds = (
    *(0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.25, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 7.5, 10.0),
    *(20.0, 40.0, 80.0, 160.0, 640.0),
)
_tokens = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000)
_finished = {"cancelled": "abort"}
"""vLLM's word where it is another one."""


class Meters:
    """Counted where it happens, by the event loop; read by `GET /metrics`."""

    def __init__(self) -> None:
        self.first_token = Spread(
            "vllm:time_to_first_token_seconds", "From the request to its first token, in seconds.", bounds=_seconds
        )
        self.between_tokens = Spread(
            "vllm:inter_token_latency_seconds", "From one token to the next, in seconds.", bounds=_seconds
        )
        self.per_token = Spread(
            "vllm:request_time_per_output_token_seconds",
            "Mean time per token after the first, of a request, in seconds.",
            bounds=_seconds,
        )
        self.whole = Spread(
            "vllm:e2e_request_latency_seconds", "From the request to its last token, in seconds.", bounds=_seconds
        )
        self.queued = Spread(
            "vllm:request_queue_time_seconds",
            "From the request until an engine was free for it, in seconds.",
            bounds=_seconds,
        )
        self.prompt_sizes = Spread("vllm:request_prompt_tokens", "Tokens of a prompt.", bounds=_tokens)
        self.answer_sizes = Spread("vllm:request_generation_tokens", "Tokens of an answer.", bounds=_tokens)
        self.prompt_tokens = Tally("vllm:prompt_tokens", "Tokens that engines read.")
        self.looked_up = Tally(
            "vllm:prefix_cache_queries",
            "Prompt tokens that were looked for in a prefix cache, where an upstream tells.",
        )
        self.found_again = Tally("vllm:prefix_cache_hits", "Of these, those that were in it.")
        self.answer_tokens = Tally("vllm:generation_tokens", "Tokens that engines generated.")
        self.finished = Tally("vllm:request_success", "Requests by how they ended.", labels=["finished_reason"])
        self.answers = Tally(
            "seekloop:answers", "Answers by release, end and cache.", labels=["release", "finish_reason", "cache"]
        )
        self.kept = Spread(
            "seekloop:cached_request_latency_seconds",
            "The same for answers from the cache, in seconds.",
            bounds=_seconds,
        )
        self.refusals = Tally("seekloop:refusals", "Requests that got an error, by its code.", labels=["code"])
        self.responses = Tally("seekloop:http_responses", "Responses by route and status.", labels=["route", "status"])

    @property
    def spreads(self) -> Sequence[Spread]:
        """Every distribution."""
        return [figure for figure in vars(self).values() if isinstance(figure, Spread)]

    @property
    def tallies(self) -> Sequence[Tally]:
        """Every count."""
        return [figure for figure in vars(self).values() if isinstance(figure, Tally)]

    def answered(self, reply: Reply) -> None:
        """An accepted request is over."""
        reason, order = reply.finish_reason, reply.order
        self.answers.add(digests.short(reply.release), reason, reply.look.outcome)
        if reply.look.kept is not None:
            self.kept.add(reply.ended_at - order.asked_at)
            return
        said = reply.completion_tokens
        self.finished.add(_finished.get(reason, reason))
        self.queued.add(reply.begun_at - order.asked_at)
        self.whole.add(reply.ended_at - order.asked_at)
        self.prompt_sizes.add(reply.prompt_tokens)
        self.answer_sizes.add(said)
        self.prompt_tokens.add(by=reply.prompt_tokens)
        self.answer_tokens.add(by=said)
        if reply.cached_tokens is not None:
            self.looked_up.add(by=reply.prompt_tokens)
            self.found_again.add(by=reply.cached_tokens)
        times = reply.times[-said:] if said else []
        if times:
            self.first_token.add(times[0] - order.asked_at)
        for before, after in pairwise(times):
            self.between_tokens.add(after - before)
        if len(times) > 1:
            self.per_token.add((times[-1] - times[0]) / (len(times) - 1))

    def responded(self, route: str, status: int, *, refusal: str | None) -> None:
        """An HTTP response has gone out.

        Args:
            route: the route's pattern, `/v1/models/{name}`; `other` where there is none.
            status: its status.
            refusal: the error's code; None: no error of ours, or a status below 400.
        """
        self.responses.add(route, str(status))
        if status >= 400:
            self.refusals.add(refusal or f"http_{status}")
