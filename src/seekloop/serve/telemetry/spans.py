"""One server span a request, in the words of OpenTelemetry's conventions for generative models."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from seekloop import __version__
from seekloop.serve.replies import cached_tokens
from seekloop.serve.reply import Reply
from seekloop.serve.telemetry_options import TelemetryOptions
from seekloop.system.lazy import need

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

__all__ = ["RequestSpan", "Spans", "open_spans"]

_provider = "seekloop"
_patience_s = 2
"""For sending a batch, retries included: a gateway that stops waits for the last one."""


def open_spans(options: TelemetryOptions) -> Spans | None:
    """Spans to the address of the options; None where there is none.

    Raises:
        MissingPackage: the packages of the extra `otel` are not installed.
    """
    if options.otlp is None:
        return None
    http = need("opentelemetry.exporter.otlp.proto.http.trace_exporter", extra="otel")
    return Spans(options, exporter=http.OTLPSpanExporter(endpoint=options.otlp, timeout=_patience_s))


class Spans:
    """Begins spans; a thread of the library sends them on.

    Args:
        options: name, sampling and content.
        exporter: where they go.
        at_once: send each when it ends, for tests.
    """

    def __init__(self, options: TelemetryOptions, *, exporter: SpanExporter, at_once: bool = False) -> None:
        self._options = options
        sdk = need("opentelemetry.sdk.trace", extra="otel")
        sampling = need("opentelemetry.sdk.trace.sampling", extra="otel")
        export = need("opentelemetry.sdk.trace.export", extra="otel")
        resource = need("opentelemetry.sdk.resources", extra="otel").Resource.create(
            {"service.name": options.service, "service.version": __version__}
        )
        self._trace = need("opentelemetry.trace", extra="otel")
        self._carrier = need(
            "opentelemetry.trace.propagation.tracecontext", extra="otel"
        ).TraceContextTextMapPropagator()
        sampler = sampling.ParentBased(sampling.TraceIdRatioBased(options.sample))
        # Not the library's global provider: a process may have one of its own, or several gateways.
        self._source = sdk.TracerProvider(resource=resource, sampler=sampler, shutdown_on_exit=False)
        way = export.SimpleSpanProcessor if at_once else export.BatchSpanProcessor
        self._source.add_span_processor(way(exporter))
        self._tracer = self._source.get_tracer("seekloop.serve", __version__)

    def begin(self, headers: Mapping[str, str], *, scope: Mapping[str, Any]) -> RequestSpan:
        """The span of a request, under the caller's own where its headers name one."""
        given = {name: headers[name] for name in ("traceparent", "tracestate") if name in headers}
        host, port = scope.get("server") or (None, None)
        attributes = {"http.request.method": scope["method"], "server.address": host, "server.port": port}
        span = self._tracer.start_span(
            scope["method"],
            context=self._carrier.extract(given),
            kind=self._trace.SpanKind.SERVER,
            attributes={name: value for name, value in attributes.items() if value is not None},
        )
        failed = self._trace.StatusCode.ERROR
        return RequestSpan(span, method=scope["method"], content=self._options.content, failed=failed)

    def close(self) -> None:
        """Send what is left. This may take seconds where nobody listens."""
        self._source.shutdown()


class RequestSpan:
    """The span of a request, which ends when its response and all its answers are over.

    Args:
        span: the library's.
        method: of the request.
        content: whether it holds what was asked and answered.
        failed: the library's status of a span that failed.
    """

    def __init__(self, span: Span, *, method: str, content: bool, failed: Any) -> None:
        self._span = span
        self._method = method
        self._content = content
        self._failed = failed
        self._open = 1
        self._replies: list[Reply] = []

    def answering(self, reply: Reply, *, model: str) -> None:
        """The request was accepted: an answer belongs to it.

        Args:
            reply: the answer.
            model: what was asked for: the alias or the release.
        """
        self._open += 1
        reply.when_ended(lambda ended: self._answered(ended, model=model))

    def responded(self, route: str, status: int, *, refusal: str | None) -> None:
        """The response has gone out."""
        self._span.set_attribute("http.route", route)
        self._span.set_attribute("http.response.status_code", status)
        if status >= 400:
            self._span.set_attribute("error.type", refusal or str(status))
        if status >= 500:
            self._span.set_status(self._failed)
        if self._open == 1 and not self._replies:
            self._span.update_name(f"{self._method} {route}")
        self._close()

    def _answered(self, reply: Reply, *, model: str) -> None:
        self._replies.append(reply)
        if self._span.is_recording():
            operation = "text_completion" if reply.order.raw else "chat"
            self._span.update_name(f"{operation} {model}")
            self._span.set_attributes(
                {"gen_ai.operation.name": operation, "gen_ai.request.model": model, **_attributes(self._replies)}
            )
            if reply.finish_reason == "error":
                self._span.set_attribute("error.type", "engine")
                self._span.set_status(self._failed)
            if self._content:
                self._span.set_attributes(_content(reply))
        self._close()

    def _close(self) -> None:
        self._open -= 1
        if not self._open:
            self._span.end()


def _attributes(replies: Sequence[Reply]) -> dict[str, Any]:
    """Of the answers of one request, all made under the same sampling."""
    first, prompt = replies[0], replies[0].order.prompt
    found = {
        "gen_ai.provider.name": _provider,
        "gen_ai.output.type": "text",
        "gen_ai.request.max_tokens": prompt.max_tokens,
        "gen_ai.request.temperature": prompt.temperature,
        "gen_ai.request.top_p": prompt.top_p,
        "gen_ai.request.seed": prompt.seed,
        "gen_ai.request.stream": first.order.stream,
        "gen_ai.response.id": first.id,
        "gen_ai.response.model": first.release,
        "gen_ai.response.finish_reasons": [reply.finish_reason for reply in replies],
        "gen_ai.usage.input_tokens": sum(reply.prompt_tokens for reply in replies),
        "gen_ai.usage.output_tokens": sum(reply.completion_tokens for reply in replies),
        "seekloop.cache": first.look.outcome,
    }
    cached = cached_tokens(replies)
    if cached is not None:
        found["gen_ai.usage.cache_read.input_tokens"] = cached
    if first.order.stops:
        found["gen_ai.request.stop_sequences"] = list(first.order.stops)
    if first.times:
        found["gen_ai.response.time_to_first_chunk"] = first.times[0] - first.order.asked_at
    return found


def _content(reply: Reply) -> dict[str, str]:
    """What was asked and answered, in the conventions' form."""
    asked = [_message(str(message["role"]), str(message.get("content") or "")) for message in reply.order.messages]
    said = _message("assistant", reply.content, reasoning=reply.reasoning)
    for call in reply.tool_calls:
        function = call["function"]
        part = {"type": "tool_call", "name": function["name"], "arguments": function["arguments"]}
        said["parts"].append(part)
    said["finish_reason"] = reply.finish_reason
    return {
        "gen_ai.input.messages": json.dumps(asked, ensure_ascii=False),
        "gen_ai.output.messages": json.dumps([said], ensure_ascii=False),
    }


def _message(role: str, content: str, *, reasoning: str = "") -> dict[str, Any]:
    parts = [{"type": "reasoning", "content": reasoning}] if reasoning else []
    return {"role": role, "parts": [*parts, {"type": "text", "content": content}]}
