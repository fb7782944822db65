"""Sizes of published models by name, as data: what a plan needs before anything is fetched."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from importlib import resources
from typing import Any

import yaml

from seekloop.system.errors import ModelError

__all__ = ["config_of", "names"]


def names() -> list[str]:
    """Models whose sizes are known here."""
    return sorted(_table())


def config_of(name: str) -> Mapping[str, Any]:
    """The sizes of a model in the keys of its config.json, and `family`, the name of its card.

    Args:
        name: as in `names`; the last part of a repository's name serves too: `hf:deepseek-ai/DeepSeek-V3`.

    Raises:
        ModelError: its sizes are not known here; the nearest name is suggested.
    """
    plain = _plain(name)
    known = {_plain(each): value for each, value in _table().items()}
    if plain not in known:
        close = difflib.get_close_matches(plain, known, n=1)
        suggestion = f"; did you mean {close[0]}?" if close else ""
        raise ModelError("model.size_unknown", name=name, suggestion=suggestion, known=", ".join(names()))
    return known[plain]


def _plain(name: str) -> str:
    """Without scheme and owner, and without what does not change the sizes."""
    last = name.rpartition("/")[2].rpartition(":")[2].lower()
    for word, other in _same:
        last = last.replace(word, other)
    return last


_same = (
    ("deepseek-llm-", "deepseek-"),
    ("deepseek-r1-distill-", "r1-distill-"),
    ("-base", ""),
    ("-chat", ""),
    ("-instruct", ""),
    ("deepseek-r1", "deepseek-v3"),
    ("deepseek-v3.1", "deepseek-v3"),
    ("deepseek-v3-0324", "deepseek-v3"),
)
"""What is written in other ways: DeepSeek-R1 and V3.1 have the sizes of V3."""


@functools.cache
def _table() -> dict[str, dict[str, Any]]:
    text = resources.files("seekloop.model").joinpath("published.yaml").read_text("utf-8")
    table: dict[str, dict[str, Any]] = yaml.safe_load(text)
    return table
