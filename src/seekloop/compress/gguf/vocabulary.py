"""The tokenizer and the chat codec as GGUF metadata, so that other programs read the same ids and stop where we do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seekloop.model.codec import Codec
from seekloop.system.errors import ModelError

__all__ = ["vocabulary_pairs"]

# llama.cpp's names for the regular expressions that split text before merging.
_splits = {
    "smollm2": "smollm",
    "llama3": "llama-bpe",
    "qwen2": "qwen2",
    "qwen2.5": "qwen2",
    "deepseek-llm": "deepseek-llm",
    "deepseek-coder": "deepseek-coder",
    "deepseek-v2": "deepseek-llm",
    "deepseek-v3": "deepseek-v3",
    "r1-distill-llama": "llama-bpe",
    "r1-distill-qwen": "deepseek-r1-qwen",
}
_normal, _control, _user_defined, _unused = 1, 3, 4, 5
_stop_keys = ("eos", "eot", "eom")


@dataclass(frozen=True)
class _Tokens:
    texts: list[str]
    kinds: list[int]


def vocabulary_pairs(codec: Codec, folder: Path, *, size: int) -> dict[str, Any]:
    """Every `tokenizer.` pair, and what only we read under `seekloop.`.

    Args:
        codec: the checkpoint's.
        folder: where it was opened.
        size: rows of the embedding; ids beyond the tokenizer's are filled up as unused.

    Raises:
        ModelError: llama.cpp has no name for the way that this family splits text, or its tokenizer is
            SentencePiece's: pieces that fall back to bytes, which would be written as other tokens.
    """
    if codec.card.name not in _splits:
        raise ModelError("compress.unknown_splitting", family=codec.card.name, known=", ".join(_splits))
    value = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    kind = str(value["model"].get("type"))
    if kind != "BPE" or value["model"].get("byte_fallback"):
        raise ModelError("compress.sentencepiece", family=codec.card.name, kind=kind)
    tokens = _tokens(value, size=size)
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in value["model"]["merges"]]
    ids: dict[str, int | None] = {"bos": codec.bos_id, **_ends(codec), "padding": codec.pad_id}
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": _splits[codec.card.name],
        "tokenizer.ggml.tokens": tokens.texts,
        "tokenizer.ggml.token_type": tokens.kinds,
        "tokenizer.ggml.merges": merges,
        **{f"tokenizer.ggml.{name}_token_id": id_ for name, id_ in ids.items() if id_ is not None},
        # The chat template begins with the BOS token itself where the family has one.
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.add_space_prefix": False,
        "tokenizer.chat_template": (folder / "chat_template.jinja").read_text("utf-8"),
        "seekloop.family": codec.card.name,
        "seekloop.codec": codec.digest,
        "seekloop.stop_token_ids": sorted(codec.stop_ids),
    }


def _ends(codec: Codec) -> dict[str, int]:
    """The stop ids, the trained one first, in the places that llama.cpp has for them."""
    stops = [codec.eos_id, *sorted(codec.stop_ids - {codec.eos_id})]
    return dict(zip(_stop_keys, stops, strict=False))


def _tokens(value: dict[str, Any], *, size: int) -> _Tokens:
    texts = [f"[PAD{index}]" for index in range(size)]
    kinds = [_unused] * size
    for text, id_ in value["model"]["vocab"].items():
        texts[id_], kinds[id_] = text, _normal
    for token in value["added_tokens"]:
        id_, text = token["id"], token["content"]
        texts[id_], kinds[id_] = text, _control if token["special"] or _is_marker(text) else _user_defined
    return _Tokens(texts, kinds)


def _is_marker(text: str) -> bool:
    """Whether an unflagged added token is a control token all the same. `<think>` is none: people see it."""
    return any(text.startswith(f"<{bar}") and text.endswith(f"{bar}>") for bar in "|｜")
