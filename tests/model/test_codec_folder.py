"""The codec as files: what was saved is what opens, and what does not fit is refused."""

from __future__ import annotations

import json

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models

from seekloop.model.codec import Codec
from seekloop.model.families import card
from seekloop.model.tokenizers import tiny_tokenizer
from seekloop.system.errors import DataError, ModelError
from tests.model.conversations import FAMILIES, assistant, codec_of, user


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_codec_opens_as_the_same_codec(family, tmp_path):
    codec = codec_of(family)
    codec.save(tmp_path)
    opened = Codec.open(tmp_path)
    opened.save(tmp_path / "again")
    assert opened.digest == codec.digest == Codec.open(tmp_path / "again").digest
    assert opened.prompt_ids([user("hi")]) == codec.prompt_ids([user("hi")])
    assert (opened.stop_ids, opened.pad_id, opened.bos_id) == (codec.stop_ids, codec.pad_id, codec.bos_id)


def test_digests_tell_families_and_tokenizers_apart():
    tokenizer = tiny_tokenizer(card("qwen2"))
    tokenizer.add_tokens(["ö"])
    codecs = [*map(codec_of, FAMILIES), Codec.build(card("qwen2"), tokenizer)]
    assert len({codec.digest for codec in codecs}) == len(codecs)


def test_an_opened_codec_renders_with_the_template_that_was_saved_with_it(tmp_path):
    codec_of("deepseek-v3").save(tmp_path)
    template = tmp_path / "chat_template.jinja"
    template.write_text(template.read_text("utf-8").replace("<｜User｜>", "<｜User｜>Q: "), "utf-8")
    opened = Codec.open(tmp_path)
    assert opened.prompt_text([user("hi")]) == "<｜begin▁of▁sentence｜><｜User｜>Q: hi<｜Assistant｜>"
    assert opened.digest != codec_of("deepseek-v3").digest


def test_a_folder_without_a_codec_says_so(tmp_path):
    with pytest.raises(ModelError) as caught:
        Codec.open(tmp_path)
    assert caught.value.code == "model.no_codec"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "model.bad_codec"),
        ("[]", "model.bad_codec"),
        ('{"version": 1}', "model.bad_codec"),
        ('{"version": 99}', "model.newer_codec"),
    ],
)
def test_a_codec_that_cannot_be_read_is_refused(text, code, tmp_path):
    codec_of("smollm2").save(tmp_path)
    (tmp_path / "codec.json").write_text(text)
    with pytest.raises(ModelError) as caught:
        Codec.open(tmp_path)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("template", "code"), [("{% if %}", "model.bad_template"), ("{{ messages.x.y }}", "model.template_refused")]
)
def test_a_broken_template_is_refused_in_a_sentence(template, code, tmp_path):
    codec_of("smollm2").save(tmp_path)
    (tmp_path / "chat_template.jinja").write_text(template)
    with pytest.raises(ModelError) as caught:
        Codec.open(tmp_path).prompt_ids([user("hi")])
    assert caught.value.code == code


def test_a_template_cannot_reach_into_python(tmp_path):
    codec_of("smollm2").save(tmp_path)
    (tmp_path / "chat_template.jinja").write_text("{{ messages.__class__.__mro__ }}")
    with pytest.raises(ModelError) as caught:
        Codec.open(tmp_path).prompt_ids([user("hi")])
    assert caught.value.code == "model.template_refused"


def test_a_tokenizer_of_another_family_is_refused_with_the_missing_token():
    with pytest.raises(ModelError, match=r"no token <｜Assistant｜>, which the family deepseek-v3 needs"):
        Codec.build(card("deepseek-v3"), tiny_tokenizer(card("deepseek-llm")))


def test_a_tokenizer_that_swallows_spaces_beside_control_tokens_is_refused():
    tokenizer = tiny_tokenizer(card("smollm2"))
    value = json.loads(tokenizer.to_str())
    for token in value["added_tokens"]:
        token["rstrip"] = True
    with pytest.raises(ModelError) as caught:
        Codec.build(card("smollm2"), Tokenizer.from_str(json.dumps(value)))
    assert caught.value.code == "model.fragments_differ"


def test_a_tokenizer_that_is_not_byte_level_is_refused():
    tokenizer = Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens([AddedToken(token) for token in card("smollm2").tokens.special])
    with pytest.raises(ModelError) as caught:
        Codec.build(card("smollm2"), tokenizer)
    assert caught.value.code == "model.not_byte_level"


@pytest.mark.parametrize(
    ("calls", "code"),
    [
        (({"type": "function"},), "model.bad_tool_call"),
        (({"function": {"name": 3}},), "model.bad_tool_call"),
        (({"function": {"name": "f", "arguments": "{broken"}},), "model.bad_arguments"),
        (({"function": {"name": "f", "arguments": "[1]"}},), "model.bad_arguments"),
        (({"function": {"name": 'f", "x', "arguments": {}}},), "model.bad_arguments"),
    ],
)
@pytest.mark.parametrize("family", ["qwen2", "deepseek-v3"])
def test_a_tool_call_that_would_not_read_back_is_not_trained(family, calls, code):
    with pytest.raises(DataError) as caught:
        codec_of(family).answer_ids(assistant("", tool_calls=calls))
    assert caught.value.code == code


@pytest.mark.parametrize("family", ["qwen2", "deepseek-v3"])
def test_a_broken_call_that_a_client_sends_back_is_served_as_it_is(family):
    message = assistant("", tool_calls=({"function": {"name": "f", "arguments": "{broken"}},))
    assert "{broken" in codec_of(family).prompt_text([user("a"), message])


def test_half_a_surrogate_pair_in_arguments_is_written_as_an_escape():
    message = assistant("", tool_calls=({"function": {"name": "f", "arguments": '{"x": "\\ud83d"}'}},))
    assert '{"x": "\\ud83d"}' in codec_of("deepseek-v3").decode(codec_of("deepseek-v3").answer_ids(message))
