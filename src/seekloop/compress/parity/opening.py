"""Opens a form that is still a draft, by the engine that will serve it, and asks what it finds likely.

A further form is a function here and an entry in `_openings`. Its `Teller` gets whole sequences: an engine that gives
logits needs no more than `normalised`.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from seekloop.artifact.kinds import Checkpoint, Form
from seekloop.artifact.store import Store
from seekloop.compress.parity.prompts import Probe
from seekloop.compress.parity.tables import Array
from seekloop.model.codec import Codec
from seekloop.runtime import models
from seekloop.runtime.generate.bridge import Blocking
from seekloop.runtime.generate.llamacpp import LlamaCpp
from seekloop.runtime.generate.openvino_start import rounding_of
from seekloop.runtime.onnx_model import OnnxModel
from seekloop.runtime.openvino_ir import IrModel
from seekloop.runtime.train.classifiers import open_head, predict, read_classes
from seekloop.runtime.weights import open_model
from seekloop.system import settings
from seekloop.system.errors import ModelError

__all__ = ["Drafted", "Teller", "normalised", "open_draft", "open_parent"]

_context = 256
_small = 2**30
"""Bytes of a file that one thread reads fast enough: two threads that wait for each other are slow on busy cores."""
_told_ids = 4096
"""Of a larger vocabulary llama.cpp tells the likeliest: the whole table would take a third of a second a place."""


@dataclass(frozen=True, kw_only=True)
class Drafted:
    """A form in a folder, with its codec."""

    form: Form
    precision: str
    """Of its weights: an engine may round more beside few bits."""
    folder: Path
    width: int
    """Ids of the parent's vocabulary, padding included."""


@dataclass(frozen=True)
class Teller:
    """A model that is open."""

    name: str
    """Engine and version."""
    tell: Callable[[Probe], Array]
    """Log-probabilities at the places of a probe, [places, width]; a classifier's in the shape of `tables.Array`."""

    def all(self, probes: Sequence[Probe]) -> Array:
        """The places of all probes, one under the other."""
        return np.concatenate([self.tell(probe) for probe in probes])


def open_draft(draft: Drafted) -> AbstractContextManager[Teller]:
    """The form, open inside the block.

    Raises:
        ModelError: no engine here opens this form.
        EngineError: the engine does not open these files.
        MissingPackage: the engine is not installed.
    """
    if draft.form not in _openings:
        raise ModelError("compress.parity_unopened", form=draft.form, known=", ".join(_openings))
    return _openings[draft.form](draft)


@contextlib.contextmanager
def open_parent(checkpoint: Checkpoint, *, store: Store) -> Iterator[Teller]:
    """The checkpoint that is compressed: torch, fp32, as it was trained.

    Raises:
        ArtifactError: it, or its base, is not in the store.
    """
    yield _torch(models.load(checkpoint, store=store), folder=store.folder(checkpoint.id))


def normalised(logits: Array) -> Array:
    """Log-probabilities of logits, [..., ids]."""
    moved = logits - logits.max(-1, keepdims=True)
    found: Array = moved - np.log(np.exp(moved).sum(-1, keepdims=True))
    return found


@contextlib.contextmanager
def _full(draft: Drafted) -> Generator[Teller, None, None]:
    model = open_model(draft.folder)
    open_head(model, draft.folder)
    yield _torch(model, folder=draft.folder)


def _torch(model: nn.Module, *, folder: Path) -> Teller:
    classes = read_classes(folder)
    if classes is not None:
        return _classifier(model, several=classes.several)

    @torch.inference_mode()
    def tell(probe: Probe) -> Array:
        logits = model(input_ids=torch.tensor([probe.ids]), use_cache=False).logits[0, list(probe.places)]
        return normalised(logits.double().numpy())

    return Teller(f"torch {torch.__version__}", tell)


def _classifier(model: nn.Module, *, several: bool) -> Teller:
    """Asked at the end of a probe: [1, classes]; where a text may have several, [1, classes, it has it or not]."""

    def tell(probe: Probe) -> Array:
        (scores,) = predict(model, [probe.ids], pad=0)
        logits = scores.double().numpy()
        return normalised(np.stack((logits, np.zeros_like(logits)), -1) if several else logits)[None]

    return Teller(f"torch {torch.__version__}", tell)


@contextlib.contextmanager
def _gguf(draft: Drafted) -> Generator[Teller, None, None]:
    """One place after another in the only stream, which goes on from what it has read."""
    file = draft.folder / "model.gguf"
    engine = LlamaCpp.start(
        file,
        stop_ids=Codec.open(draft.folder).stop_ids,
        threads=1 if file.stat().st_size < _small else settings.threads(),
        streams=1,
        context=_context,
        prefix_cache=True,
    )
    with Blocking(engine, streams=1) as running:

        def tell(probe: Probe) -> Array:
            found = np.full((len(probe.places), draft.width), np.nan)
            for row, place in enumerate(probe.places):
                table = running.run(engine.likeliest(probe.ids[: place + 1], most=_told_ids))
                for id_, logprob in table.items():
                    if id_ < draft.width:
                        found[row, id_] = logprob
            return found

        yield Teller(engine.name, tell)


@contextlib.contextmanager
def _rounded(draft: Drafted) -> Generator[Teller, None, None]:
    yield _torch(models.open_rounded(draft.folder, form=draft.form), folder=draft.folder)


@contextlib.contextmanager
def _openvino(draft: Drafted) -> Generator[Teller, None, None]:
    path, rounding = draft.folder / "openvino_model.xml", rounding_of(draft.precision)
    model = IrModel(path, threads=settings.threads(), rounding=rounding)
    yield _by_logits(model.logits, name="openvino")


@contextlib.contextmanager
def _onnx(draft: Drafted) -> Generator[Teller, None, None]:
    model = OnnxModel(draft.folder / "model.onnx", threads=settings.threads())
    yield _by_logits(model.logits, name="onnxruntime")


def _by_logits(logits: Callable[[Sequence[int]], npt.NDArray[np.float32]], *, name: str) -> Teller:
    def tell(probe: Probe) -> Array:
        return normalised(logits(probe.ids)[list(probe.places)].astype(np.float64))

    return Teller(f"{name} {importlib.metadata.version(name)}", tell)


_openings: Mapping[Form, Callable[[Drafted], AbstractContextManager[Teller]]] = MappingProxyType(
    {
        "full": _full,
        "gguf": _gguf,
        "compressed-tensors": _rounded,
        "bitsandbytes": _rounded,
        "openvino": _openvino,
        "onnx": _onnx,
    }
)
