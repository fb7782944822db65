"""Family cards: what is particular about each family of models, as data in `cards/*.yaml`, looked up once by name."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Collection, Mapping
from importlib import resources
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict

from seekloop.system.errors import ModelError

__all__ = ["FamilyCard", "LearningRates", "Tokens", "card", "cards", "for_config"]


class LearningRates(BaseModel):
    """Peak learning rates to start from, where nobody has measured better ones."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    lora: float
    full: float


class Tokens(BaseModel):
    """The control tokens of a family."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    bos: str | None = None
    """What every prompt begins with; None: the family has none."""
    eos: str
    """What ends an answer, and is trained."""
    pad: tuple[str, ...]
    """Candidates for padding; the first one that the tokenizer has. Padding is masked by length, never by id."""
    stops: tuple[str, ...]
    """What ends generation; those that the tokenizer has."""
    special: tuple[str, ...]
    """Control tokens that the published tokenizer flags as special."""
    unflagged: tuple[str, ...] = ()
    """Control tokens that the published tokenizer has but does not flag as special."""

    @property
    def all(self) -> tuple[str, ...]:
        """Special and unflagged."""
        return (*self.special, *self.unflagged)


class FamilyCard(BaseModel):
    """One family: how it is recognised, how it chats, what an adapter may be put on."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=())

    name: str
    title: str
    names: tuple[str, ...]
    """Parts of repository names that tell this family, in lower case."""
    model_types: tuple[str, ...]
    """`model_type` in config.json, or `general.architecture` of a GGUF file."""
    architectures: tuple[str, ...]
    licence: str
    context_length: int
    """Positions that the weights were trained for."""
    vocab_sizes: tuple[int, ...]
    """`vocab_size` of the published checkpoints, to tell families of one architecture apart."""
    tied_embeddings: bool = False
    """Whether the small models of the family use the embedding table as their head."""
    template: str
    """Name of the chat template in `templates/`."""
    default_system: str | None = None
    """System message of conversations that have none, as in the family's own template."""
    reasoning: Literal["optional", "opened"] = "optional"
    """`opened`: the prompt itself ends with `<think>` and a newline, so every answer begins inside it."""
    tools: Literal["hermes", "deepseek"] | None = None
    """Wire form of tool calls (`tool_calls.py`); None: the family has none."""
    answer_prefix: str = ""
    """Text between the prompt and the answer that the model itself must write."""
    answer_suffix: str = ""
    """Text between the answer and its end token."""
    tokens: Tokens
    lora_targets: tuple[str, ...]
    """Last part of the names of the linear layers that adapters go on: all but the head and the expert router."""
    learning_rates: LearningRates


def card(name: str) -> FamilyCard:
    """The card called `name`.

    Raises:
        ModelError: no such family; the nearest name is suggested.
    """
    known = {each.name: each for each in cards()}
    if name not in known:
        close = difflib.get_close_matches(name.lower(), known, n=1)
        suggestion = f"; did you mean {close[0]}?" if close else ""
        raise ModelError("model.unknown_family", name=name, suggestion=suggestion, known=", ".join(known))
    return known[name]


@functools.cache
def cards() -> tuple[FamilyCard, ...]:
    """Every card, by name."""
    folder = resources.files("seekloop.model").joinpath("cards")
    files = [file for file in folder.iterdir() if file.name.endswith(".yaml")]
    found = [FamilyCard.model_validate(yaml.safe_load(file.read_text("utf-8"))) for file in files]
    return tuple(sorted(found, key=lambda each: each.name))


def for_config(config: Mapping[str, Any], *, name: str = "", tokens: Collection[str] = ()) -> FamilyCard:
    """The family of a model.

    Every fact narrows the choice where it can: the architecture must fit; then the vocabulary size, the control tokens
    and the repository's name each keep the cards that they fit, if there are any.

    Args:
        config: its config.json.
        name: its repository or folder name, where known.
        tokens: the added tokens of its tokenizer, where known.

    Raises:
        ModelError: no family has this architecture, or several fit.
    """
    kind = str(config.get("model_type", ""))
    classes = config.get("architectures") or ()
    fitting = [each for each in cards() if kind in each.model_types]
    fitting = [each for each in fitting if not classes or not set(classes).isdisjoint(each.architectures)]
    if not fitting:
        found = ", ".join(classes) or kind or "no model_type"
        known = sorted({name for each in cards() for name in each.architectures})
        raise ModelError("model.unknown_architecture", kind=found, known=", ".join(known))
    lower = name.lower()
    for matching in (
        [each for each in fitting if config.get("vocab_size") in each.vocab_sizes],
        [each for each in fitting if tokens and {*each.tokens.all} <= set(tokens)],
        [each for each in fitting if any(part in lower for part in each.names)],
    ):
        both = [each for each in fitting if each in matching]
        fitting = both or fitting
    fitting = _most_named(fitting, lower)
    if len(fitting) > 1:
        names = [each.name for each in fitting]
        raise ModelError("model.family_unclear", names=", ".join(names), first=names[0])
    return fitting[0]


def _most_named(fitting: list[FamilyCard], name: str) -> list[FamilyCard]:
    """The cards whose longest matching name is longest: `qwen2.5` says more than `qwen2`."""
    lengths = [max((len(part) for part in each.names if part in name), default=0) for each in fitting]
    return [each for each, length in zip(fitting, lengths, strict=True) if length == max(lengths)]
