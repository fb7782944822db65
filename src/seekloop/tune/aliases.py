"""The names that other trainers give to our keys, in one table, so that their configs read as they are.

Hugging Face's TrainingArguments and PEFT, LLaMA-Factory, ms-swift and Axolotl. Only keys that mean the same are here;
every other key is refused by the spec, with the likely one named.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

from seekloop.system.errors import UsageError
from seekloop.system.spec import Spec
from seekloop.tune.foreign_keys import REFUSED, refuse, suggest, without_what_is_so
from seekloop.tune.objective_spec import (
    AnswersObjective,
    ClassifyObjective,
    DpoObjective,
    KtoObjective,
    OrpoObjective,
    TextObjective,
)

__all__ = ["ALIASES", "PRESETS", "rename"]


def _same(value: Any) -> Any:
    return value


def _schedule(value: Any) -> Any:
    theirs = {"constant_with_warmup": "constant", "cosine_with_min_lr": "cosine"}
    return theirs.get(str(value), value)


def _targets(value: Any) -> Any:
    if value in ("all", "all-linear"):
        return None
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _scaling(value: Any) -> Any:
    return "rank_stabilised" if value else "standard"


def _init(value: Any) -> Any:
    """PEFT's `init_lora_weights`: True is Kaiming's; `pissa_niter_16` is PiSSA, whose iterations are ours."""
    if value is True:
        return "kaiming"
    return "pissa" if str(value).startswith("pissa") else value


def _pissa(value: Any) -> Any:
    return "pissa" if value else "kaiming"


def _fsdp(value: Any) -> str:
    """Hugging Face's and Axolotl's words; each layer is always a piece of its own.

    Raises:
        UsageError: they ask for another way of splitting than all of everything.
    """
    words = {"full_shard"} if value is True else set(value.split() if isinstance(value, str) else value)
    if words - {"full_shard", "auto_wrap", "fsdp"}:
        raise UsageError("tune.not_sharded", value=value)
    return "fsdp"


def _bits(value: Any) -> Any:
    return {4: "nf4", 8: "int8", "4": "nf4", "8": "int8", None: "f32"}.get(value, value)


def _four(value: Any) -> Any:
    return "nf4" if value else "f32"


def _eight(value: Any) -> Any:
    return "int8" if value else "f32"


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _begin(value: Any) -> Any:
    """PEFT's `prompt_tuning_init`: TEXT says that there is a text, which its own key gives."""
    return {"SAMPLE_VOCAB": "vocabulary", "TEXT": "answers"}.get(str(value).upper(), value)


def _layers(value: Any) -> Any:
    return [value] if isinstance(value, int) else value


def _keep(value: Any) -> Any:
    return "best" if value else "last"


def _stage(value: Any) -> Any:
    return {"sft": "answers", "pt": "text"}.get(str(value), value)


def _limit(value: Any) -> Any:
    """Hugging Face writes -1 for none."""
    return None if isinstance(value, int) and value <= 0 else value


def _metric(value: Any) -> Any:
    theirs = {"eval_loss": "loss", "accuracy": "answers", "eval_accuracy": "answers"}
    return theirs.get(str(value), value)


def _precision(value: Any) -> Any:
    return value if isinstance(value, str) else "bf16" if value else "fp32"


def _checkpointing(value: Any) -> Any:
    return value if isinstance(value, str) else "on" if value else "off"


def _trackers(value: Any) -> Any:
    """One name, or several; `none` in any case asks for nothing. None twice."""
    names = [value] if isinstance(value, str) else value
    return list(dict.fromkeys(name for name in names if name != "none")) if isinstance(names, list | tuple) else names


