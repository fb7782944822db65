from __future__ import annotations

import pytest

from seekloop.model.gguf_header import read_header
from seekloop.system.errors import ModelError
from tests.model.gguf_writer import gguf_bytes

METADATA = {
    "general.architecture": "llama",
    "llama.block_count": 30,
    "llama.rope.freq_base": 0.5,
    "tokenizer.ggml.add_bos_token": False,
    "tokenizer.ggml.tokens": ["<|im_end|>", "你好", ""],
    "tokenizer.ggml.token_type": [3, 1, 1],
}


@pytest.mark.parametrize("version", [2, 3])
def test_every_pair_is_read_back(version, tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf_bytes(METADATA, version=version))
    assert read_header(path) == METADATA


@pytest.mark.parametrize("cut", [0, 3, 20, 24, 30, 60, 150])
def test_a_file_that_ends_early_is_refused(cut, tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf_bytes(METADATA)[:cut])
    with pytest.raises(ModelError) as caught:
        read_header(path)
    assert caught.value.code == "model.not_gguf"


@pytest.mark.parametrize("data", [b"<html>" + b"x" * 100, b"GGUF" + b"\xff" * 100, gguf_bytes({}, version=9)])
def test_a_file_of_another_kind_is_refused(data, tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(data)
    with pytest.raises(ModelError) as caught:
        read_header(path)
    assert caught.value.code == "model.not_gguf"
