import subprocess
import sys
import threading

import pytest

from seekloop.system.errors import ArtifactError, DataError
from seekloop.system.files import disk_full_is_a_sentence, exclusive, whole, write_whole

# A limit on file size is the one full disk that needs no root; the kernel answers EFBIG where a disk answers ENOSPC.
small_disk = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
from seekloop.system.errors import ArtifactError
from seekloop.system.files import disk_full_is_a_sentence, write_whole
path = Path(sys.argv[1])
try:
    {write}
except ArtifactError as error:
    print(error.code)
"""


def on_a_small_disk(write, path):
    script = small_disk.format(write=write)
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_write_replaces_the_whole_file(tmp_path):
    path = tmp_path / "figures.json"
    write_whole(path, b"old and long")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_a_sentence_and_the_old_bytes_stay(tmp_path):
    path = tmp_path / "figures.json"
    path.write_bytes(b"old")
    assert on_a_small_disk("write_whole(path, bytes(5000))", path) == "system.disk_full"
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_under_safetensors_is_the_same_sentence(tmp_path):
    write = (
        "import numpy; from safetensors.numpy import save_file\n"
        "    with disk_full_is_a_sentence(path): save_file({'a': numpy.zeros(9999)}, path)"
    )
    assert on_a_small_disk(write, tmp_path / "model.safetensors") == "system.disk_full"


def test_other_failures_of_a_write_stay_what_they_are(tmp_path):
    with pytest.raises(NotADirectoryError), disk_full_is_a_sentence(tmp_path):
        raise NotADirectoryError(20, "Not a directory")


def test_a_write_into_a_missing_folder_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "no" / "file", b"x")
    assert list(tmp_path.iterdir()) == []


def test_threads_that_write_one_file_never_mix_their_bytes(tmp_path):
    path = tmp_path / "alias"
    writes = [bytes([number]) * 9000 for number in range(8)]
    threads = [threading.Thread(target=write_whole, args=(path, data)) for data in writes]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert path.read_bytes() in writes


def test_the_sentence_names_the_file(tmp_path):
    with pytest.raises(ArtifactError) as caught, disk_full_is_a_sentence(tmp_path / "rows.jsonl"):
        raise OSError(28, "No space left on device")
    assert "rows.jsonl" in caught.value.sentence("en")


def test_a_write_that_breaks_off_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(ValueError, match="broken"), whole(path, encoding="utf-8") as file:
        file.write("half")
        raise ValueError("broken")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["folder", "folder/file.lock"])
def test_a_place_is_one_holders_until_it_lets_go(tmp_path, name):
    (tmp_path / "folder").mkdir()
    busy = DataError("data.already_running", folder=name)
    with exclusive(tmp_path / name, busy=busy):
        with pytest.raises(DataError) as caught, exclusive(tmp_path / name, busy=busy):
            pass
        assert caught.value is busy
    with exclusive(tmp_path / name, busy=busy):
        pass
