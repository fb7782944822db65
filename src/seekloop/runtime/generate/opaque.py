"""A GGUF model whose vocabulary says nothing: every token is a control token called by its number.

llama.cpp's server thinks in text. It holds back ids whose bytes are half a character (in a stream those ids are lost),
breaks off answers that are not UTF-8, and ends them at tokens whose names it knows. We speak ids only, so the engine is
given the same tensors under a header without words: it then hands out every id the moment it is sampled, and ends at
our stop ids and no others. It also loads faster, having no merges to index.

The copy lives in anonymous memory until the engine has read it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import struct
import sys
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from seekloop.runtime.gguf_header import read_gguf_header
from seekloop.system.errors import EngineError

__all__ = ["opaque_copy"]

_u32, _i32, _bool, _string, _array = 4, 5, 7, 8, 9
_control_token = 3
_block = 2**24
_stop_keys = ("eos", "eot", "eom")
"""The places that llama.cpp has for ids that end an answer."""


@contextlib.contextmanager
def opaque_copy(path: Path, *, stop_ids: Collection[int]) -> Iterator[Path]:
    """Where a copy of `path` with an opaque vocabulary can be read, inside the block and by this process only.

    Args:
        path: a GGUF file.
        stop_ids: ids that end an answer; the engine ends at the three lowest, the others are for the caller to end at.

    Raises:
        EngineError: it is not a GGUF file of version 2 or 3, is cut short, or has no vocabulary.
    """
    header = read_gguf_header(path)
    if not header.vocab_size:
        raise EngineError("runtime.not_gguf", path=path)
    kept = [pair for key, pair in header.pairs.items() if not key.startswith("tokenizer.")]
    pairs = [*kept, *_vocabulary(header.vocab_size, stop_ids)]
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(header.tensors), len(pairs)) + b"".join(pairs) + header.tensor_entries
    with _anonymous_file() as place, path.open("rb") as source, place.open("wb") as copy:
        copy.write(head + bytes(-len(head) % header.alignment))
        source.seek(header.data_start)
        shutil.copyfileobj(source, copy, _block)
        copy.flush()
        yield place


def _vocabulary(size: int, stop_ids: Collection[int]) -> list[bytes]:
    """Every `tokenizer.` pair, encoded. What llama.cpp looks for by name it does not find."""
    ends = zip(_stop_keys, sorted(stop_ids), strict=False)
    return [
        _pair("tokenizer.ggml.model", kind=_string, value=_text("gpt2")),
        _pair("tokenizer.ggml.pre", kind=_string, value=_text("default")),
        _pair("tokenizer.ggml.tokens", kind=_array, value=_list(_string, [_text(f"<{id_}>") for id_ in range(size)])),
        _pair("tokenizer.ggml.token_type", kind=_array, value=_list(_i32, [struct.pack("<i", _control_token)] * size)),
        _pair("tokenizer.ggml.merges", kind=_array, value=_list(_string, [])),
        _pair("tokenizer.ggml.add_bos_token", kind=_bool, value=b"\0"),
        *(_pair(f"tokenizer.ggml.{key}_token_id", kind=_u32, value=struct.pack("<I", id_)) for key, id_ in ends),
    ]


def _pair(key: str, *, kind: int, value: bytes) -> bytes:
    return _text(key) + struct.pack("<I", kind) + value


def _text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def _list(kind: int, items: list[bytes]) -> bytes:
    return struct.pack("<IQ", kind, len(items)) + b"".join(items)


@contextlib.contextmanager
def _anonymous_file() -> Iterator[Path]:
    """A place to write that is gone with the block, even when the process is killed in it (on Linux)."""
    if sys.platform == "linux":
        handle = os.memfd_create("model.gguf")
        try:
            yield Path(f"/proc/self/fd/{handle}")
        finally:
            os.close(handle)
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder) / "model.gguf"
