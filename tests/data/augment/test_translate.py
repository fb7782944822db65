"""Back-translation through whoever translates: a process, a service, a model; a failure is never silent."""

from __future__ import annotations

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from seekloop.artifact.rows import Message, Row, Source
from seekloop.data.augment.resources import Kit
from seekloop.data.augment.spec import ApertiumSpec, AugmentSpec, ChatSpec, HttpSpec
from seekloop.data.augment.translate import back_translated, open_translator, round_trips
from seekloop.system.errors import DataError

TEXT = "please check my electricity bill"
BACK = "please check my bill of electricity"


class Stub(BaseHTTPRequestHandler):
    """Answers as a translation service and as a chat model; `/broken` fails."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/translate":
            back = body["target"] == "en"
            value = {"translatedText": [BACK if back else f"{body['target']}: {text}" for text in body["q"]]}
        elif self.path == "/v1/chat/completions":
            asked = body["messages"][0]["content"]
            value = {"choices": [{"message": {"content": BACK if "to English" in asked else "请查电费"}}]}
        else:
            value = {"translatedText": ["only one"]} if self.path == "/short" else None
        self.send_response(200 if value else 500)
        self.end_headers()
        self.wfile.write(json.dumps(value).encode())

    def log_message(self, *_):
        """Quiet."""


@pytest.fixture(scope="module")
def url():
    server = HTTPServer(("127.0.0.1", 0), Stub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def made(spec):
    kit = Kit.of(AugmentSpec(operators=("back_translation",), translator=spec, window=(0.5, 0.98)))
    row = Row(id="row:1", messages=(Message(role="user", content=TEXT),), source=Source(file="a", line=1))
    return next(back_translated([row], kit, translator=open_translator(spec)))


def test_a_service_translates_there_and_back(url):
    tried = made(HttpSpec(url=f"{url}/translate"))
    assert tried.row.messages[0].content == BACK and tried.row.meta["operator"] == "back_translation"


def test_a_model_translates_there_and_back(url):
    assert made(ChatSpec(url=f"{url}/v1", model="any")).row.messages[0].content == BACK


def test_every_pivot_gives_one_round_trip(url):
    translator = open_translator(HttpSpec(url=f"{url}/translate"))
    assert round_trips([TEXT, "x"], translator, source="en", pivots=("zh", "es")) == [[BACK, BACK]] * 2


@pytest.mark.parametrize("path", ["broken", "short"])
def test_a_service_that_fails_stops_the_work(url, path):
    translator = open_translator(HttpSpec(url=f"{url}/{path}"))
    with pytest.raises(DataError) as caught:
        translator.translate(["a", "b"], source="en", target="zh")
    assert caught.value.code == "augment.translator"


def test_apertium_is_run_as_a_process(tmp_path, monkeypatch):
    program = tmp_path / "apertium"
    program.write_text('#!/bin/sh\n[ "$2" = spa-eng ] && sed "s/.*/' + BACK + '/" || cat\n', "utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert made(ApertiumSpec()).row.messages[0].content == BACK


def test_without_apertium_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError) as caught:
        open_translator(ApertiumSpec())
    assert caught.value.code == "augment.no_apertium"
