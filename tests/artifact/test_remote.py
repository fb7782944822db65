"""A store elsewhere: sent manifest last, fetched with every byte checked, verified on both sides."""

from __future__ import annotations

import uuid

import fsspec
import pytest

from seekloop.artifact.kinds import Receipt
from seekloop.artifact.remote import RemoteStore
from seekloop.artifact.store import Store
from seekloop.system.errors import ArtifactError, UsageError
from tests.artifact.making import RECEIPT, corpus, put

FILES = {"rows.jsonl": b"one\n" * 1000, "deep/model.safetensors": bytes(range(256)) * 40}


@pytest.fixture
def url():
    """A bucket in memory, of the test's own."""
    return f"memory://{uuid.uuid4().hex}/store"


@pytest.fixture
def here(url, tmp_path):
    return RemoteStore(url, cache=tmp_path / "here")


@pytest.fixture
def there(url, tmp_path):
    """The same bucket from another machine."""
    return RemoteStore(url, cache=tmp_path / "there")


def place(store: RemoteStore, identity: str, name: str) -> str:
    return f"{store.url.removeprefix('memory:/')}/{identity.replace(':', '/')}/{name}"


def test_what_is_committed_here_is_opened_there(here, there):
    one = put(here, files=FILES)
    assert there.list() == [one.id]
    assert there.load(one.id[:14]) == there.verify(one.id) == one
    assert {name: there.path(one.id, name).read_bytes() for name in FILES} == FILES
    assert there.receipt(one.id) == RECEIPT


def test_what_was_fetched_once_is_read_without_the_network(here, there, url):
    one = put(here, files=FILES)
    there.folder(one.id)
    fsspec.filesystem("memory").rm(url, recursive=True)
    assert there.load(one.id) == one


def test_an_artifact_without_its_manifest_is_not_there_and_is_completed_by_another_commit(here, there, url):
    one = put(here, files=FILES)
    files = fsspec.filesystem("memory")
    for name in ("MANIFEST.json", "rows.jsonl"):
        files.rm(place(here, one.id, name))
    assert there.list() == []
    with pytest.raises(ArtifactError) as caught:
        there.load(one.id)
    assert caught.value.code == "artifact.not_found"
    put(here, files=FILES)
    assert there.verify(one.id) == one


@pytest.mark.parametrize("name", ["rows.jsonl", "deep/model.safetensors", "MANIFEST.json", "RECEIPT.json"])
@pytest.mark.parametrize("fetched", [True, False])
def test_a_byte_that_was_changed_over_there_is_found(here, there, name, fetched):
    one = put(here, files=FILES)
    if fetched:
        there.folder(one.id)
    files = fsspec.filesystem("memory")
    data = bytearray(files.cat_file(place(here, one.id, name)))
    data[-1] ^= 1
    files.pipe_file(place(here, one.id, name), bytes(data))
    with pytest.raises(ArtifactError) as caught:
        there.verify(one.id)
    assert caught.value.code in ("artifact.changed", "artifact.bad_manifest")
    assert there.list() == [one.id]


def test_a_file_that_is_missing_over_there_is_named(here, there):
    one = put(here, files=FILES)
    fsspec.filesystem("memory").rm(place(here, one.id, "rows.jsonl"))
    with pytest.raises(ArtifactError) as caught:
        there.load(one.id)
    assert (caught.value.code, caught.value.facts["file"]) == ("artifact.changed", "rows.jsonl")


def test_nothing_half_fetched_stays_in_the_cache(here, there):
    one = put(here, files=FILES)
    fsspec.filesystem("memory").rm(place(here, one.id, "rows.jsonl"))
    with pytest.raises(ArtifactError):
        there.folder(one.id)
    assert [path for path in there.root.rglob("*") if path.is_file()] == []


def test_the_receipt_that_came_first_is_kept_everywhere(here, there):
    one = put(here, files=FILES)
    with there.draft() as draft:
        for name, data in FILES.items():
            draft.path(name).write_bytes(data)
        there.commit(draft, corpus(), receipt=Receipt(created_at="2027-01-01", hardware={}, wall_s=9.0))
    assert there.receipt(one.id) == here.receipt(one.id) == RECEIPT
    assert there.verify(one.id) == one


def test_a_restored_receipt_is_restored_on_both_sides(here, there):
    one = put(here, files=FILES)
    first = Receipt(created_at="2025-01-01", hardware={}, wall_s=1.0)
    here.restore_receipt(one.id, first)
    assert there.receipt(one.id) == first


def test_a_remote_store_is_shared_like_a_local_one(here, there, tmp_path):
    one = put(here, files=FILES)
    assert Store(tmp_path / "near", shared=[there]).verify(one.id) == one


def test_an_unknown_protocol_is_a_sentence(tmp_path):
    with pytest.raises(UsageError) as caught:
        RemoteStore("nowhere://bucket", cache=tmp_path)
    assert caught.value.code == "artifact.remote_protocol"


def test_a_server_that_does_not_answer_is_a_sentence(tmp_path):
    store = RemoteStore(f"file://{tmp_path / 'file'}", cache=tmp_path / "cache")
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ArtifactError) as caught:
        put(store)
    assert caught.value.code == "artifact.remote_failed"
