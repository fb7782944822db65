"""A transformers model in a folder: `config.json` and one `model.safetensors`, the same bytes for the same weights."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import logging as transformers_logging

from seekloop.system.errors import ModelError
from seekloop.system.loading import one_at_a_time

__all__ = ["built", "open_model", "quiet", "save_model"]

_circumstances = ("transformers_version", "_name_or_path")
_one_file = "1TB"


def save_model(model: torch.nn.Module, folder: Path) -> None:
    """Write `config.json`, `generation_config.json` and `model.safetensors`.

    What transformers writes into the configs about its own version is left out, so that it is no part of an identity.
    """
    with quiet():
        model.save_pretrained(folder, max_shard_size=_one_file)
    for name in ("config.json", "generation_config.json"):
        path = folder / name
        if path.is_file():
            value = json.loads(path.read_text("utf-8"))
            kept = {key: item for key, item in value.items() if key not in _circumstances}
            path.write_text(json.dumps(kept, indent=2, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")


def open_model(folder: Path) -> torch.nn.Module:
    """The causal language model in `folder`, fp32, in eval mode, from local files only and without remote code.

    Raises:
        ModelError: there is none, or transformers cannot read it.
    """
    if not (folder / "config.json").is_file():
        raise ModelError("train.no_model", folder=folder)
    with quiet():
        try:
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            problem = str(error).splitlines()[0]
            raise ModelError("train.model_unreadable", problem=problem, folder=folder) from error
    return model.eval()


def built(config: Mapping[str, Any], weights: Mapping[str, torch.Tensor], *, folder: Path) -> torch.nn.Module:
    """The causal language model that `config` describes, holding `weights`, fp32, in eval mode.

    Args:
        config: of a `config.json`.
        weights: by their names in a file, fp32.
        folder: where they were read, for the refusal.

    Raises:
        ModelError: transformers cannot build it.
    """
    told = dict(config)
    kind = told.pop("model_type")
    with quiet():
        try:
            plain = AutoConfig.for_model(kind, **told)
            with torch.device("meta"):
                family = type(AutoModelForCausalLM.from_config(plain))
            model = family.from_pretrained(None, config=plain, state_dict=dict(weights), dtype=torch.float32)
        except (OSError, ValueError, KeyError) as error:
            raise ModelError("train.model_unreadable", problem=str(error).splitlines()[0], folder=folder) from error
    opened: torch.nn.Module = model.eval()
    return opened


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' own bars and notices off the terminal: progress is reported through `ctx`.

    One thread at a time: its verbosity is the process's, as are the switches that it throws while it loads.
    """
    with one_at_a_time():
        level, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()
        try:
            yield
        finally:
            transformers_logging.set_verbosity(level)
            if bars:
                transformers_logging.enable_progress_bar()
