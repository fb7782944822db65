"""The names that other trainers give to our keys, in one table, so that their configs read as they are.

Hugging Face's TrainingArguments and PEFT, LLaMA-Factory, ms-swift and Axolotl. Only keys that mean the same are here;
every other key is refused by the spec, with the likely one named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from seekloop.system.errors import UsageError

__all__ = ["ALIASES", "rename"]


def _same(value: Any) -> Any:
    return value


def _schedule(value: Any) -> Any:
    return {"constant_with_warmup": "constant"}.get(str(value), value)


def _targets(value: Any) -> Any:
    if value in ("all", "all-linear"):
        return None
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _scaling(value: Any) -> Any:
    return "rank_stabilised" if value else "standard"


def _keep(value: Any) -> Any:
    return "best" if value else "last"


ALIASES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "num_train_epochs": ("epochs", _same),
    "num_epochs": ("epochs", _same),
    "lr": ("learning_rate", _same),
    "lr_scheduler_type": ("schedule", _schedule),
    "lr_scheduler": ("schedule", _schedule),
    "cutoff_len": ("max_length", _same),
    "sequence_len": ("max_length", _same),
    "max_seq_length": ("max_length", _same),
    "max_seq_len": ("max_length", _same),
    "save_steps": ("save_every_steps", _same),
    "load_best_model_at_end": ("keep", _keep),
    "finetuning_type": ("method.type", _same),
    "tuner_type": ("method.type", _same),
    "adapter": ("method.type", _same),
    "r": ("method.rank", _same),
    "lora_rank": ("method.rank", _same),
    "lora_r": ("method.rank", _same),
    "lora_alpha": ("method.alpha", _same),
    "lora_dropout": ("method.dropout", _same),
    "lora_target": ("method.targets", _targets),
    "lora_target_modules": ("method.targets", _targets),
    "target_modules": ("method.targets", _targets),
    "use_rslora": ("method.scaling", _scaling),
}
"""Their key -> ours, and what becomes of the value."""

_factors = ("per_device_train_batch_size", "micro_batch_size", "gradient_accumulation_steps")
"""Their product is our `rows_per_step`."""


def rename(value: Mapping[str, Any]) -> dict[str, Any]:
    """`value` with every alias replaced by our key; aliases of `method.…` are taken inside `method` too.

    `method: lora` is short for `method: {type: lora}`.

    Raises:
        UsageError: a key stands there under two names.
    """
    result: dict[str, Any] = {key: item for key, item in value.items() if key not in ALIASES and key not in _factors}
    method = result.get("method")
    if isinstance(method, str):
        result["method"] = {"type": method}
    elif isinstance(method, Mapping):
        result["method"] = {key: item for key, item in method.items() if key not in ALIASES}
        for key in method.keys() & ALIASES.keys():
            _put(result, key, item=method[key])
    for key in value.keys() & ALIASES.keys():
        _put(result, key, item=value[key])
    factors = {key: value[key] for key in _factors if key in value}
    if factors:
        if "rows_per_step" in result:
            raise UsageError("tune.key_twice", key="rows_per_step", alias=next(iter(factors)))
        rows = 1
        for count in factors.values():
            rows *= int(count)
        result["rows_per_step"] = rows
    return result


def _put(result: dict[str, Any], alias: str, *, item: Any) -> None:
    path, change = ALIASES[alias]
    parent, _, leaf = path.rpartition(".")
    here = result.setdefault(parent, {}) if parent else result
    if leaf in here:
        raise UsageError("tune.key_twice", key=path, alias=alias)
    here[leaf] = change(item)