ALIASES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "num_train_epochs": ("epochs", _same),
    "num_epochs": ("epochs", _same),
    "lr": ("learning_rate", _same),
    "max_steps": ("max_steps", _limit),
    "lr_scheduler_type": ("schedule.type", _schedule),
    "lr_scheduler": ("schedule.type", _schedule),
    "warmup_ratio": ("schedule.warmup_ratio", _same),
    "warmup_steps": ("schedule.warmup_steps", _same),
    "min_lr": ("schedule.final_learning_rate", _same),
    "final_learning_rate": ("schedule.final_learning_rate", _same),
    "eval_steps": ("validation.every_steps", _same),
    "validate_every_steps": ("validation.every_steps", _same),
    "metric_for_best_model": ("validation.metric", _metric),
    "early_stopping_patience": ("validation.patience", _same),
    "early_stopping_steps": ("validation.patience", _same),
    "early_stopping_threshold": ("validation.min_delta", _same),
    "bf16": ("compute.precision", _precision),
    "gradient_checkpointing": ("compute.checkpointing", _checkpointing),
    "save_optimizer": ("optimizer.save", _same),
    "cutoff_len": ("max_length", _same),
    "sequence_len": ("max_length", _same),
    "max_seq_length": ("max_length", _same),
    "max_seq_len": ("max_length", _same),
    "save_steps": ("save_every_steps", _same),
    "load_best_model_at_end": ("keep", _keep),
    "finetuning_type": ("method.type", _same),
    "tuner_type": ("method.type", _same),
    "train_type": ("method.type", _same),
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
    "stage": ("objective.type", _stage),
    "rlhf_type": ("objective.type", _same),
    "train_on_prompt": ("objective.train_on_prompt", _same),
    "train_on_inputs": ("objective.train_on_prompt", _same),
    "mask_history": ("objective.mask_history", _same),
    "pref_loss": ("objective.loss", _same),
    "pref_beta": ("objective.beta", _same),
    "rl_beta": ("objective.beta", _same),
    "dpo_label_smoothing": ("objective.label_smoothing", _same),
    "kto_chosen_weight": ("objective.desirable_weight", _same),
    "kto_rejected_weight": ("objective.undesirable_weight", _same),
    "peft_use_rslora": ("method.scaling", _scaling),
    "use_dora": ("method.dora", _same),
    "peft_use_dora": ("method.dora", _same),
    "init_lora_weights": ("method.init", _init),
    "peft_init_lora_weights": ("method.init", _init),
    "init_weights": ("method.init", _init),
    "pissa_init": ("method.init", _pissa),
    "loraplus_lr_ratio": ("method.rate_ratio", _same),
    "lorap_lr_ratio": ("method.rate_ratio", _same),
    "layers_to_transform": ("method.layers", _layers),
    "peft_layers_to_transform": ("method.layers", _layers),
    "quantization_bit": ("method.base", _bits),
    "quant_bits": ("method.base", _bits),
    "load_in_4bit": ("method.base", _four),
    "load_in_8bit": ("method.base", _eight),
    "num_virtual_tokens": ("method.tokens", _same),
    "prompt_tuning_num_virtual_tokens": ("method.tokens", _same),
    "ptuning_num_tokens": ("method.tokens", _same),
    "prompt_tuning_init_text": ("method.text", _same),
    "prompt_tuning_init": ("method.init", _begin),
    "encoder_hidden_size": ("method.hidden", _same),
    "encoder_reparameterization_type": ("method.encoder", _lower),
    "freeze_trainable_layers": ("method.last", _same),
    "adapter_length": ("method.width", _same),
    "adapter_act": ("method.activation", _lower),
    "bottleneck_size": ("method.width", _same),
    "loss_type": ("objective.loss", _same),
    "beta": ("objective.beta", _same),
    "label_smoothing": ("objective.label_smoothing", _same),
    "desirable_weight": ("objective.desirable_weight", _same),
    "undesirable_weight": ("objective.undesirable_weight", _same),
    "double_quantization": ("method.double_quantisation", _same),
    "fsdp": ("compute.sharding", _fsdp),
    "deepspeed": ("compute.deepspeed", _same),
    "bnb_4bit_use_double_quant": ("method.double_quantisation", _same),
}
"""Their key -> ours, and what becomes of the value."""

PRESETS: dict[str, dict[str, Any]] = {
    "rslora": {"type": "lora", "scaling": "rank_stabilised"},
    "dora": {"type": "lora", "dora": True},
    "pissa": {"type": "lora", "init": "pissa"},
    "lora_plus": {"type": "lora", "rate_ratio": 16.0},
    "lora_mlp": {"type": "lora", "targets": ["mlp"], "rank": 10},
    "qlora": {"type": "lora", "base": "nf4"},
}
"""Names of methods that are settings of another: what they say, and nothing else, is set."""

_factors = ("per_device_train_batch_size", "micro_batch_size", "gradient_accumulation_steps")
"""Their product is our `rows_per_step`."""


_said_otherwise = ("lr_scheduler_kwargs", "plot_loss")
"""Keys of theirs that become more than one of ours, or a part of one."""

_types: dict[str, dict[str, Any]] = {
    "freeze": {"type": "last_layers", "last": 2},
    "prefix_tuning": {"type": "prefix"},
    "prompt_tuning": {"type": "prompt"},
    "ptuning": {"type": "p_tuning"},
    "houlsby": {"type": "bottleneck"},
}
"""What others call a method, as `PRESETS`; LLaMA-Factory's `freeze` trains two layers unless told otherwise."""

_groups = ("method", "objective", "schedule", "validation", "compute", "optimizer")
"""Keys of ours that hold keys; a word in place of `method` or `schedule` is its type."""

_splitting = ("fsdp", "deepspeed")
"""Keys that split a model over processes; what is empty there splits nothing."""


