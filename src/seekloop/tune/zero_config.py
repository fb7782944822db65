"""DeepSpeed's configuration beside our spec: what `auto` comes to, and what the two may not say differently.

Rows, rate, schedule, clipping and precision are the spec's; a configuration leaves them out, says `auto` or the same.
Everything else is handed to DeepSpeed as it stands.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seekloop.system.errors import UsageError

__all__ = ["check", "filled", "read_config"]

_auto = "auto"
_stages = (1, 2, 3)
_optimizers = ("AdamW", "Adam")


def read_config(value: object) -> object:
    """The configuration in a JSON file, where `value` is its path; anything else as it is.

    Raises:
        UsageError: no such file, or it is not a JSON object.
    """
    if not isinstance(value, str | Path):
        return value
    try:
        found = json.loads(Path(value).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError("tune.deepspeed_file", problem=str(error), where=str(value)) from error
    if not isinstance(found, dict):
        raise UsageError("tune.deepspeed_file", problem="no JSON object", where=str(value))
    return found


def check(config: Mapping[str, Any], *, said: Mapping[str, Any]) -> None:
    """Refuse what the spec says otherwise.

    Args:
        config: DeepSpeed's.
        said: the spec's `rows_per_step`, `max_grad_norm`, `learning_rate` and `weight_decay`, None where it leaves
            them open.

    Raises:
        UsageError: a key clashes with the spec, or asks for what is not done here.
    """
    stage = dict(config.get("zero_optimization") or {}).get("stage", 0)
    if stage not in _stages:
        raise UsageError("tune.deepspeed_stage", stage=stage)
    wanted: dict[str, tuple[Any, ...]] = {
        "train_batch_size": (said["rows_per_step"],),
        "train_micro_batch_size_per_gpu": (),
        "gradient_accumulation_steps": (),
        "gradient_clipping": (said["max_grad_norm"],),
        "optimizer.type": _optimizers,
        "optimizer.params.lr": (said["learning_rate"],),
        "optimizer.params.weight_decay": (said["weight_decay"],),
        "optimizer.params.betas": ([0.9, 0.999],),
        "optimizer.params.eps": (1e-8,),
        "scheduler.type": (),
        "fp16.enabled": (False,),
        "bf16.enabled": (False,),
    }
    for key, values in wanted.items():
        given = _at(config, key)
        if given is not None and given != _auto and given not in values:
            allowed = " / ".join(json.dumps(value) for value in (_auto, *(v for v in values if v is not None)))
            raise UsageError("tune.deepspeed_clash", key=key, value=json.dumps(given), allowed=allowed)


def filled(config: Mapping[str, Any], *, processes: int, max_grad_norm: float, hidden: int) -> dict[str, Any]:
    """The configuration that DeepSpeed is given: `auto` replaced, and what is ours taken out.

    Args:
        config: one that passed `check`.
        processes: of the run.
        max_grad_norm: the spec's.
        hidden: width of the model; sizes of buffers go by it, as in transformers.

    Raises:
        UsageError: a key says `auto` for which there is no value here.
    """
    ours = ("optimizer", "scheduler", "fp16", "bf16")
    zero = {**config["zero_optimization"]}
    sizes = {
        "reduce_bucket_size": hidden * hidden,
        "stage3_prefetch_bucket_size": int(0.9 * hidden * hidden),
        "stage3_param_persistence_threshold": 10 * hidden,
    }
    zero |= {key: size for key, size in sizes.items() if zero.get(key) == _auto}
    result = {key: value for key, value in config.items() if key not in ours}
    result |= {
        "zero_optimization": zero,
        # Micro-batches are cut by tokens and their number changes: each is one to DeepSpeed, which is told of the last.
        "train_batch_size": processes,
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": max_grad_norm,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
    }
    left = next((key for key in _keys(result) if _at(result, key) == _auto), None)
    if left is not None:
        raise UsageError("tune.deepspeed_auto", key=left)
    return result


def _at(config: Mapping[str, Any], path: str) -> Any:
    here: Any = config
    for name in path.split("."):
        here = here.get(name) if isinstance(here, Mapping) else None
    return here


def _keys(config: Mapping[str, Any], before: str = "") -> list[str]:
    """Dotted paths of all plain values."""
    found: list[str] = []
    for key, value in config.items():
        found += _keys(value, f"{before}{key}.") if isinstance(value, Mapping) else [f"{before}{key}"]
    return found
