"""What an adapter adds to its base's weights, tensor by tensor, against the layers that compute it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.compress.folding import open_fold
from seekloop.runtime import models
from seekloop.runtime.quantised import Quantisation, linear_layers, rounded
from seekloop.runtime.train.methods.lora import Lora, LoraConfig
from seekloop.runtime.train.methods.lora_layers import LoraLinear
from seekloop.system.errors import ModelError

NAME = "model.layers.1.self_attn.q_proj"


def _written(
    ctx: RunContext, tiny: Checkpoint, folder: Path, *, magnitude: bool, storage: Quantisation | None
) -> LoraLinear:
    """A random adapter in `folder`; its layer NAME."""
    model = models.load(tiny, store=ctx.store, storage=storage)
    config = LoraConfig(rank=4, alpha=8.0, targets=("q_proj",), magnitude=magnitude, ranks={"1.self_attn.q_proj": 2})
    method = Lora(config=config, storage=storage)
    method.apply(model, seed=0)
    layer = model.get_submodule(NAME)
    with torch.no_grad():
        for value in layer.parameters(recurse=False):
            value.add_(torch.randn(value.shape, generator=torch.Generator().manual_seed(1)) * 0.2)
    method.export(model, folder)
    return layer


@pytest.mark.parametrize("magnitude", [False, True], ids=["lora", "dora"])
@pytest.mark.parametrize("storage", [None, Quantisation(double=True)], ids=["f32", "nf4"])
def test_base_and_change_add_up_to_what_the_layer_computes(
    ctx: RunContext, tiny: Checkpoint, tmp_path: Path, magnitude: bool, storage: Quantisation | None
) -> None:
    layer = _written(ctx, tiny, tmp_path, magnitude=magnitude, storage=storage)
    plain = models.load(tiny, store=ctx.store)
    weight = plain.get_submodule(NAME).weight.numpy()
    names = [f"{name}.weight" for name in linear_layers(plain)]
    with open_fold(tmp_path, base=ctx.store.folder(tiny.id), names=names) as fold:
        base = fold.base(f"{NAME}.weight", weight)
        change = fold.change(f"{NAME}.weight", base)
        assert fold.change("model.layers.1.mlp.up_proj.weight", base) is None
    wanted = weight if storage is None else rounded(torch.from_numpy(weight), storage).numpy()
    np.testing.assert_array_equal(base, wanted)
    with torch.no_grad():
        computed = layer(torch.eye(layer.lora_A.shape[1])).T.numpy()
    np.testing.assert_allclose(base + change, computed, rtol=1e-4, atol=1e-5)


def test_an_adapter_that_is_no_change_of_weights_is_refused(ctx: RunContext, tiny: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "PREFIX_TUNING"}), "utf-8")
    with pytest.raises(ModelError) as refused, open_fold(tmp_path, base=ctx.store.folder(tiny.id), names=()):
        pass
    assert refused.value.code == "compress.not_foldable"


def test_an_adapter_of_another_base_is_refused_by_the_tensor(ctx: RunContext, tiny: Checkpoint, tmp_path: Path) -> None:
    _written(ctx, tiny, tmp_path, magnitude=False, storage=None)
    with pytest.raises(ModelError, match="q_proj") as refused, open_fold(tmp_path, base=tmp_path, names=("other",)):
        pass
    assert refused.value.code == "compress.adapter_does_not_fit"
