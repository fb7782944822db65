"""Adapters of PEFT's own making: its layers inside our model, its folder, and its way of merging.

PEFT changes the model that it wraps in place. We keep the model, train it in our loop, and use the wrapper for what it
alone knows: which tensors are the adapter's, under which names.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM

from seekloop.artifact.kinds import Form
from seekloop.runtime.train.methods.lora_config import CONFIG_FILE, HEAD, WEIGHTS_FILE
from seekloop.runtime.train.methods.method import freeze, trainable
from seekloop.system import lazy, seeds
from seekloop.system.errors import ModelError, TrainError
from seekloop.system.loading import one_at_a_time

__all__ = [
    "PeftKind",
    "check_config",
    "config_keys",
    "merged_weights",
    "open_adapter",
    "opens",
    "trainable_kinds",
    "weights_of",
]

_not_inside = ("ADALORA", "ADAPTION_PROMPT", "LORA", "OSF", "POLY", "SHADOW", "TRAINABLE_TOKENS", "XLORA")
"""AdaLoRA wants a call after each step, LoRA is ours, Poly wants a task a row, the others change more than layers."""
_sampling = ("PVERA",)
"""Kinds that draw numbers in each forward pass of training, whatever their dropout."""
_circumstances = ("auto_mapping", "peft_version", "revision")


class PeftKind:
    """The method: freezes the model and puts PEFT's layers of one kind on it.

    Args:
        kind: `peft_type`.
        config: fields of PEFT's config for it.
        base: id of the base checkpoint, for `adapter_config.json`.
        parent: folder of an adapter that is trained on; its own config is kept.
    """

    form: Form = "adapter"

    def __init__(self, kind: str, config: Mapping[str, Any], *, base: str, parent: Path | None = None) -> None:
        self._kind, self._config, self._base, self._parent = kind, dict(config), base, parent
        self._wrapped: Any = None

    def apply(self, model: nn.Module, *, seed: int) -> None:
        """Inject PEFT's layers; a model that carries them from its folder gives them up first.

        Raises:
            TrainError: PEFT refuses the config for this model.
        """
        peft = _peft()
        freeze(model)
        _take_off(model)
        with _quiet(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seeds.derive(seed, "train", "peft", self._kind))
            if self._parent is not None:
                self._wrapped = _from_folder(model, self._parent, trainable=True)
            else:
                self._wrapped = self._fresh(peft, model)
        for layer in model.modules():
            if isinstance(layer, peft.tuners.tuners_utils.BaseTunerLayer):
                layer.train()

    def _fresh(self, peft: ModuleType, model: nn.Module) -> Any:
        with _refusals(self._kind):
            config = peft.get_peft_config({"peft_type": self._kind, "task_type": "CAUSAL_LM", **self._config})
            wrapped = peft.get_peft_model(model, config)
            _try_out(model)
        return wrapped

    def draws(self) -> bool:
        """Where the config has a dropout, or the kind samples."""
        config = self._wrapped.active_peft_config.to_dict() if self._wrapped is not None else self._config
        return self._kind in _sampling or any(value for key, value in config.items() if "dropout" in key)

    def export(self, model: nn.Module, folder: Path) -> int:
        """Write PEFT's two files; returns how many weights they hold."""
        weights: dict[str, Tensor] = _peft().get_peft_model_state_dict(self._wrapped, save_embedding_layers=False)
        weights = {name: value.detach().contiguous().clone() for name, value in weights.items()}
        save_file(weights, folder / WEIGHTS_FILE, metadata={"format": "pt"})
        config = _plain(self._wrapped.active_peft_config.to_dict())
        config |= {"base_model_name_or_path": self._base, "inference_mode": True}
        kept = {key: value for key, value in config.items() if key not in _circumstances}
        (folder / CONFIG_FILE).write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", "utf-8")
        return sum(value.numel() for value in weights.values())


def opens(kind: str) -> bool:
    """Whether PEFT has adapters of this kind that live inside the model, which excludes those made of virtual tokens.

    Raises:
        MissingPackage: PEFT is not installed.
    """
    config = _peft().mapping.PEFT_TYPE_TO_CONFIG_MAPPING.get(kind)
    return config is not None and not issubclass(config, _peft().PromptLearningConfig)


def trainable_kinds() -> tuple[str, ...]:
    """Names of the kinds that run inside our loop.

    Raises:
        MissingPackage: PEFT is not installed.
    """
    names = (str(kind.value) for kind in _peft().mapping.PEFT_TYPE_TO_CONFIG_MAPPING)
    return tuple(sorted(name for name in names if name not in _not_inside and opens(name)))


def check_config(kind: str, config: Mapping[str, Any]) -> None:
    """Whether PEFT has this kind, and fields of these names for it.

    Raises:
        TrainError: it does not, or the kind does not run in our loop; the likely name is suggested.
        MissingPackage: PEFT is not installed.
    """
    known = trainable_kinds()
    if kind not in known:
        suggestion = _suggest(kind, known)
        raise TrainError("train.peft_kind", kind=kind, suggestion=suggestion, known=", ".join(known))
    fields = config_keys(kind)
    for key in config:
        if key not in fields:
            suggestion = _suggest(key, fields)
            raise TrainError("train.peft_key", kind=kind, key=key, suggestion=suggestion, known=", ".join(fields))


