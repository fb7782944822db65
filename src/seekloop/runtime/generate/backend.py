"""What every generation backend does: prompt ids in, answer ids out. Text is the codec's business, on both sides."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Protocol, Self

if TYPE_CHECKING:
    from seekloop.runtime.generate.greenlist import GreenList

__all__ = ["Ability", "Backend", "Chance", "Completion", "FinishReason", "Prompt", "Token"]

FinishReason = Literal["stop", "length"]
Ability = Literal["grammar", "penalties", "logit_bias", "embeddings"]
"""What some engines can and others cannot; a request for what an engine cannot is refused before it gets there."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One request to a backend."""

    ids: tuple[int, ...]
    """Token ids, special tokens included, exactly as the codec gave them: the backend adds none."""
    stop_ids: frozenset[int]
    """Generation ends with the first of these; it is not part of the answer."""
    max_tokens: int = 256
    temperature: float = 0.0
    """0 is greedy."""
    top_p: float = 1.0
    seed: int = 0
    top: int | None = None
    """Likeliest ids to tell with each token, its own log-probability besides; None: no log-probabilities."""
    presence: float = 0.0
    """Taken once from the logit of each id that the answer holds already."""
    frequency: float = 0.0
    """Taken from the logit of an id as often as the answer holds it already."""
    bias: tuple[tuple[int, float], ...] = ()
    """Added to the logits of these ids."""
    grammar: str | None = None
    """What the answer must be, as `grammar.py` reads it. Engines never see it: `guided.py` keeps them to it."""
    warm: bool = False
    """Whether an engine may begin from what it still knows of a prompt that begins alike."""
    mark: GreenList | None = None
    """A watermark for the answer; only torch draws with one, other engines leave it out."""


@dataclass(frozen=True)
class Chance:
    """What the model itself gave an id where it stands: before any temperature, nucleus or grammar."""

    logprob: float
    """Natural logarithm of its probability, in nats."""
    top: tuple[tuple[int, float], ...] = ()
    """The likeliest ids there with their log-probabilities, the likeliest first; as many as were asked for."""


@dataclass(frozen=True)
class Token:
    """One generated token, as it comes; the last item of a stream has `finish_reason` set and may carry no id."""

    id: int | None
    finish_reason: FinishReason | None = None
    chance: Chance | None = None
    """Where the prompt asked for it."""


@dataclass(frozen=True, kw_only=True)
class Completion:
    """A whole answer."""

    ids: tuple[int, ...]
    """Generated token ids, without the stop id."""
    finish_reason: FinishReason
    first_token_s: float
    """Seconds from when the backend took the prompt up to its first token."""
    total_s: float
    """Seconds from when the backend took the prompt up to the end of the answer."""


class Backend(Protocol):
    """Generates with one immutable checkpoint. Use as a context manager, or call `close`."""

    name: str
    """Backend and version, for reports: `torch 2.13.0`."""
    abilities: frozenset[Ability]

    def generate(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Completion]]:
        """Answer all prompts, batched as the backend likes; yields (index, completion) as each one ends."""

    def stream(self, prompt: Prompt) -> Generator[Token, None, None]:
        """Answer one prompt token by token. Closing the generator cancels the rest."""

    def read(self, ids: Sequence[int], *, top: int) -> tuple[Chance, ...]:
        """What the model gives each id of a text but the first, after those before it, with the `top` likeliest.

        Raises:
            EngineError: the text does not fit, the engine tells no log-probabilities, or it broke.
        """

    def among(self, ids: Sequence[int], *, allowed: bytes, most: int) -> tuple[tuple[int, float], ...]:
        """The likeliest ids after `ids` of those that are allowed, each with its log-probability, likeliest first.

        Args:
            ids: the text so far.
            allowed: a bit an id, the lowest bit of the first byte being id 0; one is set at least.
            most: how many at most.

        Raises:
            EngineError: the text does not fit, the engine has no such ability (`grammar`), or it broke.
        """

    def embed(self, ids: Sequence[int]) -> tuple[float, ...]:
        """The mean over a text's ids of what the last layer makes of each, [width].

        Raises:
            EngineError: the text does not fit, the engine has no such ability (`embeddings`), or it broke.
        """

    def close(self) -> None:
        """Free the weights and any process."""

    def __enter__(self) -> Self:
        """The backend itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
