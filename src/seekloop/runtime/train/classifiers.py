"""Classifiers: a language model with a linear head on the state of the prompt's last token, in transformers' form.

A whole checkpoint opens with `AutoModelForSequenceClassification`, an adapter with PEFT as one for `SEQ_CLS`; both give
the same scores. What the classes are called stands in `classes.json` too, which says that a checkpoint is a classifier.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from seekloop.model.codec import View
from seekloop.runtime.train.batching import IGNORED, collate
from seekloop.runtime.train.loss import last_states
from seekloop.text.labelled import join_labels

__all__ = [
    "Classes",
    "add_head",
    "class_scores",
    "copy_head",
    "open_head",
    "predict",
    "prompt_view",
    "read_classes",
    "write_classifier",
]

_file, _head = "classes.json", "score"
_adapter_key = f"base_model.model.{_head}.weight"
_threshold = 0.5
_together = 16


class Classes(BaseModel):
    """`classes.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    names: tuple[str, ...]
    """In the order of the head's outputs."""
    several: bool = False
    """Whether a text may have any number of them."""

    def label(self, scores: Tensor) -> str:
        """The label that scores [classes] mean; of several, those whose probability is a half at least, joined."""
        if not self.several:
            return self.names[int(scores.argmax())]
        found = (name for name, value in zip(self.names, scores.sigmoid().tolist(), strict=True) if value >= _threshold)
        return join_labels(found) or ""


def read_classes(folder: Path) -> Classes | None:
    """The classes of the checkpoint in `folder`; None: it is no classifier."""
    path = folder / _file
    return Classes.model_validate_json(path.read_bytes()) if path.is_file() else None


def add_head(model: nn.Module, *, count: int, seed: int) -> None:
    """Give a model a head for `count` classes, as transformers begins one, where it has none; make it trainable.

    The head that writes tokens takes no part any more: where it is no one else's weight it is not trained.
    """
    if _head not in dict(model.named_children()):
        head = nn.Linear(model.config.hidden_size, count, bias=False)
        generator = torch.Generator().manual_seed(seed)
        nn.init.normal_(head.weight, std=model.config.initializer_range, generator=generator)
        model.register_module(_head, head)
    model.get_submodule(_head).requires_grad_(True)
    written, read = model.get_output_embeddings(), model.get_input_embeddings()
    if written.weight is not read.weight:
        written.requires_grad_(False)


def open_head(model: nn.Module, folder: Path) -> None:
    """Give `model` the head of the checkpoint in `folder`, where that is a classifier."""
    classes = read_classes(folder)
    if classes is None:
        return
    add_head(model, count=len(classes.names), seed=0)
    with torch.no_grad():
        model.get_parameter(f"{_head}.weight").copy_(_read_head(folder))


def class_scores(model: nn.Module, views: Sequence[View], *, pad: int, sharing: bool = True) -> Tensor:
    """[views, classes]: the head's outputs for prompts."""
    scores: Tensor = model.get_submodule(_head)(last_states(model, collate(views, pad=pad, sharing=sharing)))
    return scores


def predict(model: nn.Module, prompts: Sequence[tuple[int, ...]], *, pad: int) -> Iterator[Tensor]:
    """The scores [classes] of each prompt, in order; prompts of similar lengths go through the model together."""
    order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
    found: dict[int, Tensor] = {}
    for begin in range(0, len(order), _together):
        places = order[begin : begin + _together]
        views = [prompt_view(str(place), prompts[place]) for place in places]
        with torch.inference_mode():
            found |= zip(places, class_scores(model, views, pad=pad), strict=True)
    return (found[place] for place in range(len(prompts)))


def prompt_view(row: str, ids: tuple[int, ...]) -> View:
    """A prompt as a view without labelled tokens."""
    return View(row=row, turn=0, ids=ids, labels=(IGNORED,) * len(ids))


def write_classifier(model: nn.Module, folder: Path, *, classes: Classes, pad: int) -> int:
    """Turn what a method wrote into `folder` into a classifier; returns how many weights it has.

    Args:
        model: with its head.
        folder: holds a whole model, or an adapter in PEFT's format.
        classes: of the head.
        pad: id that the rows of a batch are filled up with, which transformers takes the last token by.
    """
    return _write_head(model.get_parameter(f"{_head}.weight").detach(), folder, classes=classes, pad=pad)


def copy_head(origin: Path, folder: Path, *, pad: int) -> int:
    """Turn the model in `folder` into a classifier with the head of the one in `origin`; else as `write_classifier`."""
    classes = read_classes(origin)
    assert classes is not None
    return _write_head(_read_head(origin), folder, classes=classes, pad=pad)


def _read_head(folder: Path) -> Tensor:
    name, key = _weights_of(folder)
    with safe_open(folder / name, framework="pt") as file:
        weight: Tensor = file.get_tensor(key)
    return weight


def _write_head(weight: Tensor, folder: Path, *, classes: Classes, pad: int) -> int:
    name, key = _weights_of(folder)
    weights = {part: value for part, value in load_file(folder / name).items() if part != "lm_head.weight"}
    weights[key] = weight.contiguous()
    save_file(weights, folder / name, metadata={"format": "pt"})
    if key == _adapter_key:
        _change(folder / "adapter_config.json", {"task_type": "SEQ_CLS", "modules_to_save": [_head]})
    else:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        made = config["architectures"][0].replace("ForCausalLM", "ForSequenceClassification")
        labels = {str(place): label for place, label in enumerate(classes.names)}
        _change(
            folder / "config.json",
            {
                "architectures": [made],
                "id2label": labels,
                "label2id": {label: place for place, label in enumerate(classes.names)},
                "problem_type": f"{'multi' if classes.several else 'single'}_label_classification",
                "pad_token_id": pad,
            },
        )
        (folder / "generation_config.json").unlink(missing_ok=True)
    (folder / _file).write_text(classes.model_dump_json(indent=1) + "\n", "utf-8")
    return sum(value.numel() for value in weights.values())


def _weights_of(folder: Path) -> tuple[str, str]:
    """The file that holds the head, and its name there."""
    if (folder / "adapter_config.json").is_file():
        return "adapter_model.safetensors", _adapter_key
    return "model.safetensors", f"{_head}.weight"


def _change(path: Path, values: dict[str, object]) -> None:
    value = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**value, **values}, indent=2, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")