def config_keys(kind: str) -> list[str]:
    """Fields of PEFT's config for this kind.

    Raises:
        MissingPackage: PEFT is not installed.
    """
    own = _peft().mapping.PEFT_TYPE_TO_CONFIG_MAPPING[kind]
    return sorted(each.name for each in dataclasses.fields(own) if each.init)


def weights_of(kind: str, config: Mapping[str, Any], *, model_config: Mapping[str, Any]) -> int:
    """How many weights an adapter of this kind trains on a model of such a shape, which is built without memory.

    Args:
        kind: `peft_type`.
        config: fields of PEFT's config for it.
        model_config: as in the model's config.json.

    Raises:
        TrainError: PEFT refuses the config, or begins from the weights themselves.
        MissingPackage: PEFT is not installed.
    """
    peft, sizes = _peft(), dict(model_config)
    with one_at_a_time(), _quiet(), _refusals(kind), torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(sizes.pop("model_type"), **sizes))
        freeze(model)
        peft.get_peft_model(model, peft.get_peft_config({"peft_type": kind, "task_type": "CAUSAL_LM", **config}))
    return sum(value.numel() for value in trainable(model).values())


def open_adapter(model: nn.Module, folder: Path) -> None:
    """Put the adapter in `folder`, of any kind that PEFT keeps inside the model, on `model`, which is its base.

    Raises:
        ModelError: it does not fit this model.
        MissingPackage: PEFT is not installed.
    """
    with _quiet():
        _from_folder(model, folder, trainable=False)


def merged_weights(model: nn.Module, folder: Path) -> dict[str, Tensor]:
    """All weights of `model` with the adapter in `folder` folded in, by their names in the base.

    Raises:
        ModelError: the adapter does not fit, or PEFT cannot merge its kind.
        MissingPackage: PEFT is not installed.
    """
    with _quiet(), torch.no_grad():
        wrapped = _from_folder(model, folder, trainable=False)
        try:
            merged = wrapped.merge_and_unload(safe_merge=True)
        except (ValueError, AttributeError, NotImplementedError, TypeError) as error:
            kind = str(wrapped.active_peft_config.peft_type.value)
            problem = str(error).splitlines()[0]
            raise ModelError("train.not_mergeable", kind=kind, problem=problem) from error
    return dict(merged.state_dict())


def _from_folder(model: nn.Module, folder: Path, *, trainable: bool) -> Any:
    peft = _peft()
    # The wrapper's own loader counts missing tensors as a warning; here they are a wrong base.
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*(missing|unexpected).*keys", category=UserWarning)
        try:
            weights = load_file(folder / WEIGHTS_FILE)
            if HEAD in weights:
                del weights[HEAD]
                return _without_head(model, folder, weights=weights, trainable=trainable)
            return peft.PeftModel.from_pretrained(model, str(folder), is_trainable=trainable)
        except (ValueError, RuntimeError, KeyError, UserWarning) as error:
            problem = str(error).splitlines()[0][:200]
            raise ModelError("train.adapter_not_opened", problem=problem, folder=folder) from error


def _without_head(model: nn.Module, folder: Path, *, weights: dict[str, Tensor], trainable: bool) -> Any:
    """The adapter of a classifier, on the language model: its head is opened where every classifier's is."""
    config = _peft().PeftConfig.from_pretrained(str(folder))
    config.task_type, config.modules_to_save, config.inference_mode = "CAUSAL_LM", None, not trainable
    wrapped = _peft().get_peft_model(model, config)
    outcome = _peft().set_peft_model_state_dict(wrapped, weights)
    if outcome.unexpected_keys:
        raise ValueError(f"unexpected keys: {', '.join(outcome.unexpected_keys)}")
    return wrapped


@contextmanager
def _refusals(kind: str) -> Iterator[None]:
    """What PEFT says against a config, as a sentence."""
    try:
        yield
    except (ValueError, TypeError, KeyError, NotImplementedError, ImportError, RuntimeError) as error:
        problem = (str(error).splitlines() or [type(error).__name__])[0]
        raise TrainError("train.peft_refused", kind=kind, problem=problem) from error


@torch.no_grad()
def _try_out(model: nn.Module) -> None:
    """Two tokens through the model: some kinds fail only then, on layers of a shape that they do not take."""
    model.get_decoder()(input_ids=torch.zeros(1, 2, dtype=torch.long), use_cache=True)


def _take_off(model: nn.Module) -> None:
    """Put the layers back that PEFT's stand for."""
    for name, layer in list(model.named_modules()):
        if isinstance(layer, _peft().tuners.tuners_utils.BaseTunerLayer):
            parent, _, leaf = name.rpartition(".")
            model.get_submodule(parent).register_module(leaf, layer.get_base_layer())


def _peft() -> ModuleType:
    return lazy.need("peft", extra="peft")


def _suggest(given: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(given, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _plain(value: Any) -> Any:
    """Of PEFT's config as JSON has it: enumerations by their value, sets in order."""
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value.value) if isinstance(value, _peft().PeftType) else value


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep PEFT's advice off the terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
