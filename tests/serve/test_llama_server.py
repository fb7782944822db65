"""llama.cpp's own server as an upstream: a real one, with a real template, real usage and real limits."""

import subprocess
import sys
from pathlib import Path

import pytest

from seekloop.compress import stage as compress
from seekloop.compress.spec import CompressInputs, CompressSpec, GgufMethod
from seekloop.runtime.endpoint.served import open_endpoint
from seekloop.runtime.tiny import tiny_base
from seekloop.serve.engines import opener
from seekloop.serve.options import GatewayOptions

SERVER = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_ctx, params.n_parallel, params.n_gpu_layers = 512, 2, 0
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
params.hostnames, params.port, params.ui, params.use_jinja = ["127.0.0.1"], 0, False, True
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def served(world):
    """A gateway over a release of a llama-server with the tiny model."""
    spec = CompressSpec(method=GgufMethod(precision="q8_0"))
    gguf = compress.run(spec, CompressInputs(checkpoint=tiny_base(world.ctx)), ctx=world.ctx)
    command = [sys.executable, "-c", SERVER, str(Path(world.ctx.store.path(gguf.id, "model.gguf")))]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as server:
        address = next(line.strip() for line in server.stdout if line.startswith("http"))
        checkpoint = open_endpoint(f"{address}/v1#tiny", ctx=world.ctx)
        started = opener(world.ctx.store, GatewayOptions())
        with world.serving(world.release_of(checkpoint, max_tokens=8), opener=started) as served:
            yield served
        server.kill()


def test_it_answers_whole_and_in_streams_alike_and_counts_its_tokens(served):
    whole = served.ask("Hi").json()
    stream = served.client.chat.completions.create(
        model="production", messages=[{"role": "user", "content": "Hi"}], stream=True
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    rows = served.world.ctx.ledger.answers()
    assert text == whole["choices"][0]["message"]["content"] == rows[0].content == rows[1].content
    assert whole["usage"]["completion_tokens"] == rows[0].completion_tokens == rows[1].completion_tokens == 8
    assert rows[0].prompt_tokens == rows[1].prompt_tokens > 0


def test_what_it_had_read_before_is_told_by_its_own_count(served):
    first, again = (served.ask("Where is the card that I ordered?").json()["usage"] for _ in range(2))
    cached = [usage["prompt_tokens_details"]["cached_tokens"] for usage in (first, again)]
    assert cached[0] < cached[1] < again["prompt_tokens"]


def test_a_prompt_that_is_too_long_for_it_is_refused_in_its_words(served):
    refused = served.ask("long " * 2000)
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "upstream.refused"
    assert "context" in refused.json()["error"]["message"]
