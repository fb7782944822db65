"""The portable part of llama.cpp's own server tests: taken from its published source, run as they are against ours.

They speak to a server without a key, without `/v1`, and without naming a model; a small proxy adds the three.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import subprocess
import tarfile
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from bench.harness import REPOSITORY
from bench.peers import peer_python
from seekloop.system import settings

__all__ = ["CHAT", "EMBEDDINGS", "NOT_OURS", "run_portable"]

_source = "llama-cpp-python==0.3.36"
_needs = ("pytest~=8.3", "requests", "filelock", "wget", "openai", "numpy", "aiohttp", "prometheus-client")
_inside = "/vendor/llama.cpp/tools/server/tests/"
_chat, _embedding, _tools = "unit/test_chat_completion.py", "unit/test_embedding.py", "unit/test_tool_call.py"
_required = f"{_tools}::test_completion_with_required_tool_real_model[tool9-success-bartowski/Qwen2.5-1.5B-Instruct-"
CHAT = (
    f"{_chat}::test_completion_with_response_format",
    f"{_chat}::test_invalid_chat_completion_req",
    f"{_chat}::test_logprobs",
    f"{_chat}::test_logprobs_stream",
    f"{_chat}::test_chat_completions_multiple_choices",
    f"{_tools}::test_completion_without_tool_call_fast",
    f"{_required}GGUF:Q4_K_M-None-CompletionMode.NORMAL]",
    f"{_required}GGUF:Q4_K_M-None-CompletionMode.STREAMED]",
)
"""Tests whose promises are the API's: not llama.cpp's own routes, flags and fields, nor words of its model."""
EMBEDDINGS = (
    f"{_embedding}::test_embedding_single",
    f"{_embedding}::test_embedding_multiple",
    f"{_embedding}::test_embedding_multiple_with_fa",
    f"{_embedding}::test_embedding_mixed_input",
    f"{_embedding}::test_embedding_invalid_input",
    f"{_embedding}::test_embedding_pooling_mean",
    f"{_embedding}::test_embedding_pooling_mean_multiple",
    f"{_embedding}::test_embedding_openai_library_single",
    f"{_embedding}::test_embedding_openai_library_multiple",
    f"{_embedding}::test_same_prompt_give_same_result",
    f"{_embedding}::test_embedding_openai_library_base64",
)
"""The same for engines that give embeddings."""
_words = "asks for words of its own model"
_mixed = "an input that OpenAI's API does not have: empty, an object, or text and ids in one list"
NOT_OURS = {
    f"{_chat}::test_completion_with_response_format[response_format1-10-[ -3000 ]]": _words,
    f"{_chat}::test_invalid_chat_completion_req[messages7]": "two answers at the end, which llama.cpp would go on from",
    f"{_embedding}::test_embedding_mixed_input[-False]": _mixed,
    f"{_embedding}::test_embedding_mixed_input[input3-False]": _mixed,
    f"{_embedding}::test_embedding_mixed_input[input5-True]": _mixed,
    f"{_embedding}::test_embedding_mixed_input[input7-True]": _mixed,
    f"{_embedding}::test_embedding_mixed_input[input8-False]": _mixed,
    f"{_embedding}::test_embedding_mixed_input[input9-False]": _mixed,
    f"{_embedding}::test_embedding_mixed_input[input10-True]": _mixed,
}
"""Cases of these that are not portable, with the reason."""


def run_portable(url: str, *, key: str, only: Sequence[str]) -> tuple[int, int, list[str]]:
    """Run the tests against a gateway: passed, in all, and the names of those that failed."""
    tests = _tests()
    left_out = [f"--deselect={name}" for name in NOT_OURS]
    with _proxy(url, key=key) as port:
        done = subprocess.run(
            [_python(), "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", *left_out, *only],
            cwd=tests,
            env=settings.child_environment(DEBUG_EXTERNAL="1", PORT=str(port), SLOW_TESTS="1"),
            capture_output=True,
            text=True,
            check=False,
        )
    passed = re.findall(r"^PASSED (\S.*)$", done.stdout, re.MULTILINE)
    failed = re.findall(r"^(?:FAILED|ERROR) (\S.*)$", done.stdout, re.MULTILINE)
    if not passed:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    return len(passed), len(passed) + len(failed), failed


def _python() -> Path:
    return peer_python("llamacpp-tests", _needs)


def _tests() -> Path:
    """The folder of the tests, unpacked from the published source package."""
    folder = REPOSITORY / "runs" / "peers" / "llamacpp-source"
    if not folder.exists():
        folder.mkdir(parents=True)
        fetch = [
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--no-binary",
            "llama-cpp-python",
            "-d",
            str(folder),
            _source,
        ]
        subprocess.run([_python(), *fetch], check=True)
        with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
            archive.extractall(folder, [one for one in archive if _inside in one.name], filter="data")
    return next(folder.glob(f"*{_inside}"))


@contextlib.contextmanager
def _proxy(url: str, *, key: str) -> Iterator[int]:
    """A server that hands requests on to the gateway in its own words; its port."""

    class Handler(_Handler):
        address, bearer = urlsplit(url).netloc, key

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    address = bearer = ""

    def do_GET(self) -> None:
        self._hand_on(None)

    def do_POST(self) -> None:
        said = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        with contextlib.suppress(ValueError):
            value = json.loads(said)
            if isinstance(value, dict):
                said = json.dumps({**value, "model": "production"}).encode()
        self._hand_on(said)

    def _hand_on(self, body: bytes | None) -> None:
        path = self.path if self.path.startswith("/v1/") else f"/v1{self.path}"
        headers = {"Authorization": f"Bearer {self.bearer}", "Content-Type": "application/json"}
        there = http.client.HTTPConnection(self.address)
        with contextlib.closing(there):
            there.request(self.command, path, body, headers)
            answer = there.getresponse()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
            self.send_header("Connection", "close")
            self.end_headers()
            while part := answer.read1(65_536):
                self.wfile.write(part)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: what the tests say is enough."""
