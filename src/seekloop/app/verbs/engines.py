"""The verb `bench engines`: what each engine reaches with a checkpoint on this machine, and which one to take."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seekloop.app.console import print_json, print_table
from seekloop.app.folder import context_of
from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.runtime.generate.choice import choice_file, keep
from seekloop.runtime.generate.drafting import Draft, draft_by
from seekloop.system import digests, settings
from seekloop.system.errors import UsageError
from seekloop.system.lazy import resolve

__all__ = ["engines"]

_head = ("engine", "threads", "load s", "first token s", "prefill tok/s", "1", "8", "32", "peak MiB")


def engines(*, checkpoint: str, load: int, draft: str | None, folder: Path, as_json: bool) -> None:
    """Print a line for each engine and number of threads, and keep the pick for `engine: auto`.

    With a draft, which `engine: auto` knows nothing of, nothing is kept.

    Raises:
        UsageError: no such load, or no engine runs this checkpoint here.
        EngineError: the draft does not fit the checkpoint.
        ArtifactError: the checkpoint is not in the store.
    """
    measuring: Any = resolve("seekloop.runtime.generate.measuring:measure")
    loads: tuple[int, ...] = resolve("seekloop.runtime.generate.measuring:LOADS")
    if load not in loads:
        raise UsageError("runtime.unknown_load", load=load, known=", ".join(map(str, loads)))
    with context_of(folder) as ctx:
        subject = ctx.store.open(checkpoint, Checkpoint)
        cores = settings.threads()
        threads = sorted({max(1, cores // 2), cores})
        guess = _draft(draft, subject, store=ctx.store)
        found = measuring(
            subject, store=ctx.store, threads=threads, clock=ctx.clock, progress=ctx.progress, draft=guess
        )
        if not found:
            raise UsageError("runtime.no_engine", id=digests.short(subject.id), form=subject.form)
        choice = resolve("seekloop.runtime.generate.measuring:pick")(found, load=load)
        if guess is None:
            keep(choice, subject, store=ctx.store)
        kept_at = choice_file(ctx.store)
    if as_json:
        print_json({"measured": [asdict(one) for one in found], "choice": asdict(choice), "load": load})
        return
    rows = [
        (
            one.name,
            one.threads,
            f"{one.load_s:.1f}",
            f"{one.first_token_s:.3f}",
            f"{one.prefill_tok_s:.0f}",
            *(f"{one.tok_s[count]:.0f}" for count in loads),
            one.peak_mib,
        )
        for one in found
    ]
    print_table(f"{digests.short(subject.id)} ({subject.form}, {subject.precision}): tok/s", _head, rows=rows)
    if guess is not None:
        print(f"with a draft ({draft}): measured, and engine: auto stays as it is", file=sys.stderr)
        return
    print(
        f"engine: auto now takes {choice.engine} with {choice.threads} threads and {choice.streams} streams for such "
        f"checkpoints on this machine ({kept_at})",
        file=sys.stderr,
    )


def _draft(named: str | None, checkpoint: Checkpoint, *, store: Store) -> Draft | None:
    if named is None:
        return None
    return Draft() if named == "prompt" else draft_by(named, checkpoint=checkpoint, store=store)
