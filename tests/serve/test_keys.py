"""The project's key."""

import asyncio
import threading

import pytest

from seekloop.serve.caller import Caller
from seekloop.serve.keys import FILE, Keyring, local_key
from seekloop.system.errors import UsageError


def test_a_key_is_made_once_and_only_its_owner_can_read_it(tmp_path):
    key = local_key(tmp_path)
    assert len(key) == 64
    assert local_key(tmp_path) == key
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_starters_at_the_same_time_agree_on_one_key(tmp_path):
    found = []
    threads = [threading.Thread(target=lambda: found.append(local_key(tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_key_that_others_can_read_is_refused(tmp_path):
    local_key(tmp_path)
    (tmp_path / FILE).chmod(0o644)
    with pytest.raises(UsageError) as refused:
        local_key(tmp_path)
    assert refused.value.code == "serve.key_open_to_others"
    assert "chmod 600" in refused.value.hint("en")


def test_an_empty_key_file_lets_nobody_in(tmp_path):
    (tmp_path / FILE).touch(mode=0o600)
    with pytest.raises(UsageError) as refused:
        local_key(tmp_path)
    assert refused.value.code == "serve.key_empty"


def test_a_keyring_names_the_caller():
    ring = Keyring({"a": Caller(name="alice"), "b": Caller(name="bob")})
    found = [ring.known(f"Bearer {key}") for key in ("a", "b", "c", "")]
    assert [one and one.name for one in found] == ["alice", "bob", None, None]
    assert ring.known("bearer  a") == Caller(name="alice")
    assert Keyring({}).known("Bearer a") is None


@pytest.mark.parametrize("header", ["Bearer c", "Bearer ", "", "Basic a"])
def test_whoever_is_not_known_is_told_how_to_be(header):
    with pytest.raises(UsageError) as refused:
        asyncio.run(Keyring({"a": Caller(name="alice")}).identify(header))
    assert refused.value.code == "serve.no_key"
