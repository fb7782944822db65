"""Raw completions over real engines: the text that the model gives, and what it gave each token."""

import pytest
import torch

from seekloop.compress import stage as compress
from seekloop.compress.spec import CompressInputs, CompressSpec, GgufMethod
from seekloop.evaluate.ask_spec import AskSpec
from seekloop.evaluate.harness_remote import RemoteModel
from seekloop.evaluate.harness_text import LocalModel
from seekloop.runtime import models
from seekloop.runtime.endpoint.served import Endpoint
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.open import open_backend, open_scorer
from seekloop.runtime.tiny import tiny_base
from seekloop.serve.engines import opener
from seekloop.serve.options import GatewayOptions
from seekloop.system.clock import SystemClock

KEY = "test-key"
TEXT = "The card fee is 您好 2 euros."


@pytest.fixture
def world(toolless_world):
    """One whose tiny models do not all repeat the last token: their embeddings are not tied."""
    return toolless_world


@pytest.fixture
def checkpoint(world):
    return tiny_base(world.ctx, family=world.codec.card.name)


@pytest.fixture(params=["torch", "llamacpp"])
def served(request, world, checkpoint):
    """The tiny model on one of the engines, the same weights on both."""
    form = checkpoint
    if request.param == "llamacpp":
        spec = CompressSpec(method=GgufMethod(precision="f32"))
        form = compress.run(spec, CompressInputs(checkpoint=checkpoint), ctx=world.ctx)
    options = GatewayOptions(engine=request.param, threads=1, streams=4, context=256)
    start = opener(world.ctx.store, options)
    with world.serving(world.release_of(form), opener=start, streams=4, context=256) as served:
        yield served


def complete(served, prompt=TEXT, **fields):
    return served.client.completions.create(model="production", prompt=prompt, **fields)


def by_transformers(world, checkpoint, ids):
    with torch.inference_mode():
        logits = models.load(checkpoint, store=world.ctx.store)(torch.tensor([ids])).logits[0]
    return torch.log_softmax(logits.float(), -1)


def test_an_echoed_prompt_has_the_models_own_log_probabilities(served, world, checkpoint):
    told = complete(served, max_tokens=0, echo=True, logprobs=2).choices[0]
    ids = world.codec.raw_ids(TEXT)
    exact = by_transformers(world, checkpoint, ids)
    expected = [float(exact[place, id_]) for place, id_ in enumerate(ids[1:])]
    assert told.text == TEXT
    assert told.logprobs.token_logprobs[0] is None
    assert told.logprobs.token_logprobs[1:] == pytest.approx(expected, abs=1e-3)
    for place, table in enumerate(told.logprobs.top_logprobs[1:]):
        assert max(table.values()) == pytest.approx(float(exact[place].max()), abs=1e-3)


def test_offsets_say_where_each_token_begins_in_the_text(served):
    told = complete(served, max_tokens=0, echo=True, logprobs=0).choices[0]
    ends = [*told.logprobs.text_offset[1:], len(told.text)]
    pieces = [told.text[a:b] for a, b in zip(told.logprobs.text_offset, ends, strict=True)]
    assert "".join(pieces) == told.text
    assert all(said in ("�", piece) for said, piece in zip(told.logprobs.tokens, pieces, strict=True) if piece)


def test_generated_tokens_have_them_too_and_greedy_ones_are_the_likeliest(served, world, checkpoint):
    told = complete(served, max_tokens=5, temperature=0, logprobs=1).choices[0]
    prompt = Prompt(ids=world.codec.raw_ids(TEXT), stop_ids=world.codec.stop_ids, max_tokens=5)
    with open_backend(checkpoint, store=world.ctx.store, engine="torch", threads=1, context=256) as backend:
        ((_, said),) = backend.generate([prompt])
    assert told.text == world.codec.decode(said.ids)
    exact = by_transformers(world, checkpoint, (*prompt.ids, *said.ids))
    expected = [float(exact[len(prompt.ids) + place - 1, id_]) for place, id_ in enumerate(said.ids)]
    assert told.logprobs.token_logprobs == pytest.approx(expected, abs=1e-3)
    for logprob, table in zip(told.logprobs.token_logprobs, told.logprobs.top_logprobs, strict=True):
        assert logprob == pytest.approx(max(table.values()))


