"""Endpoints: every way of paging, faults on the way, a pull that is killed, and the same bytes at the end of all."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from seekloop.artifact.rows import read_rows
from seekloop.data.pulls import RestSpec
from seekloop.data.read import read_corpus
from seekloop.data.read.rest.client import Client
from seekloop.data.read.spool import Item, open_spool
from seekloop.data.read.stream import Desk
from seekloop.data.sources import SourceSpec
from seekloop.system import settings
from seekloop.system.clock import ManualClock
from seekloop.system.errors import DataError, UsageError
from tests.data.crm import Crm, Reply, serve

WORDS = ("lost", "fee", "limit", "pin", "loan", "app", "branch")
PAGES = {"by": "page"}
CURSOR = {"by": "cursor", "next": "meta.next", "more": "meta.more"}


def ticket(number: int, text: str = "", *, at: str = "2026-03-01") -> dict:
    body = text or f"my {WORDS[number % 7]} number {number}"
    return {"id": number, "text": body, "intent": WORDS[number % 7], "updated_at": at, "from": {"id": f"C{number}"}}


@pytest.fixture
def crm() -> Iterator[Crm]:
    """Seven tickets behind a real server."""
    with serve([ticket(number) for number in range(1, 8)]) as crm:
        yield crm


@pytest.fixture
def pull(room, crm) -> Callable:
    """Pull once; the corpus and the texts of its rows."""

    def pull_once(path: str = "/pages", **keys):
        rest = {"url": crm.url + path, "records": "data.items", "backoff_s": 0.001, "pagination": PAGES, **keys}
        corpus = read_corpus([SourceSpec.parse({"rest": rest})], ctx=room)
        rows = read_rows(room.store.path(corpus.id, "rows.jsonl"))
        return corpus, [row.messages[0].content for row in rows]

    return pull_once


@pytest.mark.parametrize(
    ("path", "pagination"),
    [
        ("/pages", {"by": "page"}),
        ("/pages", {"by": "page", "size": 3}),
        ("/clamped", {"by": "page"}),
        ("/offset", {"by": "offset", "size": 3}),
        ("/cursor", CURSOR),
        ("/cursor", {"by": "cursor", "next": "meta.url", "parameter": None}),
        ("/links", {"by": "link"}),
        ("/pages?per_page=50", {"by": "none"}),
    ],
    ids=str,
)
def test_every_way_of_paging_brings_every_record_once(crm, pull, path, pagination):
    corpus, texts = pull(path, pagination=pagination)
    assert texts == [one["text"] for one in crm.tickets]
    assert corpus.formats == ("rest/labelled",)


CUT = Reply(body=b'{"data": {"items": []}}', cut=True)
FAULTS = {
    "500": Reply(status=500),
    "429": Reply(status=429, headers={"Retry-After": "0"}),
    "dropped connection": CUT,
    "cut JSON": Reply(body=b'{"data": {"ite'),
    "no JSON": Reply(body=b"<html>Bad gateway</html>"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_on_the_way_changes_nothing_at_the_end(crm, pull, room, fault):
    whole, _ = pull()
    for path in room.work.glob("pull-*"):
        path.unlink()
    first = len(crm.asked)
    crm.faults = {first + 1: fault, first + 3: fault, first + 4: fault}
    assert pull()[0].id == whole.id
    assert crm.faults == {}


def test_faults_that_do_not_end_are_a_sentence_and_what_came_is_kept(crm, pull):
    crm.faults = dict.fromkeys(range(3, 20), Reply(status=503))
    with pytest.raises(DataError) as caught:
        pull(retries=2)
    assert (caught.value.code, caught.value.facts["problem"]) == ("data.rest_gave_up", "status 503")
    crm.faults = {}
    crm.asked.clear()
    assert len(pull()[1]) == 7
    assert crm.asked[0][1]["page"] == "3"


def test_the_server_says_how_long_to_wait(crm, room):
    waited: list[float] = []
    moment = "Thu, 01 Jan 2026 00:00:07 GMT"
    crm.faults = {n: Reply(status=429, headers={"Retry-After": v}) for n, v in ((1, "3"), (2, moment), (3, "soon"))}
    spec = RestSpec.parse({"url": crm.url + "/pages", "backoff_s": 0.5})
    desk = Desk(ctx=dataclasses.replace(room, clock=ManualClock()), lenient=False)
    with Client(spec, desk=desk, pause=waited.append) as client:
        assert client.get(spec.url, None).status == 200
    assert waited == [3.0, 7.0, 2.0]


def test_requests_are_never_faster_than_allowed(crm, room):
    clock = ManualClock()
    spec = RestSpec.parse({"url": crm.url + "/pages", "per_minute": 30})
    desk = Desk(ctx=dataclasses.replace(room, clock=clock), lenient=False)
    with Client(spec, desk=desk, pause=clock.advance) as client:
        for _ in range(4):
            client.get(spec.url, None)
    assert clock.monotonic() == 6.0


def test_the_same_record_twice_is_one_row_and_the_newer_version_stays(crm, pull):
    crm.tickets = [ticket(1, "new one here", at="2026-03-05"), ticket(2), ticket(1, "old one here"), ticket(3)]
    assert pull(updated="updated_at")[1] == ["new one here", ticket(2)["text"], ticket(3)["text"]]


def test_a_record_that_changes_between_two_pages_is_one_row_as_it_is_then(crm, pull):
    def change(number: int) -> None:
        if number == 2:
            crm.tickets[0] = ticket(8, at="2026-03-02")
            crm.tickets.append(ticket(1, "changed meanwhile", at="2026-03-02"))

    crm.before = change
    assert "changed meanwhile" in pull(updated="updated_at")[1]
    assert ticket(1)["text"] not in pull(updated="updated_at")[1]


def test_a_later_pull_asks_only_for_what_was_changed_since(crm, pull):
    keys = {"updated": "updated_at", "since": {"parameter": "updated_since", "start": "2026-01-01"}}
    assert len(pull(**keys)[1]) == 7
    crm.tickets[0] = ticket(1, "changed later", at="2026-03-09")
    crm.asked.clear()
    corpus, texts = pull(**keys)
    assert (len(texts), texts[0], crm.asked[0][1]["updated_since"]) == (7, "changed later", "2026-03-01")
    assert pull(**keys)[0].id == corpus.id
    assert crm.asked[-1][1]["updated_since"] == "2026-03-09"


def test_a_time_is_asked_for_in_seconds_where_the_server_wants_that(crm, pull):
    pull(updated="updated_at", since={"parameter": "start_time", "form": "unix", "start": "2026-01-01"})
    assert crm.asked[0][1]["start_time"] == "1767225600"


def test_what_is_gone_there_goes_here_where_everything_is_pulled_again(crm, pull, said):
    pull()
    del crm.tickets[0]
    assert pull()[1] == [one["text"] for one in crm.tickets]
    assert any("1 that are gone there" in line for line in said.lines)


def test_a_cursor_that_leads_back_is_refused(crm, pull):
    with pytest.raises(DataError) as caught:
        pull("/loop", pagination={**CURSOR, "more": None})
    assert caught.value.code == "data.rest_loop"


def test_pages_without_end_are_refused(crm, pull):
    with pytest.raises(DataError) as caught:
        pull(max_pages=2)
    assert caught.value.code == "data.rest_too_many_pages"


def test_a_page_given_twice_by_accident_loses_nothing(crm, pull):
    again = crm.answer("/pages", {"page": "1"})
    crm.faults = {2: again}
    assert len(pull()[1]) == 7


def test_the_next_page_on_another_host_is_refused(crm, pull):
    body = {"data": {"items": [ticket(1)]}, "meta": {"url": "http://evil.example/next"}}
    crm.faults = {1: Reply(body=json.dumps(body).encode())}
    with pytest.raises(DataError) as caught:
        pull("/cursor", pagination={"by": "cursor", "next": "meta.url", "parameter": None})
    assert (caught.value.code, caught.value.facts["host"]) == ("data.rest_other_host", "evil.example")


def oauth(crm: Crm) -> dict:
    url = f"{crm.url}/token"
    return {"by": "oauth2", "token_url": url, "client_id": "loop", "client_secret": "${CRM_SECRET}"}


def test_a_token_that_runs_out_is_asked_for_anew(crm, pull, monkeypatch):
    monkeypatch.setenv("CRM_SECRET", "s3cret-s3cret")

    def expire(number: int) -> None:
        if number == 3:
            crm.good_tokens = {"another"}

    crm.before = expire
    crm.faults = {4: Reply(status=500)}
    assert len(pull(auth=oauth(crm))[1]) == 7
    assert crm.tokens == 2


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ({"by": "bearer", "token": "${CRM_SECRET}"}, ("Authorization", "Bearer s3cret-s3cret")),
        (
            {"by": "basic", "user": "ann/token", "password": "${CRM_SECRET}"},
            ("Authorization", "Basic YW5uL3Rva2VuOnMzY3JldC1zM2NyZXQ="),
        ),
        ({"by": "header", "name": "X-Api-Key", "value": "${CRM_SECRET}"}, ("X-Api-Key", "s3cret-s3cret")),
    ],
    ids=lambda value: value["by"] if isinstance(value, dict) else "",
)
def test_credentials_are_sent_and_kept_nowhere(crm, pull, room, monkeypatch, auth, header):
    monkeypatch.setenv("CRM_SECRET", "s3cret-s3cret")
    corpus, _ = pull(auth=auth)
    assert crm.asked[0][2][header[0]] == header[1]
    ledger = json.dumps([event.facts for event in room.ledger.events()], default=str)
    kept = b"".join(path.read_bytes() for path in room.work.glob("pull-*"))
    assert "s3cret" not in corpus.model_dump_json() + ledger + kept.decode("utf-8", "replace")


def test_refused_credentials_are_a_sentence(crm, pull, monkeypatch):
    monkeypatch.setenv("CRM_SECRET", "s3cret-s3cret")
    crm.good_tokens = {"another"}
    with pytest.raises(DataError) as caught:
        pull(auth={"by": "bearer", "token": "${CRM_SECRET}"})
    assert (caught.value.code, caught.value.facts["status"]) == ("data.rest_refused", 401)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "rest",
    [
        {"auth": {"by": "bearer", "token": "abc"}},
        {"params": {"api_key": "abc"}},
        {"headers": {"Authorization": "Bearer abc"}},
        {"url": "https://ann:abc@crm.example/tickets"},
        {"url": "https://crm.example/tickets?token=abc"},
    ],
    ids=str,
)
def test_a_secret_in_clear_is_refused_before_it_is_kept(rest):
    with pytest.raises(UsageError) as caught:
        SourceSpec.parse({"rest": {"url": "https://crm.example/tickets", **rest}})
    assert caught.value.code == "system.spec_bad_value"


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ({"records": "data.tickets"}, "data.rest_no_records"),
        ({"key": "number"}, "data.rest_no_key"),
        ({"url": "ftp://127.0.0.1/x"}, "data.rest_bad_url"),
        ({"url": "http://127.0.0.1:port/x"}, "data.rest_bad_url"),
    ],
)
def test_an_answer_that_is_not_as_the_spec_says_is_a_sentence(pull, keys, code):
    with pytest.raises(DataError) as caught:
        pull(**keys)
    assert caught.value.code == code


def test_a_status_that_no_repetition_mends_is_said_at_once(crm, pull):
    crm.faults = {1: Reply(status=404)}
    with pytest.raises(DataError) as caught:
        pull()
    assert (caught.value.code, len(crm.asked)) == ("data.rest_status", 1)


def test_nested_fields_are_reached_with_dots(crm, room):
    source = {"rest": {"url": f"{crm.url}/pages", "records": "data.items"}, "columns": {"subject": "from.id"}}
    corpus = read_corpus([SourceSpec.parse(source)], ctx=room)
    rows = list(read_rows(room.store.path(corpus.id, "rows.jsonl")))
    assert rows[0].subject == "C1"


PULL = """
import sys
from pathlib import Path
from seekloop.artifact.context import RunContext
from seekloop.data.read import read_corpus
from seekloop.data.sources import SourceSpec
source = {"rest": {"url": sys.argv[2], "records": "data.items", "pagination": {"by": "page"}}}
ctx = RunContext.in_folder(Path(sys.argv[1]))
print(read_corpus([SourceSpec.parse(source)], ctx=ctx).id)
"""


def test_a_pull_that_is_killed_goes_on_and_ends_with_the_same_bytes(crm, tmp_path):
    def start(folder: str) -> subprocess.Popen:
        command = [sys.executable, "-c", PULL, str(tmp_path / folder), f"{crm.url}/pages"]
        environment = settings.child_environment(SEEKLOOP_HOME=str(tmp_path / "home"))
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)

    killed = start("one")

    def kill(number: int) -> None:
        if number == 3:
            killed.send_signal(signal.SIGKILL)

    crm.before = kill
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    crm.before = lambda number: None
    crm.asked.clear()
    again = start("one").communicate()[0]
    assert crm.asked[0][1]["page"] == "3"
    assert again == start("two").communicate()[0] != ""


@hypothesis_settings(max_examples=8)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), max_size=20), st.integers(1, 7))
def test_the_spool_ends_with_the_newest_version_of_every_record(tmp_path_factory, versions, size):
    folder = tmp_path_factory.mktemp("spool")
    items = [Item(key=str(key), value={"at": at}, mark=at) for key, at in versions]
    with open_spool(folder, identity="x", shown="x") as spool:
        for start in range(0, len(items), size):
            spool.put(items[start : start + size], pull=1, state={})
        found = [record.value["at"] for record in spool.records()]
    newest = {key: max(at for k, at in versions if k == key) for key, _ in versions}
    assert found == [newest[key] for key in sorted(newest)]
