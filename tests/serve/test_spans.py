"""Spans: one a request, in the conventions' words, under the caller's trace, without what was said."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest

from seekloop.serve.caller import Caller
from seekloop.serve.gateway import Gateway
from seekloop.serve.keys import Keyring
from seekloop.serve.options import GatewayOptions
from seekloop.serve.server import in_thread
from seekloop.serve.telemetry.spans import Spans
from seekloop.serve.telemetry_options import TelemetryOptions

memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter", reason="the extra otel")
SCRIPT = {"Where is my card?": "It is on its way."}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{}"
HEADERS = {"Authorization": "Bearer k"}


@pytest.fixture
def telling(world, until):
    """A client of a gateway whose spans are kept, and the spans that have ended."""

    @contextlib.contextmanager
    def telling(release=None, **options):
        world.promote(release or world.release("a", SCRIPT))
        kept = memory.InMemorySpanExporter()
        spans = Spans(TelemetryOptions(**options), exporter=kept, at_once=True)
        gateway = Gateway(
            store=world.ctx.store,
            ledger=world.ctx.ledger,
            keyring=Keyring({"k": Caller(name="ann")}),
            opener=world.open,
            options=GatewayOptions(poll_s=0.01),
            spans=spans,
        )
        with in_thread(gateway) as running, httpx2.Client(base_url=running.url, headers=HEADERS, timeout=30) as http:
            until(lambda: gateway.ready)

            def ended(count=1):
                until(lambda: len(kept.get_finished_spans()) >= count)
                return kept.get_finished_spans()

            yield http, ended

    return telling


def ask(http, *, headers=None, **fields):
    body = {"model": "production", "messages": [{"role": "user", "content": "Where is my card?"}], **fields}
    return http.post("/v1/chat/completions", json=body, headers=headers)


def test_a_request_is_one_server_span_in_the_conventions_words(telling):
    with telling() as (http, ended):
        answer = ask(http, temperature=0.5, seed=3, stop=["x"]).json()
        (span,) = ended()
    told = dict(span.attributes)
    assert (span.name, span.kind.name, span.parent) == ("chat production", "SERVER", None)
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.provider.name"] == "seekloop"
    assert (told["gen_ai.request.model"], told["gen_ai.response.model"]) == ("production", answer["system_fingerprint"])
    assert (told["gen_ai.request.temperature"], told["gen_ai.request.seed"]) == (0.5, 3)
    assert told["gen_ai.request.stop_sequences"] == ("x",)
    assert told["gen_ai.response.id"] == answer["id"]
    assert told["gen_ai.response.finish_reasons"] == ("stop",)
    assert told["gen_ai.usage.input_tokens"] == answer["usage"]["prompt_tokens"]
    assert told["gen_ai.usage.output_tokens"] == answer["usage"]["completion_tokens"]
    assert (told["http.route"], told["http.response.status_code"]) == ("/v1/chat/completions", 200)
    assert told["gen_ai.response.time_to_first_chunk"] > 0
    assert dict(span.resource.attributes)["service.name"] == "seekloop"


@pytest.mark.parametrize("stream", [False, True])
def test_nothing_that_was_said_is_in_a_span_unless_the_dial_says_so(stream, telling):
    with telling() as (http, ended):
        ask(http, stream=stream)
        (span,) = ended()
    assert "card" not in span.to_json()
    assert "way" not in span.to_json()
    with telling(content=True) as (http, ended):
        ask(http, stream=stream)
        (span,) = ended()
    assert '"Where is my card?"' in span.attributes["gen_ai.input.messages"]
    assert '"It is on its way."' in span.attributes["gen_ai.output.messages"]
    assert '"finish_reason": "stop"' in span.attributes["gen_ai.output.messages"]


def test_a_callers_trace_is_gone_on_with_and_its_decision_is_kept(telling):
    with telling() as (http, ended):
        ask(http, headers={"traceparent": TRACE.format("00")})
        ask(http, headers={"traceparent": TRACE.format("01"), "tracestate": "vendor=1"})
        ask(http, headers={"traceparent": "nonsense"})
        inside, alone = ended(2)
    assert f"{inside.context.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert f"{inside.parent.span_id:016x}" == "b7ad6b7169203331"
    assert inside.context.trace_state.get("vendor") == "1"
    assert alone.parent is None


def test_a_refused_request_is_a_span_with_the_errors_code(telling):
    with telling() as (http, ended):
        ask(http, model="gpt-9")
        http.get("/v1/models", headers={"Authorization": "Bearer no"})
        http.get("/metrics")
        unknown, stranger = ended(2)
    assert (unknown.name, unknown.attributes["error.type"]) == ("POST /v1/chat/completions", "model_not_found")
    assert stranger.attributes["http.response.status_code"] == 401
    assert unknown.status.status_code.name == "UNSET"


def test_several_prompts_are_one_span_with_all_their_tokens(telling):
    with telling() as (http, ended):
        body = {"model": "production", "prompt": ["My card", "Your card"], "max_tokens": 2}
        usage = http.post("/v1/completions", json=body).json()["usage"]
        (span,) = ended()
    assert span.name == "text_completion production"
    assert span.attributes["gen_ai.usage.output_tokens"] == usage["completion_tokens"]
    assert span.attributes["gen_ai.response.finish_reasons"] == ("length", "length")


class Receiver(BaseHTTPRequestHandler):
    """Takes what is posted."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, self.headers["Content-Type"], self.headers.get("Content-Encoding"), body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    """An OTLP receiver on a socket, and what it got."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        server.got = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_spans_arrive_at_an_otlp_receiver_before_the_gateway_is_gone(world, receiver):
    wire = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2", reason="the extra otel")
    otlp = {"otlp": f"http://127.0.0.1:{receiver.server_address[1]}/v1/traces", "service": "bank"}
    with world.serving(world.release("a", SCRIPT), telemetry=otlp) as served:
        answer = served.ask("Where is my card?").json()["id"]
    ((path, kind, _, body),) = receiver.got
    assert (path, kind) == ("/v1/traces", "application/x-protobuf")
    request = wire.ExportTraceServiceRequest.FromString(body)
    spans = [span for one in request.resource_spans for scope in one.scope_spans for span in scope.spans]
    names = {span.name for span in spans}
    assert "chat production" in names
    assert answer.encode() in body
    assert b"bank" in body
    assert b"Where is my card" not in body


def test_a_receiver_that_is_away_costs_no_request(world):
    with world.serving(world.release("a", SCRIPT), telemetry={"otlp": "http://127.0.0.1:1/v1/traces"}) as served:
        assert served.ask("Where is my card?").status_code == 200


def test_what_an_upstream_had_read_before_is_on_the_span(world, upstream, telling):
    upstream.manner.cached = 3
    with telling(world.upstream_release(upstream)) as (http, ended):
        ask(http)
        (span,) = ended()
    assert span.attributes["gen_ai.usage.cache_read.input_tokens"] == 3
