"""Opens the backend that fits a checkpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.model.codec import Codec
from seekloop.runtime.generate import choice
from seekloop.runtime.generate.backend import Backend
from seekloop.runtime.generate.backend_async import AsyncBackend
from seekloop.runtime.generate.bridge import Awaited, Blocking
from seekloop.runtime.generate.choice import Choice
from seekloop.runtime.generate.dials import Dials
from seekloop.runtime.generate.echo import EchoBackend
from seekloop.runtime.generate.engine_scorer import EngineScorer
from seekloop.runtime.generate.engines import EngineChoice, EngineName
from seekloop.runtime.generate.likelihood import Scorer
from seekloop.runtime.generate.llamacpp import LlamaCpp
from seekloop.runtime.generate.openvino_start import start_openvino
from seekloop.runtime.generate.sandbox import Mode
from seekloop.runtime.onnx_model import OnnxModel
from seekloop.system import digests, lazy, settings
from seekloop.system.errors import EngineError

if TYPE_CHECKING:
    from seekloop.runtime.generate.onnx_backend import OnnxBackend

__all__ = ["engines_for", "open_async", "open_backend", "open_engine", "open_scorer"]

_llamacpp_streams = 16
_openvino_streams = 32
_usual: Mapping[str, EngineName] = MappingProxyType({"gguf": "llamacpp", "openvino": "openvino", "onnx": "onnx"})
_runs: Mapping[str, tuple[tuple[str, ...], str]] = MappingProxyType(
    {
        "torch": (("full", "adapter", "compressed-tensors", "bitsandbytes"), "runtime.needs_weights"),
        "llamacpp": (("gguf",), "runtime.needs_gguf"),
        "openvino": (("openvino", "gguf"), "runtime.needs_openvino"),
        "onnx": (("onnx",), "runtime.needs_onnx"),
    }
)
"""Forms that an engine runs, and what is said of others."""


def open_backend(
    checkpoint: Checkpoint,
    *,
    store: Store,
    engine: EngineChoice = "auto",
    threads: int | None = None,
    streams: int | None = 8,
    context: int = 2048,
) -> Backend:
    """A backend that holds `checkpoint` and answers reproducibly. Close it, or use it as a context manager.

    Args:
        checkpoint: of any form.
        store: where it, and an adapter's base, are.
        engine: "auto" takes what `seekloop bench engines` found fastest here; without that it runs the gguf form on
            llama.cpp, the openvino and onnx forms on OpenVINO and onnxruntime, and all others on torch.
        threads: CPU threads; None: as many as this process may use. For torch they hold for the whole process.
        streams: prompts answered at the same time; None: as many as are fastest on the engine and fit the memory.
        context: tokens of prompt and answer together.

    Raises:
        EngineError: the engine does not run this form, or does not start.
        ArtifactError: the checkpoint, or its base, is not in the store.
        MissingPackage: the engine is not installed.
    """
    chosen, measured = _choose(engine, checkpoint, store=store)
    if measured is not None:
        threads, streams = threads or measured.threads, streams or measured.streams
    if chosen == "llamacpp":
        streams = streams or _llamacpp_streams
        core = _llamacpp(checkpoint, store=store, dials=Dials(threads=threads, streams=streams, context=context))
        return Blocking(core, streams=streams)
    if chosen == "openvino":
        streams = streams or _openvino_streams
        dials = Dials(threads=threads, streams=streams, context=context)
        ready = start_openvino(checkpoint, store=store, dials=dials)
        return Blocking(ready, streams=streams)
    return _in_process(checkpoint, chosen, store=store, threads=threads, streams=streams, context=context)


def open_async(
    checkpoint: Checkpoint,
    *,
    store: Store,
    engine: EngineChoice = "auto",
    threads: int | None = None,
    streams: int = 8,
    context: int = 2048,
    prefix_cache: bool = False,
    sandbox: Mode = "off",
) -> AsyncBackend:
    """As `open_engine`, with the dials one by one."""
    dials = Dials(threads=threads, streams=streams, context=context, prefix_cache=prefix_cache, sandbox=sandbox)
    return open_engine(checkpoint, store=store, engine=engine, dials=dials)


def open_engine(checkpoint: Checkpoint, *, store: Store, engine: EngineChoice, dials: Dials) -> AsyncBackend:
    """As `open_backend`, awaited. It blocks while it loads: call it on a thread, and use the result on one event loop.

    Args:
        checkpoint: of any form.
        store: where it, and an adapter's base, are.
        engine: "auto" takes what `seekloop bench engines` found fastest here; without that it runs the gguf form on
            llama.cpp, the openvino and onnx forms on OpenVINO and onnxruntime, and all others on torch.
        dials: how it is run. Threads of torch hold for the whole process. llama.cpp and OpenVINO alone know
            `prefix_cache`, `sandbox` ("require" refuses the others) and `draft`, which the others refuse.

    Raises:
        EngineError: the engine does not run this form, has not what a dial asks for, or does not start.
        ArtifactError: the checkpoint, or its base, is not in the store.
        MissingPackage: the engine is not installed.
    """
    chosen, measured = _choose(engine, checkpoint, store=store)
    if measured is not None:
        dials = dataclasses.replace(dials, threads=dials.threads or measured.threads)
    if chosen == "llamacpp":
        return _llamacpp(checkpoint, store=store, dials=dials)
    if chosen == "openvino":
        return start_openvino(checkpoint, store=store, dials=dials)
    if dials.sandbox == "require":
        raise EngineError("sandbox.in_process", engine=chosen)
    if dials.draft is not None:
        raise EngineError("drafting.cannot", engine=chosen, way="model" if dials.draft.model else "prompt")
    streams = dials.streams
    backend = _in_process(
        checkpoint, chosen, store=store, threads=dials.threads, streams=streams, context=dials.context
    )
    return Awaited(backend, streams=streams)


def open_scorer(
    checkpoint: Checkpoint,
    *,
    store: Store,
    engine: EngineChoice = "auto",
    threads: int | None = None,
    context: int = 2048,
) -> Scorer:
    """What tells the log-probabilities that `checkpoint` gives. Close it, or use it as a context manager.

    Args:
        checkpoint: of any form with weights.
        store: where it, and an adapter's base, are.
        engine: "auto" takes what `seekloop bench engines` found fastest here; without that it runs the gguf form on
            llama.cpp, the openvino and onnx forms on OpenVINO and onnxruntime, and all others on torch.
        threads: CPU threads; None: as many as this process may use. For torch they hold for the whole process.
        context: tokens of a context and what follows it together.

    Raises:
        EngineError: the engine does not run this form, does not start, or tells no log-probabilities.
        ArtifactError: the checkpoint, or its base, is not in the store.
        MissingPackage: the engine is not installed.
    """
    # A measured choice is one for generating: scoring keeps to the form's own engine.
    chosen, _ = _choose(_usual.get(checkpoint.form, "torch") if engine == "auto" else engine, checkpoint, store=store)
    if chosen == "llamacpp":
        return EngineScorer(
            LlamaCpp.start(
                store.path(checkpoint.id, "model.gguf"),
                stop_ids=_rarely_scored(Codec.open(store.folder(checkpoint.id))),
                threads=threads or settings.threads(),
                streams=1,
                context=context,
                prefix_cache=True,
            )
        )
    if chosen == "openvino" and checkpoint.form == "openvino":
        dials = Dials(threads=threads, streams=1, context=context)
        return EngineScorer(start_openvino(checkpoint, store=store, dials=dials))
    if chosen == "onnx":
        return _onnx(checkpoint, store=store, threads=threads, streams=1, context=context)
    if chosen in ("echo", "openvino"):
        raise EngineError("runtime.no_likelihoods", engine=f"{chosen} ({checkpoint.form})")
    model, classes = _torch_model(checkpoint, store=store, threads=threads)
    if classes is not None:
        raise EngineError("runtime.no_likelihoods", engine="torch classifier")
    scorers = lazy.need("seekloop.runtime.generate.torch_scorer", extra="train")
    scorer: Scorer = scorers.TorchScorer(model, context=context)
    return scorer


def _rarely_scored(codec: Codec) -> frozenset[int]:
    """The id for llama.cpp to end at, which is slow to score: not the one that ends answers, where there is another."""
    others = sorted({*codec.stop_ids, codec.pad_id} - {codec.eos_id})
    return frozenset(others[:1] or [codec.eos_id])


def engines_for(checkpoint: Checkpoint) -> tuple[EngineName, ...]:
    """The engines that run a checkpoint's form."""
    names: tuple[EngineName, ...] = ("torch", "llamacpp", "openvino", "onnx")
    return tuple(name for name in names if checkpoint.form in _runs[name][0])