def rename(value: Mapping[str, Any], *, own: Collection[str] = ()) -> dict[str, Any]:
    """`value` with every alias replaced by our key; aliases of `method.…` are taken inside `method` too.

    `method: lora` is short for `method: {type: lora}`, and so are `schedule: linear` and `objective: dpo`;
    `method: qlora` is short for what `PRESETS` says of it. An objective without a type is of the first one that knows
    its keys.

    Args:
        value: as it was read.
        own: our keys, for the likely one where a key is neither ours nor known; empty: that is left to the spec.

    Raises:
        UsageError: a key stands there under two names, or promises what is done otherwise here, or is nearly one.
    """
    value = without_what_is_so(value)
    theirs = {*ALIASES, *_factors, *REFUSED, *_splitting, *_said_otherwise}
    for key in value.keys() - theirs if own else ():
        suggest(key, own=own, theirs=theirs)
    result: dict[str, Any] = {key: item for key, item in value.items() if key not in theirs}
    for group in _groups:
        if group in result:
            _open(result, group)
    for key in (value.keys() & ALIASES.keys()) - {*_splitting}:
        _put(result, key, item=value[key])
    if isinstance(result.get("objective"), dict):
        result["objective"] = {"type": _owner(result["objective"]), **result["objective"]}
    _expand(result)
    if "report_to" in result:
        result["report_to"] = _trackers(result["report_to"])
    if value.get("plot_loss") and "curves" not in result.get("report_to", ()):
        result["report_to"] = [*result.get("report_to", ()), "curves"]
    _take_kwargs(result, value.get("lr_scheduler_kwargs") or {})
    _take_factors(result, {key: value[key] for key in _factors if key in value})
    for key in _splitting:
        if value.get(key):
            _put(result, key, item=value[key])
    for key in value.keys() & REFUSED.keys():
        refuse(key, value[key])
    return result


def _open(result: dict[str, Any], group: str) -> None:
    """Put what stands under `group` there as a mapping of our own keys, where it is not a spec already."""
    given = result[group]
    if isinstance(given, str) and group in ("method", "objective", "schedule"):
        result[group] = {"type": _schedule(given) if group == "schedule" else given}
    elif isinstance(given, Mapping):
        aliased = {
            key for key in given if ALIASES.get(key, ("",))[0].startswith(f"{group}.") and not _is_own(key, group)
        }
        result[group] = {key: item for key, item in given.items() if key not in aliased}
        for key in aliased:
            _put(result, key, item=given[key])


def _is_own(key: str, group: str) -> bool:
    """Whether an alias has the name that our key has inside its group, as `warmup_steps` has."""
    return ALIASES[key][0] == f"{group}.{key}"


def _take_kwargs(result: dict[str, Any], given: Mapping[str, Any]) -> None:
    """`lr_scheduler_kwargs`: `min_lr`, or `min_lr_rate` as a share of the peak; any other is refused as it stands."""
    rest = dict(given)
    if "min_lr" in rest:
        _put(result, "min_lr", item=rest.pop("min_lr"))
    if "min_lr_rate" in rest and "learning_rate" in result:
        _put(result, "min_lr", item=float(rest.pop("min_lr_rate")) * float(result["learning_rate"]))
    if rest:
        result["lr_scheduler_kwargs"] = rest


def _take_factors(result: dict[str, Any], factors: Mapping[str, Any]) -> None:
    if not factors:
        return
    if "rows_per_step" in result:
        raise UsageError("tune.key_twice", key="rows_per_step", alias=next(iter(factors)))
    result["rows_per_step"] = math.prod(int(count) for count in factors.values())


def _expand(result: dict[str, Any]) -> None:
    """A preset's name as the type, with keys of its own beside it: what is given wins."""
    method = result.get("method")
    if isinstance(method, Mapping) and "adalora" in (str(method.get(key)).lower() for key in ("type", "peft_type")):
        raise UsageError("tune.no_adalora")
    known = {**PRESETS, **_types}
    if isinstance(method, Mapping) and method.get("type") in known:
        result["method"] = {**known[method["type"]], **{key: item for key, item in method.items() if key != "type"}}


def _put(result: dict[str, Any], alias: str, *, item: Any) -> None:
    path, change = ALIASES[alias]
    parent, _, leaf = path.rpartition(".")
    here = result
    if parent:
        given = result.get(parent, {})
        here = given.model_dump(exclude_unset=True) if isinstance(given, Spec) else dict(given)
        result[parent] = here
    if leaf in here:
        raise UsageError("tune.key_twice", key=path, alias=alias)
    here[leaf] = change(item)


def _owner(objective: Mapping[str, Any]) -> str:
    """The objective that is meant where only its keys stand there: answers, or the first one that has them all."""
    members = (AnswersObjective, DpoObjective, KtoObjective, TextObjective, OrpoObjective, ClassifyObjective)
    fitting = (member for member in members if objective.keys() <= member.model_fields.keys())
    return str(next(fitting, AnswersObjective).model_fields["type"].default)
