"""Opens the backend that fits a checkpoint."""

from __future__ import annotations

from typing import Any, Literal

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.model.codec import Codec
from seekloop.runtime.generate.backend import Backend
from seekloop.runtime.generate.backend_async import AsyncBackend
from seekloop.runtime.generate.bridge import Awaited, Blocking
from seekloop.runtime.generate.echo import EchoBackend
from seekloop.runtime.generate.likelihood import Scorer
from seekloop.runtime.generate.llamacpp import LlamaCpp
from seekloop.runtime.generate.llamacpp_scorer import LlamaCppScorer
from seekloop.system import digests, lazy, settings
from seekloop.system.errors import EngineError

__all__ = ["Engine", "open_async", "open_backend", "open_scorer"]

Engine = Literal["auto", "torch", "llamacpp", "echo"]
_llamacpp_streams = 16


def open_backend(
    checkpoint: Checkpoint,
    *,
    store: Store,
    engine: Engine = "auto",
    threads: int | None = None,
    streams: int | None = 8,
    context: int = 2048,
) -> Backend:
    """A backend that holds `checkpoint` and answers reproducibly. Close it, or use it as a context manager.

    Args:
        checkpoint: of any form.
        store: where it, and an adapter's base, are.
        engine: "auto" runs the gguf form on llama.cpp and all others on torch.
        threads: CPU threads; None: as many as this process may use. For torch they hold for the whole process.
        streams: prompts answered at the same time; None: as many as are fastest on the engine and fit the memory.
        context: tokens of prompt and answer together.

    Raises:
        EngineError: the engine does not run this form, or does not start.
        ArtifactError: the checkpoint, or its base, is not in the store.
        MissingPackage: the engine is not installed.
    """
    chosen = _choose(engine, checkpoint)
    if chosen == "llamacpp":
        streams = streams or _llamacpp_streams
        core = _llamacpp(checkpoint, store=store, threads=threads, streams=streams, context=context)
        return Blocking(core, streams=streams)
    return _in_process(checkpoint, chosen, store=store, threads=threads, streams=streams, context=context)


def open_async(
    checkpoint: Checkpoint,
    *,
    store: Store,
    engine: Engine = "auto",
    threads: int | None = None,
    streams: int = 8,
    context: int = 2048,
    cache_prompt: bool = False,
) -> AsyncBackend:
    """As `open_backend`, awaited. It blocks while it loads: call it on a thread, and use the result on one event loop.

    Args:
        checkpoint: of any form.
        store: where it, and an adapter's base, are.
        engine: "auto" runs the gguf form on llama.cpp and all others on torch.
        threads: CPU threads; None: as many as this process may use. For torch they hold for the whole process.
        streams: prompts answered at the same time.
        context: tokens of prompt and answer together.
        cache_prompt: llama.cpp only: reuse what a stream knows of the same beginning; see `LlamaCpp.start`.

    Raises:
        EngineError: the engine does not run this form, or does not start.
        ArtifactError: the checkpoint, or its base, is not in the store.
        MissingPackage: the engine is not installed.
    """
    chosen = _choose(engine, checkpoint)
    if chosen == "llamacpp":
        return _llamacpp(
            checkpoint, store=store, threads=threads, streams=streams, context=context, cache_prompt=cache_prompt
        )
    backend = _in_process(checkpoint, chosen, store=store, threads=threads, streams=streams, context=context)
    return Awaited(backend, streams=streams)


def open_scorer(
    checkpoint: Checkpoint,
    *,
    store: Store,
    engine: Engine = "auto",
    threads: int | None = None,
    context: int = 2048,
) -> Scorer:
    """What tells the log-probabilities that `checkpoint` gives. Close it, or use it as a context manager.

    Args:
        checkpoint: of any form with weights.
        store: where it, and an adapter's base, are.
        engine: "auto" runs the gguf form on llama.cpp and all others on torch.
        threads: CPU threads; None: as many as this process may use. For torch they hold for the whole process.
        context: tokens of a context and what follows it together.

    Raises:
        EngineError: the engine does not run this form, does not start, or tells no log-probabilities.
        ArtifactError: the checkpoint, or its base, is not in the store.
        MissingPackage: the engine is not installed.
    """
    chosen = _choose(engine, checkpoint)
    if chosen == "llamacpp":
        return LlamaCppScorer(
            LlamaCpp.start(
                store.path(checkpoint.id, "model.gguf"),
                stop_ids=_rarely_scored(Codec.open(store.folder(checkpoint.id))),
                threads=threads or settings.threads(),
                streams=1,
                context=context,
                cache_prompt=True,
            )
        )
    if chosen == "echo":
        raise EngineError("runtime.no_likelihoods", engine="echo")
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


def _choose(engine: Engine, checkpoint: Checkpoint) -> Literal["torch", "llamacpp", "echo"]:
    if checkpoint.form == "endpoint" and engine != "echo":
        raise EngineError("runtime.no_weights", id=digests.short(checkpoint.id))
    chosen = engine
    if chosen == "auto":
        chosen = "llamacpp" if checkpoint.form == "gguf" else "torch"
    runs = {"torch": ("full", "adapter"), "llamacpp": ("gguf",)}.get(chosen)
    if runs is not None and checkpoint.form not in runs:
        code = "runtime.needs_gguf" if chosen == "llamacpp" else "runtime.needs_weights"
        raise EngineError(code, id=digests.short(checkpoint.id), form=checkpoint.form)
    return chosen


def _llamacpp(
    checkpoint: Checkpoint, *, store: Store, threads: int | None, streams: int, context: int, cache_prompt: bool = False
) -> LlamaCpp:
    return LlamaCpp.start(
        store.path(checkpoint.id, "model.gguf"),
        stop_ids=Codec.open(store.folder(checkpoint.id)).stop_ids,
        threads=threads or settings.threads(),
        streams=streams,
        context=context,
        cache_prompt=cache_prompt,
    )


def _in_process(
    checkpoint: Checkpoint,
    engine: Literal["torch", "echo"],
    *,
    store: Store,
    threads: int | None,
    streams: int | None,
    context: int,
) -> Backend:
    if engine == "echo":
        return EchoBackend()
    model, classes = _torch_model(checkpoint, store=store, threads=threads)
    if classes is not None:
        maker = lazy.need("seekloop.runtime.generate.classifier", extra="train")
        codec = Codec.open(store.folder(checkpoint.id))
        labelling: Backend = maker.ClassifierBackend(model, classes=classes, codec=codec, context=context)
        return labelling
    backend = lazy.need("seekloop.runtime.generate.torch_backend", extra="train")
    opened: Backend = backend.TorchBackend(model, streams=streams, context=context)
    return opened


def _torch_model(checkpoint: Checkpoint, *, store: Store, threads: int | None) -> tuple[Any, Any]:
    """The model, and its classes where it has a head."""
    torch = lazy.need("torch", extra="train")
    models = lazy.need("seekloop.runtime.models", extra="train")
    quantised = lazy.need("seekloop.runtime.quantised", extra="train")
    classifiers = lazy.need("seekloop.runtime.train.classifiers", extra="train")
    torch.set_num_threads(threads or settings.threads())
    model = quantised.unpack(models.load(checkpoint, store=store))
    return model, classifiers.read_classes(store.folder(checkpoint.id))
