"""Tokenizers that we make ourselves: from the metadata of a GGUF file, and a tiny one for the tiny model."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from seekloop.model.alphabet import BYTE_TO_CHAR
from seekloop.model.families import FamilyCard
from seekloop.system.errors import ModelError

__all__ = ["from_gguf_metadata", "tiny_tokenizer"]

# GGUF's tokenizer.ggml.token_type
_control, _user_defined = 3, 4
_words = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_rest = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_endings = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"

_sentences = (
    "My card was declined at the shop. Please block my card and send me a new card.",
    "The transfer is still pending, and the balance of the account is wrong.",
    "What is the exchange rate, and why was I charged a fee for the cash withdrawal?",
    "You are a helpful assistant. The answer is in the answer of the assistant.",
    "我的银行卡丢了，请帮我挂失。转账还没有到账，账户余额不对。",
    "请问手续费是多少？我想修改我的密码，谢谢你的帮助。",
)
_merges = 64


def from_gguf_metadata(metadata: Mapping[str, Any]) -> Tokenizer:
    """The byte-level BPE tokenizer that a GGUF file describes.

    Args:
        metadata: the file's key-value pairs, of which `tokenizer.ggml.{model,pre,tokens,merges,token_type}` are read.

    Raises:
        ModelError: the file splits text in a way that we do not know (`tokenizer.ggml.pre`), or is not byte-level BPE.
    """
    model, pre = metadata.get("tokenizer.ggml.model"), metadata.get("tokenizer.ggml.pre")
    if model != "gpt2" or pre not in _splits:
        raise ModelError("model.unknown_gguf_tokenizer", pre=f"{model}/{pre}", known=", ".join(_splits))
    tokens, kinds = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    merges = [tuple(merge.split(" ")) for merge in metadata["tokenizer.ggml.merges"]]
    vocab = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=pre in _whole_words))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(_splits[pre])
    tokenizer.normalizer = normalizers.Sequence(_normalizers.get(pre, []))
    tokenizer.decoder = decoders.ByteLevel()
    for token, kind in zip(tokens, kinds, strict=True):
        if kind in (_control, _user_defined):
            tokenizer.add_tokens([AddedToken(token, special=kind == _control, normalized=False)])
    return tokenizer


def _split(pattern: str) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Split(Regex(pattern), behavior="isolated")


_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
_splits: dict[str, list[pre_tokenizers.PreTokenizer]] = {
    "smollm": [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)],
    "qwen2": [_split(rf"{_endings}|{_words}|\p{{N}}|{_rest}"), _bytes],
    "llama-bpe": [_split(rf"{_endings}|{_words}|\p{{N}}{{1,3}}|{_rest}"), _bytes],
}
_normalizers: dict[str, list[normalizers.Normalizer]] = {"qwen2": [normalizers.NFC()]}
_whole_words = {"llama-bpe"}
"""Where a word that is a token is taken whole, without going through the merges."""


def tiny_tokenizer(card: FamilyCard) -> Tokenizer:
    """A byte-level BPE tokenizer for tests and the tiny model: 256 bytes, 64 merges, the card's control tokens.

    Every text can be written with it. It is the same on every machine. Control tokens that the family's published
    tokenizer does not flag as special are not flagged here either.
    """
    vocab = {BYTE_TO_CHAR[byte]: byte for byte in range(256)}
    merges = _learn(_sentences, count=_merges)
    for left, right in merges:
        vocab[left + right] = len(vocab)
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=list(merges)))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in card.tokens.special])
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in card.tokens.unflagged])
    return tokenizer


@functools.cache
def _learn(sentences: tuple[str, ...], *, count: int) -> tuple[tuple[str, str], ...]:
    """The `count` most frequent merges in turn (Sennrich et al. 2016); ties go to the pair that sorts first."""
    split = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = [list(word) for sentence in sentences for word, _ in split.pre_tokenize_str(sentence)]
    merges: list[tuple[str, str]] = []
    for _ in range(count):
        pairs = Counter(pair for word in words for pair in pairwise(word))
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = [_merge(word, best) for word in words]
    return tuple(merges)


def _merge(word: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    for part in word:
        if merged and (merged[-1], part) == pair:
            merged[-1] += part
        else:
            merged.append(part)
    return merged
