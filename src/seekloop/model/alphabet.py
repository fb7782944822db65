"""The bytes behind each token of a byte-level BPE tokenizer, so that decoding never has to guess at characters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seekloop.system.errors import ModelError

__all__ = ["BYTE_TO_CHAR", "token_bytes"]


def _byte_to_char() -> dict[int, str]:
    """GPT-2's alphabet (Radford et al. 2019): printable Latin-1 bytes are themselves, the rest follow from U+0100."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + n) for n, byte in enumerate(hidden)}


BYTE_TO_CHAR = _byte_to_char()
_char_to_byte = {char: byte for byte, char in BYTE_TO_CHAR.items()}


def token_bytes(tokenizer: Mapping[str, Any]) -> dict[int, bytes]:
    """Token id -> the bytes that the token writes; added tokens write their own text.

    Args:
        tokenizer: the parsed `tokenizer.json`.

    Raises:
        ModelError: the tokenizer is not a byte-level BPE one.
    """
    decoder = tokenizer.get("decoder") or {}
    kinds = {part["type"] for part in (decoder, *decoder.get("decoders", ())) if "type" in part}
    if "ByteLevel" not in kinds or tokenizer["model"].get("type") != "BPE":
        raise ModelError("model.not_byte_level")
    table = {id_: _bytes(token) for token, id_ in tokenizer["model"]["vocab"].items()}
    return table | {added["id"]: added["content"].encode() for added in tokenizer["added_tokens"]}


def _bytes(token: str) -> bytes:
    try:
        return bytes([_char_to_byte[char] for char in token])
    except KeyError:
        return token.encode()