def _choose(engine: EngineChoice, checkpoint: Checkpoint, *, store: Store) -> tuple[EngineName, Choice | None]:
    """The engine, and what was measured of it where it was left open."""
    if checkpoint.form == "endpoint" and engine != "echo":
        raise EngineError("runtime.no_weights", id=digests.short(checkpoint.id))
    measured, chosen = None, engine
    if chosen == "auto":
        measured = choice.kept(checkpoint, store=store)
        fastest = None if measured is None else next((e for e in engines_for(checkpoint) if e == measured.engine), None)
        chosen = fastest or _usual.get(checkpoint.form, "torch")
    runs, code = _runs.get(chosen, (None, ""))
    if runs is not None and checkpoint.form not in runs:
        raise EngineError(code, id=digests.short(checkpoint.id), form=checkpoint.form)
    return chosen, measured


def _llamacpp(checkpoint: Checkpoint, *, store: Store, dials: Dials) -> LlamaCpp:
    return LlamaCpp.open(
        store.path(checkpoint.id, "model.gguf"),
        stop_ids=Codec.open(store.folder(checkpoint.id)).stop_ids,
        dials=dataclasses.replace(dials, threads=dials.threads or _threads_of_llamacpp(dials.streams)),
    )


def _threads_of_llamacpp(streams: int) -> int:
    """With one stream, a core is left to the engine's server and to whoever reads: its threads wait for each other at
    every layer, and all of them for the one whose core is taken (on two cores 48 tokens a second, and 127 with one)."""
    return max(1, settings.threads() - 1) if streams == 1 else settings.threads()


