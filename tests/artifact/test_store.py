"""The store: an artifact is whole and right, or it is not there."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import shutil
import signal
from pathlib import Path

import pytest

from seekloop.artifact.kinds import Corpus, Dataset, Receipt
from seekloop.artifact.store import Draft, Store
from seekloop.system import digests
from seekloop.system.errors import ArtifactError
from tests.artifact.making import ORIGIN, RECEIPT, corpus, put

FILES = {"rows.jsonl": b"one\ntwo\n", "deep/er/model.safetensors": bytes(range(256)) * 40, "empty.txt": b""}


def code_of(action) -> str:
    with pytest.raises(ArtifactError) as caught:
        action()
    assert caught.value.hint("en") and caught.value.hint("zh")
    return caught.value.code


@pytest.fixture
def one(store):
    return put(store, files=FILES)


def test_an_artifact_is_opened_again_as_it_was_committed(store, one):
    assert store.open(one.id, Corpus) == store.verify(one.id) == one
    assert {name: store.path(one.id, name).read_bytes() for name in one.files} == FILES
    assert store.list() == store.list("corpus") == [one.id]
    assert store.list("dataset") == []
    assert store.receipt(one.id) == RECEIPT


def test_the_same_content_has_the_same_id_in_any_store_on_any_day(store, one, tmp_path):
    other = put(Store(tmp_path / "other"), files=dict(reversed(FILES.items())))
    assert other.id == one.id


@pytest.mark.parametrize("kind", ["corpus", "dataset", "checkpoint", "report", "release", "traffic", "lesson"])
def test_manifests_of_every_kind_keep_their_id(store, kind):
    data = (Path(__file__).parent / "manifests" / f"{kind}.json").read_bytes()
    hexes = digests.of_bytes(data).removeprefix("sha256:")
    folder = store.root / kind / hexes
    folder.mkdir(parents=True)
    (folder / "MANIFEST.json").write_bytes(data)
    assert store.load(f"{kind}:{hexes}").id == f"{kind}:{hexes}"


def test_an_id_may_be_cut_short_while_it_is_unambiguous(store, one):
    assert store.load(one.id[:12]) == one
    assert code_of(lambda: store.load("corpus:")) == "artifact.not_found"
    clash = store.root / "corpus" / (one.id.partition(":")[2][:10] + "0" * 54)
    shutil.copytree(store.folder(one.id), clash)
    assert code_of(lambda: store.load(one.id[:12])) == "artifact.ambiguous"
    assert store.load(one.id) == one


def test_an_artifact_of_another_kind_is_refused(store, one):
    assert code_of(lambda: store.open(one.id, Dataset)) == "artifact.wrong_kind"


def test_a_shared_store_is_read_but_not_listed(store, one, tmp_path):
    near = Store(tmp_path / "near", shared=[store])
    assert near.verify(one.id) == near.load(one.id) == one
    assert near.path(one.id, "rows.jsonl").is_relative_to(store.root)
    assert near.list() == []


def test_what_is_not_committed_is_gone_with_its_block(store):
    with store.draft() as draft:
        draft.path("rows.jsonl").write_bytes(b"half")
    assert [path for path in store.root.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_truncated_file_is_named(store, one, name, share):
    path = store.path(one.id, name)
    path.write_bytes(FILES[name][: int(len(FILES[name]) * share)] if FILES[name] else b"x")
    with pytest.raises(ArtifactError) as caught:
        store.verify(one.id)
    assert (caught.value.code, caught.value.facts["file"]) == ("artifact.changed", name)


def test_a_flipped_bit_a_missing_file_and_a_file_too_many_are_named(store, one):
    path = store.path(one.id, "deep/er/model.safetensors")
    flipped = bytearray(path.read_bytes())
    flipped[5000] ^= 1
    for change in (lambda: path.write_bytes(flipped), path.unlink, lambda: (path.parent / "x").write_bytes(b"")):
        change()
        assert code_of(lambda: store.verify(one.id)) == "artifact.changed"
        path.write_bytes(FILES["deep/er/model.safetensors"])


def test_a_file_that_became_a_link_to_the_same_bytes_is_a_change(store, one, tmp_path):
    path = store.path(one.id, "rows.jsonl")
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert code_of(lambda: store.verify(one.id)) == "artifact.changed"


@pytest.mark.parametrize("share", [0, 0.3, 0.5, 0.99])
def test_a_torn_manifest_is_not_an_artifact(store, one, share):
    path = store.folder(one.id) / "MANIFEST.json"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert code_of(lambda: store.load(one.id)) == "artifact.bad_manifest"


def test_any_flipped_bit_of_a_manifest_is_found(store, one):
    path = store.folder(one.id) / "MANIFEST.json"
    data = path.read_bytes()
    for place in range(0, len(data), 7):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(ArtifactError):
            store.load(one.id)


@pytest.mark.parametrize(
    "text", ["[]", "{}", "null", "1", '{"kind":[]}', '{"kind":"corpus"}', "[" * 99999, "NaN", "\ufeff{}"]
)
def test_what_is_no_manifest_is_refused(store, one, text):
    (store.folder(one.id) / "MANIFEST.json").write_text(text)
    assert code_of(lambda: store.load(one.id)) in ("artifact.bad_manifest", "artifact.changed")


def test_a_manifest_of_a_newer_schema_says_so(store, one):
    path = store.folder(one.id) / "MANIFEST.json"
    path.write_bytes(digests.canonical({**json.loads(path.read_bytes()), "schema_version": 99}))
    assert code_of(lambda: store.load(one.id)) == "artifact.newer_schema"


def test_a_folder_without_its_manifest_is_not_there(store, one):
    (store.folder(one.id) / "MANIFEST.json").unlink()
    assert store.list() == []
    assert code_of(lambda: store.load(one.id)) == "artifact.not_found"


def test_a_damaged_receipt_is_found(store, one):
    (store.folder(one.id) / "RECEIPT.json").write_bytes(b"{")
    assert code_of(lambda: store.receipt(one.id)) == "artifact.changed"
    assert code_of(lambda: store.verify(one.id)) == "artifact.changed"


BAD_NAMES = [
    *("", ".", "..", "../x", "a/../x", "a/..", "/x", "//x", "./x", "a//b", "a/", "a/./b", "~/x", "~root/x"),
    *("..\\x", "a\\b", "C:\\x", "C:x", "\\\\host\\share", "%2e%2e/x", "a%2fb", "a#b", "a?b", "a;b", "a|b", "file:///x"),
    *(
        "a\0b",
        "\0",
        "a\nb",
        "a\rb",
        "a b",
        " a",
        "a\tb",
        "\u202ex",
        "a\u200bb",
        "é",
        "e\u0301",
        "模型",
        "\uff0e\uff0e/x",
    ),
    *(
        ".hidden",
        "a/.hidden",
        ".git/config",
        "-rf",
        "$HOME",
        "`x`",
        "*",
        "a*",
        "[a]",
        "{a}",
        "<x>",
        '"x"',
        "'x'",
        "&x",
        "a:b",
    ),
    *(
        "MANIFEST.json",
        "manifest.json",
        "RECEIPT.json",
        "Receipt.JSON",
        "x" * 129,
        "/".join("abcdefghi"),
        "a/" * 300 + "a",
    ),
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_could_lead_elsewhere_is_not_written(tmp_path, name):
    assert code_of(lambda: Draft(tmp_path).path(name)) == "artifact.bad_name"
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_could_lead_elsewhere_is_not_read(store, one):
    for name in BAD_NAMES:
        assert code_of(lambda name=name: store.path(one.id, name)) == "artifact.no_file"


def test_a_manifest_that_names_a_file_elsewhere_is_refused(store):
    evil = corpus(files={"../../../etc/passwd": {"digest": "sha256:0", "size": 1}})
    data = digests.canonical(
        Corpus.model_validate(evil.model_dump(mode="json", warnings=False)).model_dump(mode="json")
    )
    hexes = digests.of_bytes(data).removeprefix("sha256:")
    (store.root / "corpus" / hexes).mkdir(parents=True)
    (store.root / "corpus" / hexes / "MANIFEST.json").write_bytes(data)
    for action in (store.load, store.verify):
        assert code_of(lambda action=action: action(f"corpus:{hexes}")) == "artifact.bad_name"


@pytest.mark.parametrize(
    "identity", ["", "corpus", ":", "corpus:*", "corpus:../x", "../x:00", "tmp:00", "corpus:G", "corpus:00/..", "*:00"]
)
def test_an_id_that_is_none_finds_nothing(store, one, identity):
    assert code_of(lambda: store.load(identity)) == "artifact.not_found"


@pytest.mark.parametrize("kind", ["file", "folder", "nowhere", "fifo"])
def test_a_draft_with_a_link_or_a_pipe_in_it_is_refused(store, tmp_path, kind):
    (tmp_path / "secret").write_text("secret")
    with store.draft() as draft:
        path = draft.path("rows.jsonl")
        if kind == "fifo":
            os.mkfifo(path)
        else:
            path.symlink_to({"file": tmp_path / "secret", "folder": tmp_path, "nowhere": tmp_path / "none"}[kind])
        assert code_of(lambda: store.commit(draft, corpus(), receipt=RECEIPT)) == "artifact.not_a_file"
    assert store.list() == []


def test_two_names_that_differ_in_case_only_are_refused(store):
    with store.draft() as draft:
        (draft.folder / "Model.bin").write_bytes(b"1")
        (draft.folder / "model.bin").write_bytes(b"2")
        assert code_of(lambda: store.commit(draft, corpus(), receipt=RECEIPT)) == "artifact.bad_name"


def test_a_file_of_another_artifact_is_taken_over_without_a_copy(store, one):
    source = store.path(one.id, "deep/er/model.safetensors")
    with store.draft() as draft:
        draft.link(source, "model.safetensors")
        other = store.commit(draft, corpus(rows=2), receipt=RECEIPT)
    assert store.path(other.id, "model.safetensors").samefile(source)
    assert other.files["model.safetensors"] == one.files["deep/er/model.safetensors"]


def test_a_link_to_a_link_takes_over_the_file_itself(store, one, tmp_path):
    (tmp_path / "alias").symlink_to(store.path(one.id, "rows.jsonl"))
    with store.draft() as draft:
        assert not draft.link(tmp_path / "alias", "rows.jsonl").is_symlink()
        store.commit(draft, corpus(), receipt=RECEIPT)


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a second file system")
def test_a_file_on_another_file_system_is_copied(store, tmp_path_factory):
    source = Path("/dev/shm") / f"seekloop-{os.getpid()}"
    source.write_bytes(b"far away")
    try:
        with store.draft() as draft:
            assert draft.link(source, "rows.jsonl").read_bytes() == b"far away"
    finally:
        source.unlink()


def test_the_first_copy_and_its_receipt_are_kept(store, one):
    before = (store.path(one.id, "rows.jsonl").stat().st_ino, store.receipt(one.id))
    with store.draft() as draft:
        for name, data in FILES.items():
            draft.path(name).write_bytes(data)
        later = Receipt(created_at="2027-01-01T00:00:00+00:00", hardware={}, wall_s=9.0)
        assert store.commit(draft, corpus(), receipt=later).id == one.id
    assert (store.path(one.id, "rows.jsonl").stat().st_ino, store.receipt(one.id)) == before


@pytest.mark.parametrize("damage", ["flip", "missing", "manifest", "extra"])
def test_a_damaged_copy_is_healed_by_making_it_again(store, one, damage):
    folder = store.folder(one.id)
    match damage:
        case "flip":
            (folder / "rows.jsonl").write_bytes(b"one\ntwo?")
        case "missing":
            (folder / "rows.jsonl").unlink()
        case "manifest":
            (folder / "MANIFEST.json").write_bytes(b"{")
        case "extra":
            (folder / "more").write_bytes(b"")
    put(store, files=FILES)
    assert store.verify(one.id) == one
    store.sweep()
    assert list((store.root / "tmp").iterdir()) == []


def _commit_when_told(root: str, gate: multiprocessing.Barrier) -> None:
    store = Store(Path(root))
    with store.draft() as draft:
        draft.path("rows.jsonl").write_bytes(b"same\n" * 1000)
        gate.wait()
        store.commit(draft, corpus(), receipt=RECEIPT)


def test_writers_of_the_same_content_leave_one_good_artifact(store):
    context = multiprocessing.get_context("fork")
    for _ in range(5):
        gate = context.Barrier(4)
        children = [context.Process(target=_commit_when_told, args=(str(store.root), gate)) for _ in range(4)]
        for child in children:
            child.start()
        for child in children:
            child.join()
        assert [child.exitcode for child in children] == [0] * 4
        (identity,) = store.list()
        store.verify(identity)
        assert list((store.root / "tmp").iterdir()) == []
        shutil.rmtree(store.root)


def _commit_with_room_for(root: str, weights: int, room: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    try:
        put(Store(Path(root)), files={"model.safetensors": b"w" * weights}, artifact=corpus(rows=5))
    except ArtifactError as error:
        os._exit(3 if error.code == "system.disk_full" else 4)
    os._exit(0)


FULL_AT = {"first byte": (4096, 0), "last byte": (4096, 4095), "receipt": (10, 50), "manifest": (10, 200)}


@pytest.mark.parametrize("where", FULL_AT)
def test_a_full_disk_is_a_sentence_and_leaves_nothing(store, one, where):
    child = multiprocessing.get_context("fork").Process(
        target=_commit_with_room_for, args=(str(store.root), *FULL_AT[where])
    )
    child.start()
    child.join()
    assert child.exitcode == 3
    assert store.list() == [store.verify(one.id).id]
    assert list((store.root / "tmp").iterdir()) == []


def test_a_draft_in_use_is_not_swept_and_one_whose_process_died_is(store):
    with store.draft() as draft:
        draft.path("rows.jsonl").write_bytes(b"in use")
        os.utime(draft.folder, (0, 0))
        pid = os.fork()
        if pid == 0:
            other = store.draft().__enter__()
            other.path("rows.jsonl").write_bytes(b"dead")
            os._exit(0)
        os.waitpid(pid, 0)
        assert len(list((store.root / "tmp").iterdir())) == 2
        assert store.sweep() == 1
        assert draft.path("rows.jsonl").read_bytes() == b"in use"


def test_drafts_are_opened_while_another_process_sweeps(store):
    pid = os.fork()
    if pid == 0:
        while True:
            store.sweep()
    try:
        for _ in range(2_000):
            with store.draft() as draft:
                draft.path("rows.jsonl").write_bytes(b"in use")
                assert draft.path("rows.jsonl").read_bytes() == b"in use"
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_specs_and_seeds_are_part_of_an_id_and_receipts_are_not(store):
    changed = corpus(made_by=ORIGIN.model_copy(update={"seed": 8}))
    assert put(store, artifact=changed).id != put(store).id
