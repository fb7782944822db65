"""Base models as checkpoints: fetched and converted to fp32 safetensors once, then found again without the network."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, GgufConfig

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.model import families, sources
from seekloop.model.codec import Codec
from seekloop.model.gguf_header import read_header
from seekloop.model.sources import Fetched
from seekloop.model.tokenizers import from_gguf_metadata
from seekloop.runtime.originals import commit_original
from seekloop.runtime.tiny import tiny_base
from seekloop.runtime.weights import open_model, quiet, save_model
from seekloop.system import digests, settings
from seekloop.system.errors import ArtifactError, ModelError
from seekloop.system.files import write_whole

__all__ = ["open_base"]


def open_base(source: str, *, ctx: RunContext) -> Checkpoint:
    """The base model that `source` names, as a full fp32 checkpoint in the shared store.

    The first call fetches and converts; later ones read an index. The id depends on the source's name and bytes only.

    Args:
        source: as in `seekloop.model.sources`; or `tiny`, `tiny:FAMILY` for the random model of `runtime.tiny`.
        ctx: its first shared store takes the checkpoint (its own store, where it shares none), its ledger records it.

    Raises:
        ModelError: no such source, it could not be fetched, or its weights cannot be read.
    """
    scheme, _, rest = source.partition(":")
    if scheme == "tiny":
        return tiny_base(ctx, family=rest or "smollm2")
    store = ctx.store.shared[0] if ctx.store.shared else ctx.store
    entry = store.root / "bases" / f"{_key(source).removeprefix('sha256:')}.json"
    known = _indexed(entry, store)
    if known is None:
        fetched = sources.fetch(source, cache=settings.home() / "downloads", progress=ctx.progress)
        known = _convert(fetched, store=store, ctx=ctx)
        entry.parent.mkdir(parents=True, exist_ok=True)
        write_whole(entry, digests.canonical({"source": source, "checkpoint": known.id}))
    ctx.record(known)
    return known


def _key(source: str) -> str:
    """Under what a source is indexed: for local files, with their sizes and times, so that a changed one is new."""
    scheme, _, rest = source.partition(":")
    stamps: list[Any] = []
    if scheme in ("path", "gguf"):
        place = Path(rest.partition("#")[0]).expanduser()
        files = sorted(place.iterdir()) if place.is_dir() else [place] if place.is_file() else []
        stamps = [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    return digests.of_json([source, stamps])


def _indexed(entry: Path, store: Store) -> Checkpoint | None:
    if not entry.is_file():
        return None
    try:
        return store.open(json.loads(entry.read_text("utf-8"))["checkpoint"], Checkpoint)
    except ArtifactError:
        return None  # it was removed or damaged: made again from the source


def _convert(fetched: Fetched, *, store: Store, ctx: RunContext) -> Checkpoint:
    started = ctx.clock.monotonic()
    with store.draft() as draft, ctx.progress.task(f"convert {fetched.name}", total=3) as task:
        task.note("reading weights")
        model = _read_gguf(fetched.path) if fetched.form == "gguf" else open_model(fetched.path)
        task.advance()
        task.note("writing fp32 safetensors")
        save_model(model, draft.folder)
        task.advance()
        task.note("checking the chat codec")
        _codec(fetched).save(draft.folder)
        checkpoint = commit_original(
            draft,
            ctx=ctx,
            store=store,
            spec={"source": _label(fetched), "digest": _digest(fetched)},
            family=fetched.family,
            parameters=model.num_parameters(),
            wall_s=ctx.clock.monotonic() - started,
        )
        task.advance()
    return checkpoint


def _label(fetched: Fetched) -> str:
    """The source as it goes into the checkpoint: without the place on this machine."""
    scheme, _, _ = fetched.source.partition(":")
    return f"{scheme}:{fetched.name}" if scheme in ("path", "gguf") else fetched.source


def _digest(fetched: Fetched) -> str | None:
    """Of a single file; a folder's weights are told by the checkpoint's own files."""
    return digests.of_file(fetched.path) if fetched.form == "gguf" else None


def _read_gguf(path: Path) -> torch.nn.Module:
    # Its reader draws a bar of its own on stderr, which no setting of transformers turns off.
    with quiet(), contextlib.redirect_stderr(io.StringIO()):
        try:
            # Without `dequantize` the weights stay quantised: they cannot be saved, and every product unpacks them.
            return AutoModelForCausalLM.from_pretrained(
                path.parent,
                gguf_file=path.name,
                quantization_config=GgufConfig(dequantize=True),
                dtype=torch.float32,
                local_files_only=True,
            )
        except (OSError, ValueError, KeyError, NotImplementedError) as error:
            raise ModelError("train.model_unreadable", problem=str(error).splitlines()[0], folder=path) from error


def _codec(fetched: Fetched) -> Codec:
    if fetched.form == "gguf":
        tokenizer = from_gguf_metadata(read_header(fetched.path))
    else:
        tokenizer = Tokenizer.from_file(str(fetched.path / "tokenizer.json"))
    return Codec.build(families.card(fetched.family), tokenizer)