def _in_process(
    checkpoint: Checkpoint,
    engine: EngineName,
    *,
    store: Store,
    threads: int | None,
    streams: int | None,
    context: int,
) -> Backend:
    if engine == "echo":
        return EchoBackend()
    if engine == "onnx":
        return _onnx(checkpoint, store=store, threads=threads, streams=streams, context=context)
    model, classes = _torch_model(checkpoint, store=store, threads=threads)
    if classes is not None:
        maker = lazy.need("seekloop.runtime.generate.classifier", extra="train")
        codec = Codec.open(store.folder(checkpoint.id))
        labelling: Backend = maker.ClassifierBackend(model, classes=classes, codec=codec, context=context)
        return labelling
    backend = lazy.need("seekloop.runtime.generate.torch_backend", extra="train")
    opened: Backend = backend.TorchBackend(model, streams=streams, context=context)
    return opened


def _onnx(
    checkpoint: Checkpoint, *, store: Store, threads: int | None, streams: int | None, context: int
) -> OnnxBackend:
    maker = lazy.need("seekloop.runtime.generate.onnx_backend", extra="train")
    model = OnnxModel(store.path(checkpoint.id, "model.onnx"), threads=threads or settings.threads())
    most = Codec.open(store.folder(checkpoint.id)).card.context_length
    backend: OnnxBackend = maker.OnnxBackend(model, streams=streams, context=min(context, most))
    return backend


def _torch_model(checkpoint: Checkpoint, *, store: Store, threads: int | None) -> tuple[Any, Any]:
    """The model, and its classes where it has a head."""
    torch = lazy.need("torch", extra="train")
    models = lazy.need("seekloop.runtime.models", extra="train")
    quantised = lazy.need("seekloop.runtime.quantised", extra="train")
    classifiers = lazy.need("seekloop.runtime.train.classifiers", extra="train")
    torch.set_num_threads(threads or settings.threads())
    model = quantised.unpack(models.load(checkpoint, store=store))
    return model, classifiers.read_classes(store.folder(checkpoint.id))
