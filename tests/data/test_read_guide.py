"""What the guide says can be read is read as it says: every layout of its table, and the endpoints that it shows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from seekloop.artifact.rows import read_rows
from seekloop.data.read import read_corpus
from seekloop.data.sources import Format, SourceSpec
from tests.data.crm import Crm, Reply, serve

GUIDE = Path(__file__).parent.parent.parent / "docs" / "guide"
PAGES = [GUIDE / "data-sources.md", GUIDE / "data-sources.zh.md"]
LAYOUT = re.compile(r"^\| `(\w+)` \| `(\{.*\})` \|", re.MULTILINE)
QUERY = "/services/data/v62.0/query"
SECRETS = ("ZENDESK_SUBDOMAIN", "ZENDESK_EMAIL", "ZENDESK_TOKEN", "SALESFORCE_DOMAIN", "SALESFORCE_ID")


def layouts(page: Path) -> dict[str, dict]:
    return {name: json.loads(record) for name, record in LAYOUT.findall(page.read_text("utf-8"))}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_table_has_every_layout(page):
    assert set(layouts(page)) == set(Format.__args__)


@pytest.mark.parametrize(("name", "record"), layouts(PAGES[0]).items(), ids=list(layouts(PAGES[0])))
def test_a_record_of_the_table_is_read_as_the_table_says(write, read, name, record):
    corpus, rows = read(write("a.jsonl", [record]))
    assert (corpus.formats, rows[0].dropped) == ((f"jsonl/{name}/utf-8",), None)


def source(host: str, crm: Crm) -> SourceSpec:
    """The guide's endpoint at `host`, moved to this machine."""
    texts = re.findall(r"```yaml\n(.*?)```", PAGES[0].read_text("utf-8"), re.DOTALL)
    text = next(text for text in texts if host in text)
    return SourceSpec.parse(yaml.safe_load(re.sub(rf"https://\S*{re.escape(host)}", crm.url, text))["sources"][0])


@pytest.fixture
def crm(monkeypatch):
    for name in (*SECRETS, "SALESFORCE_SECRET"):
        monkeypatch.setenv(name, f"value-of-{name}")
    with serve([]) as crm:
        yield crm


def pulled(source: SourceSpec, room) -> list[str]:
    corpus = read_corpus([source], ctx=room)
    return [row.messages[0].content for row in read_rows(room.store.path(corpus.id, "rows.jsonl"))]


def reply(value: dict) -> Reply:
    return Reply(body=json.dumps(value).encode())


def test_zendesks_incremental_export_is_followed_to_its_end(crm, room):
    fixed = {"type": "x", "requester_id": 7, "updated_at": "2026-03-05T10:00:00Z"}
    path = "/api/v2/incremental/tickets/cursor.json"
    for number in (1, 2):
        page = {"tickets": [{"id": number, "description": f"lost {number}", **fixed}], "end_of_stream": number == 2}
        crm.faults[number] = reply({**page, "after_url": f"{crm.url}{path}?cursor=c{number}"})
    found = source(".zendesk.com", crm)
    found = found.model_copy(update={"rest": found.rest.model_copy(update={"per_minute": None})})
    assert pulled(found, room) == ["lost 1", "lost 2"]
    assert [asked[:2] for asked in crm.asked] == [(path, {"start_time": "1767225600"}), (path, {"cursor": "c1"})]


def test_a_salesforce_query_is_followed_to_its_end(crm, room):
    cases = [{"Id": f"50{n}", "Description": f"fee {n}", "Type": "x"} for n in (1, 2)]
    crm.faults[1] = reply(
        {"done": False, "records": cases[:1], "nextRecordsUrl": "/services/data/v62.0/query/01g-2000"}
    )
    crm.faults[2] = reply({"done": True, "records": cases[1:]})
    assert pulled(source(".my.salesforce.com", crm), room) == ["fee 1", "fee 2"]
    assert [path for path, _, _ in crm.asked] == [QUERY, f"{QUERY}/01g-2000"]
    assert crm.asked[0][1]["q"].startswith("SELECT Id")
