"""Keys of other trainers that are no setting here: what is so anyway, and what is said in another place."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from seekloop.system.errors import UsageError

__all__ = ["REFUSED", "refuse", "suggest", "without_what_is_so"]

_never = (False, None, 0, 0.0, "", "none")
_on = (True,)
_adamw = ("adamw", "adamw_torch", "adamw_torch_fused")

_so: Mapping[str, tuple[Any, ...]] = MappingProxyType(
    {
        "bnb_4bit_quant_type": ("nf4",),
        "quantization_type": ("nf4",),
        "quantization_method": ("bnb", "bitsandbytes", "bitsandbytes_4bit"),
        "bnb_4bit_compute_dtype": ("float32", "fp32"),
        "optim": _adamw,
        "optimizer": _adamw,
        "adam_beta1": (0.9,),
        "adam_beta2": (0.999,),
        "adam_epsilon": (1e-8,),
        "do_train": _on,
        "do_eval": _on,
        "assistant_only_loss": _on,
        "completion_only_loss": _on,
        "group_by_length": _on,
        "lora_target_linear": _on,
        "logging_first_step": _on,
        "include_num_input_tokens_seen": _on,
        "logging_strategy": ("steps", "epoch"),
        "save_strategy": ("steps", "epoch", "best"),
        "eval_strategy": ("steps", "epoch", "no"),
        "evaluation_strategy": ("steps", "epoch", "no"),
        "evals_per_epoch": (1,),
        "task_type": ("CAUSAL_LM", "causal_lm"),
        "bias": ("none",),
        "lora_bias": ("none",),
        "flash_attn": ("auto", "disabled", "sdpa"),
        "attn_impl": ("auto", "sdpa"),
        "attn_implementation": ("auto", "sdpa"),
        **dict.fromkeys(
            (
                *("fp16", "tf32", "trust_remote_code", "padding_free", "pad_to_sequence_len", "eval_packing"),
                *("flash_attention", "use_liger_kernel", "enable_liger_kernel", "liger_kernel", "use_unsloth"),
                *("neftune_noise_alpha", "label_smoothing_factor", "fan_in_fan_out", "lora_fan_in_fan_out"),
                *("push_to_hub", "use_badam", "use_galore", "use_apollo", "lora_modules_to_save"),
            ),
            _never,
        ),
    }
)
"""Key -> values that say what is so here anyway; with another value the key is refused as unknown."""

_harmless = (
    *("logging_steps", "save_total_limit", "per_device_eval_batch_size", "eval_batch_size", "eval_accumulation_steps"),
    *("dataloader_num_workers", "dataloader_pin_memory", "dataset_num_proc", "preprocessing_num_workers", "log_level"),
    *("ddp_timeout", "ddp_find_unused_parameters", "remove_unused_columns", "disable_tqdm", "save_safetensors"),
    *("overwrite_cache", "gradient_checkpointing_kwargs", "save_only_model"),
)
"""Whatever they say, it is kept or changes nothing: every step is recorded, the last two checkpoints are held while a
run goes on, batches of validation rows are cut as memory allows."""

REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "packing": "tune.no_packing",
        "neat_packing": "tune.no_packing",
        "sample_packing": "tune.no_packing",
        "resume_from_checkpoint": "tune.resume_key",
        **dict.fromkeys(
            (
                *("model_name_or_path", "model", "base_model", "adapter_name_or_path", "adapters", "ref_model"),
                *("output_dir", "overwrite_output_dir", "logging_dir", "run_name", "seed", "data_seed"),
                *("wandb_project", "wandb_entity", "wandb_name", "swanlab_project", "swanlab_run_name", "hub_model_id"),
            ),
            "tune.key_of_run",
        ),
        **dict.fromkeys(
            (
                *("dataset", "datasets", "dataset_dir", "dataset_name", "dataset_path", "dataset_text_field"),
                *("eval_dataset", "val_dataset", "val_size", "val_set_size", "split_dataset_ratio", "max_samples"),
                *("template", "chat_template", "template_type", "system", "mix_strategy", "interleave_probs"),
                *("shuffle_merged_datasets", "dataset_prepared_path", "streaming", "tokenized_path"),
            ),
            "tune.key_of_data",
        ),
    }
)
"""Keys that promise something of theirs which is done otherwise here, or said in another place: code of the answer."""


def without_what_is_so(value: Mapping[str, Any]) -> dict[str, Any]:
    """`value` without the keys that say what is so anyway, or change nothing."""
    return {key: item for key, item in value.items() if key not in _harmless and not _is_so(key, item)}


def refuse(key: str, value: Any) -> None:
    """Say what is done instead of the key, or where it is said.

    `false`, null and what is empty ask for nothing. `resume_from_checkpoint: true` is what happens anyway.

    Raises:
        UsageError: the key asks for something.
    """
    if value in (None, False, "", []) or (key == "resume_from_checkpoint" and value is True):
        return
    raise UsageError(REFUSED[key], key=key, value=value)


def suggest(key: str, *, own: Collection[str], theirs: Collection[str]) -> None:
    """Name the key of another trainer that was most likely meant, where it is nearer than any of ours.

    Raises:
        UsageError: there is one.
    """
    found = difflib.get_close_matches(key, [*own, *theirs], n=1, cutoff=0.75)
    if key not in own and found and found[0] not in own:
        raise UsageError(
            "system.spec_unknown_key",
            key=key,
            spec="TuneSpec",
            suggestion=f"; did you mean {found[0]}?",
            known=", ".join(sorted(own)),
        )


def _is_so(key: str, value: Any) -> bool:
    given = value if isinstance(value, str | int | float | bool | None) else "something else"
    return given in _so.get(key, ())