def test_a_likelihood_task_on_our_own_endpoint_gives_what_it_gives_on_the_checkpoint(
    served, world, checkpoint, monkeypatch
):
    monkeypatch.setenv("GATEWAY_KEY", KEY)
    pairs = [("The fee is", " two euros"), ("The fee is", " 您好"), ("Card number 7", " was lost on Monday.")]
    endpoint = Endpoint(url=f"{served.url}/v1", model="production")
    ask = AskSpec(key="${GATEWAY_KEY}")
    remote = RemoteModel(endpoint, ask=ask, streams=2, clock=SystemClock(), progress=lambda: None)
    folder = world.ctx.store.folder(checkpoint.id)
    with open_scorer(checkpoint, store=world.ctx.store, threads=1, context=256) as scorer:
        local = LocalModel(scorer, codec=world.codec, folder=folder, context=256, progress=lambda: None)
        expected = local.likelihoods(pairs)
    found = remote.likelihoods(pairs)
    assert [one for one, _ in found] == pytest.approx([one for one, _ in expected], abs=2e-3)
    assert [greedy for _, greedy in found] == [greedy for _, greedy in expected]


SCRIPT = ("Hello", "Good morning, how can I help?")


@pytest.fixture(scope="module")
def scripted(lasting_world):
    """A model that says one thing after one raw text."""
    release = lasting_world.release("raw")
    codec = lasting_world.codec
    asked, said = SCRIPT
    lasting_world.scripts[release.checkpoint][codec.raw_ids(asked)] = (*codec.raw_ids(said), *codec.stop_ids)
    with lasting_world.serving(release) as served:
        yield served


def refused(served, **body):
    response = served.http.post("/v1/completions", json={"model": "production", "prompt": "Hello", **body})
    return response.status_code, response.json()["error"]["message"]


def test_a_stream_adds_up_to_the_whole_text(scripted):
    whole = complete(scripted, SCRIPT[0])
    chunks = list(complete(scripted, SCRIPT[0], stream=True))
    assert whole.choices[0].text == SCRIPT[1]
    assert "".join(chunk.choices[0].text for chunk in chunks) == SCRIPT[1]
    assert (whole.choices[0].finish_reason, chunks[-1].choices[0].finish_reason) == ("stop", "stop")


def test_several_prompts_in_text_or_ids_are_answered_in_their_order_each_with_a_row_of_its_own(scripted):
    codec, ledger = scripted.world.codec, scripted.world.ctx.ledger
    ids = list(codec.raw_ids(SCRIPT[0]))
    for prompts in ([SCRIPT[0], "Other", SCRIPT[0]], [ids, list(codec.raw_ids("Other")), ids]):
        told = complete(scripted, prompts, max_tokens=80)
        assert [choice.text == SCRIPT[1] for choice in told.choices] == [True, False, True]
        rows = [ledger.answer(choice.answer) for choice in told.choices]
        assert [row.content for row in rows] == [choice.text for choice in told.choices]
        assert rows[0].messages == [{"role": "user", "content": SCRIPT[0]}]
        assert told.usage.completion_tokens == sum(row.completion_tokens for row in rows)


def test_the_text_ends_before_a_stop_string(scripted):
    assert complete(scripted, SCRIPT[0], stop=[", how"]).choices[0].text == "Good morning"


def test_what_cannot_be_done_is_refused_by_name(scripted):
    assert refused(scripted, prompt=[1, 10**6])[0] == 400
    assert "no token 1000000" in refused(scripted, prompt=[1, 10**6])[1]
    assert refused(scripted, prompt=[])[0] == 400
    assert "max_tokens 0" in refused(scripted, max_tokens=0)[1]
    assert "a stream comes without echo" in refused(scripted, stream=True, echo=True)[1]
    assert "logit_bias" in refused(scripted, logit_bias={"5": 101.0})[1]
    assert refused(scripted, best_of=2)[0] == 400
    assert "tokens" in refused(scripted, prompt="word " * 5000)[1]
    assert refused(scripted, model="another")[0] == 404


def test_a_chat_answer_tells_log_probabilities_whose_bytes_add_up_to_it(served):
    asked = [{"role": "user", "content": "您好?"}]
    fields = {"model": "production", "messages": asked, "max_tokens": 6, "temperature": 0}
    told = served.client.chat.completions.create(**fields, logprobs=True, top_logprobs=2).choices[0]
    assert told.message.content == served.client.chat.completions.create(**fields).choices[0].message.content
    said = b"".join(bytes(token.bytes) for token in told.logprobs.content)
    assert said.decode("utf-8", "replace").startswith(told.message.content)
    for token in told.logprobs.content:
        assert token.logprob == pytest.approx(token.top_logprobs[0].logprob)
        assert len(token.top_logprobs) == 2
