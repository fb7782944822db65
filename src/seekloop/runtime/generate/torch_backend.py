"""Generation with torch: any architecture that transformers has, fp32, the oracle that faster engines are held to."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn

from seekloop.runtime.generate.answering import answer_all, answer_one
from seekloop.runtime.generate.backend import Ability, Chance, Completion, Prompt, Token
from seekloop.runtime.generate.batch import Batch
from seekloop.runtime.generate.chances import chance_of, likeliest
from seekloop.runtime.generate.limits import check_fits, check_reads
from seekloop.system.clock import Clock, SystemClock
from seekloop.system.errors import EngineError

__all__ = ["TorchBackend"]

_most_streams = 64
"""Beyond it a step takes longer and gives no more tokens a second on a CPU."""
_cache_bytes = 2**30
"""Memory for keys and values where the streams are ours to choose."""
_short = 8
"""A common beginning of fewer ids is not worth a pass."""


class TorchBackend:
    """Batched generation with one model.

    Args:
        model: a transformers causal language model in eval mode.
        streams: rows that are answered at the same time; None: as many as are fastest and fit the memory.
        context: tokens of prompt and answer together; at most what the model was made for.
        clock: measures completions.

    Raises:
        EngineError: the model has layers that do not attend to everything before them.
    """

    abilities: frozenset[Ability] = frozenset({"grammar", "penalties", "logit_bias", "embeddings"})

    def __init__(
        self, model: nn.Module, *, streams: int | None = 8, context: int = 2048, clock: Clock | None = None
    ) -> None:
        self.name = f"torch {torch.__version__}"
        kinds = set(model.config.to_dict().get("layer_types") or ["full_attention"])
        if kinds != {"full_attention"}:
            raise EngineError("runtime.attention_unknown", kinds=", ".join(sorted(kinds)))
        self._model: nn.Module | None = model
        self._streams = streams
        self._context = min(context, model.config.max_position_embeddings)
        self._clock = clock or SystemClock()

    def generate(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Completion]]:
        """Answer all prompts, the longest first; rows that end make room for the next at once.

        Raises:
            EngineError: a prompt does not fit; nothing was generated.
        """
        for prompt in prompts:
            check_fits(prompt, context=self._context)
        yield from answer_all(self._batch(prompts, slots=self._streams), prompts, clock=self._clock)

    def stream(self, prompt: Prompt) -> Generator[Token, None, None]:
        """Answer one prompt token by token.

        Raises:
            EngineError: the prompt does not fit.
        """
        check_fits(prompt, context=self._context)
        yield from answer_one(self._batch([prompt], slots=1), prompt)

    @torch.inference_mode()
    def read(self, ids: Sequence[int], *, top: int) -> tuple[Chance, ...]:
        """What the model gives each id of a text but the first, in one pass.

        Raises:
            EngineError: the text does not fit.
        """
        logits = self._pass(ids).logits[0]
        return tuple(chance_of(id_, logits[place], top=top) for place, id_ in enumerate(ids[1:]))

    @torch.inference_mode()
    def among(self, ids: Sequence[int], *, allowed: bytes, most: int) -> tuple[tuple[int, float], ...]:
        """The likeliest of the allowed ids after `ids`, in one pass.

        Raises:
            EngineError: the text does not fit.
        """
        return likeliest(self._pass(ids, logits_to_keep=1).logits[0, -1], allowed=allowed, most=most)

    @torch.inference_mode()
    def embed(self, ids: Sequence[int]) -> tuple[float, ...]:
        """The mean of the last layer's states, its norm behind it, in one pass.

        Raises:
            EngineError: the text does not fit.
        """
        states: Tensor = self._pass(ids, output_hidden_states=True, logits_to_keep=1).hidden_states[-1][0]
        return tuple(states.float().mean(0).tolist())

    def _pass(self, ids: Sequence[int], **wanted: Any) -> Any:
        check_reads(ids, context=self._context)
        if self._model is None:
            raise ValueError("the backend is closed")
        device = next(self._model.parameters()).device
        return self._model(input_ids=torch.tensor([list(ids)], device=device), use_cache=False, **wanted)

    def close(self) -> None:
        """Let go of the weights."""
        self._model = None

    def __enter__(self) -> Self:
        """The backend itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def _batch(self, prompts: Sequence[Prompt], *, slots: int | None) -> Batch:
        if self._model is None:
            raise ValueError("the backend is closed")
        positions = max((len(prompt.ids) + prompt.max_tokens for prompt in prompts), default=1)
        most = slots or max(1, min(_most_streams, _cache_bytes // (positions * _bytes_a_position(self._model))))
        return Batch(
            self._model, slots=min(most, len(prompts) or 1), positions=positions, prefix=_common_prefix(prompts)
        )


def _common_prefix(prompts: Sequence[Prompt]) -> tuple[int, ...]:
    """What all prompts begin with, such as a system message; at least one id of each stays behind it."""
    if len(prompts) < 2:
        return ()
    # The first and the last in order differ earliest.
    first, last = min(prompt.ids for prompt in prompts), max(prompt.ids for prompt in prompts)
    shortest = min(len(prompt.ids) for prompt in prompts) - 1
    same = next((place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), shortest)
    same = min(same, shortest)
    return first[:same] if same >= _short else ()


def _bytes_a_position(model: nn.Module) -> int:
    """Of keys and values in all layers, at most."""
    config = model.config.to_dict()
    heads = config["num_attention_heads"]
    width = config.get("head_dim") or config["hidden_size"] // heads
    if config.get("kv_lora_rank"):  # latent attention is cached unfolded, a key and a value for every head
        width = config["qk_nope_head_dim"] + config["qk_rope_head_dim"]
    else:
        heads = config.get("num_key_value_heads") or heads
    return int(2 * config["num_hidden_layers"] * heads * width * next(model.parameters()).element_size())
