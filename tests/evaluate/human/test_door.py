"""The rating page's server lets nobody in without a link, and shows nobody what others said or which model answered."""

from __future__ import annotations

import json

import httpx2
import pytest

from seekloop.app.web.listening import in_thread
from seekloop.app.web.rating import BODY, build, link

NO_RATINGS = (
    b"no json",
    b"[1]",
    b'{"values": {"relevance": 6}}',
    b'{"values": {"relevance": -1}}',
    b'{"values": {"relevance": true}}',
    b'{"values": {"relevance": 2.5}}',
    b'{"values": {"beauty": 2}}',
    b'{"choice": "3"}',
    b'{"winner": "subject"}',
    json.dumps({"comment": "x" * 2001}).encode(),
)


@pytest.fixture
def desk(study_of):
    """A study with its page served, and a client of one rater."""
    study = study_of(ask=("rate", "prefer"))
    with in_thread(build(study)) as url, httpx2.Client() as client:

        def ask(path, *, rater="ann", body=None, token=None):
            address = link(url, token or study.token(rater)) + path
            return client.get(address) if body is None else client.post(address, content=body)

        ask.study, ask.url, ask.client = study, url, client
        yield ask


def test_nothing_is_there_without_a_link(desk):
    for path in ("/", "/r/", "/r/x", "/r/x/state", "/docs", "/r/../state", "/r/%00/state"):
        answer = desk.client.get(desk.url + path)
        assert (path, answer.status_code, "Polite" in answer.text) == (path, 403, False)


def test_a_token_with_one_letter_changed_is_refused(desk):
    token = desk.study.token("ann")
    wrong = ("0" if token[0] != "0" else "1") + token[1:]
    assert desk("/state", token=wrong).status_code == 403
    assert desk("/tasks/0", token=wrong, body=b"{}").status_code == 403


def test_raters_see_nothing_of_each_other(desk):
    desk("/tasks/0", body=b'{"comment": "secret thought", "skipped": true}')
    everything = [desk(path, rater="bob").text for path in ("/state", *(f"/tasks/{n}" for n in range(9)))]
    assert not [text for text in everything if "secret" in text or '"ann"' in text]
    assert desk("/state", rater="bob").json()["done"] == 0


def test_what_is_sent_does_not_tell_the_model(desk):
    sent = "".join(desk(path).text for path in ("", "/state", *(f"/tasks/{n}" for n in range(9))))
    assert not [name for name in (*desk.study.spec.reports, "subject", "baseline", "echo") if name in sent]


def test_what_is_no_rating_is_refused_and_not_kept(desk):
    for body in NO_RATINGS:
        answer = desk("/tasks/0", body=body)
        assert (body, answer.status_code, desk.study.book.all()) == (body, 400, [])
        assert "no rating" in answer.json()["error"]


def test_a_body_without_end_is_cut_off(desk):
    answer = desk("/tasks/0", body=(b"x" * 1024 for _ in range(BODY // 1024 + 9)))
    assert answer.status_code == 413


def test_a_place_that_there_is_not_is_refused(desk):
    assert desk("/tasks/9").status_code == 400
    assert desk("/tasks/9", body=b"{}").status_code == 400


def test_only_our_own_script_may_run(desk):
    answer = desk("")
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'" and policy["script-src"].startswith("'sha256-")
    assert "unsafe" not in str(policy) and answer.headers["referrer-policy"] == "no-referrer"
    assert "http://" not in answer.text and "https://" not in answer.text
