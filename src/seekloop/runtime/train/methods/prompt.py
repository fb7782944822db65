"""Prompt tuning and P-tuning: trained embeddings before every sequence, in PEFT's format.

Prompt tuning trains the embeddings themselves (Lester et al. 2021). P-tuning trains an encoder that they come out of
(Liu et al. 2021); only what comes out is written, so both open alike. The embeddings begin as those of real tokens.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from seekloop.artifact.kinds import Form
from seekloop.runtime.train.methods.method import freeze
from seekloop.runtime.train.methods.virtual import States, Virtual, attach, attached, states_of
from seekloop.system import seeds
from seekloop.system.errors import ModelError

__all__ = ["Encoder", "Prompt", "PromptStates", "open_adapter"]

Encoder = Literal["none", "mlp", "lstm"]
_config_file, _weights_file = "adapter_config.json", "adapter_model.safetensors"


class PromptStates(Virtual):
    """Trained embeddings, read by the decoder like those of tokens.

    Args:
        embeddings: [tokens, hidden].
        encoder: what the embeddings go through; None: nothing.
    """

    def __init__(self, embeddings: Tensor, encoder: nn.Module | None = None) -> None:
        super().__init__()
        self.embeddings = nn.Parameter(embeddings.clone())
        self.encoder = encoder
        self._read: States | None = None

    @property
    def tokens(self) -> int:
        """How many virtual tokens."""
        return self.embeddings.shape[0]

    def vectors(self) -> Tensor:
        """What the decoder reads, [tokens, hidden]."""
        return self.embeddings if self.encoder is None else self.encoder(self.embeddings)

    def forward(self, decoder: nn.Module) -> States:
        """Read them; once for all where nothing of them is trained."""
        if self.embeddings.requires_grad:
            return states_of(decoder, embeddings=self.vectors()[None])
        if self._read is None:
            with torch.no_grad():
                self._read = states_of(decoder, embeddings=self.vectors()[None])
        return self._read


class _Mlp(nn.Module):
    """`x + W2 relu(W1 x)`: begins as the identity, since W2 begins at zero.

    Liu et al. have no such sum; with it training begins from real tokens (Razdaibiedina et al. 2023).
    """

    def __init__(self, width: int, *, hidden: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, hidden)
        self.up = nn.Linear(hidden, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        """[tokens, width] -> [tokens, width]."""
        return x + self.up(torch.relu(self.down(x)))


class _Lstm(nn.Module):
    """The MLP over what a two-way LSTM says of each token among its neighbours; begins as the identity too."""

    def __init__(self, width: int, *, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, hidden, bidirectional=True)
        self.up = nn.Linear(2 * hidden, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        """[tokens, width] -> [tokens, width]."""
        return x + self.up(torch.relu(self.lstm(x)[0]))


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """The method. A model that carries a prompt already goes on with its embeddings."""

    ids: tuple[int, ...]
    """The real tokens that the prompt begins as."""
    encoder: Encoder = "none"
    hidden: int = 256
    """Width inside the encoder."""
    base: str = ""
    """Id of the base checkpoint, for `adapter_config.json`."""
    form: Form = "adapter"

    def apply(self, model: nn.Module, *, seed: int) -> None:
        """Copy the embeddings of `ids`; only the encoder's first weights are random."""
        freeze(model)
        if attached(model) is None:
            embeddings = model.get_input_embeddings()(torch.tensor(self.ids)).detach()
            attach(model, PromptStates(embeddings, self._encoder(embeddings.shape[1], seed=seed)))
        _carried(model).requires_grad_(True)

    def draws(self) -> bool:
        """Never."""
        return False

    def export(self, model: nn.Module, folder: Path) -> int:
        """Write PEFT's two files; returns how many weights they hold."""
        with torch.no_grad():
            vectors = _carried(model).vectors().contiguous()
        save_file({"prompt_embeddings": vectors}, folder / _weights_file, metadata={"format": "pt"})
        config = {
            "peft_type": "PROMPT_TUNING" if self.encoder == "none" else "P_TUNING",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": self.base,
            "inference_mode": True,
            "num_virtual_tokens": vectors.shape[0],
            "token_dim": vectors.shape[1],
            "num_transformer_submodules": 1,
        }
        (folder / _config_file).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")
        return vectors.numel()

    def _encoder(self, width: int, *, seed: int) -> nn.Module | None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seeds.derive(seed, "train", "prompt", "encoder"))
            match self.encoder:
                case "mlp":
                    return _Mlp(width, hidden=self.hidden)
                case "lstm":
                    return _Lstm(width, hidden=self.hidden)
                case "none":
                    return None


def open_adapter(model: nn.Module, folder: Path) -> None:
    """Put the prompt in `folder` (ours or PEFT's) before the sequences of `model`, which is its base.

    Raises:
        ModelError: its width is not that of this model's embeddings.
    """
    embeddings = load_file(folder / _weights_file)["prompt_embeddings"].float()
    if embeddings.shape[1] != model.get_input_embeddings().weight.shape[1]:
        raise ModelError("train.adapter_of_another_base", layer="prompt_embeddings", folder=folder)
    attach(model, PromptStates(embeddings))


def _carried(model: nn.Module) -> PromptStates:
    prompt = attached(model)
    if not isinstance(prompt, PromptStates):
        raise ValueError("the model has no prompt")
    return prompt
