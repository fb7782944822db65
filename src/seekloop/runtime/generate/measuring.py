"""How fast each engine runs a checkpoint on this machine: load, first token, prefill, answers side by side, memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.runtime.generate.backend import Backend, Prompt
from seekloop.runtime.generate.bridge import Blocking
from seekloop.runtime.generate.choice import Choice
from seekloop.runtime.generate.dials import Dials
from seekloop.runtime.generate.drafting import Draft
from seekloop.runtime.generate.engines import EngineName
from seekloop.runtime.generate.llamacpp import LlamaCpp
from seekloop.runtime.generate.open import engines_for, open_backend, open_engine
from seekloop.runtime.generate.openvino import OpenVino
from seekloop.system.clock import Clock
from seekloop.system.errors import EngineError, MissingPackage
from seekloop.system.progress import Progress

__all__ = ["LOADS", "Measured", "measure", "pick"]

LOADS = (1, 8, 32)
"""Answers at the same time."""
_prompt, _answer, _long = 64, 32, 256
"""Tokens of a prompt and its answer, and of the prompt that reading is measured with."""
_enough = 0.95
"""Of the most tokens a second: fewer streams that give as much answer sooner."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One engine with one number of threads."""

    engine: EngineName
    name: str
    """With its version."""
    threads: int
    load_s: float
    first_token_s: float
    """Of a prompt of 64 tokens, alone."""
    prefill_tok_s: float
    """Tokens of a prompt of 256 read in a second."""
    tok_s: dict[int, float]
    """Tokens a second of all answers together, by answers at the same time."""
    peak_mib: int
    """Resident memory of the engine's process at its most; for torch, of this process."""


def measure(
    checkpoint: Checkpoint,
    *,
    store: Store,
    threads: Sequence[int],
    clock: Clock,
    progress: Progress,
    draft: Draft | None = None,
) -> list[Measured]:
    """Every engine that runs the form, with each number of threads. One that does not start here is told and left out.

    Args:
        checkpoint: with weights.
        store: where it is.
        threads: numbers of CPU threads to try.
        clock: measures.
        progress: is told.
        draft: what guesses tokens; engines that cannot are left out.

    Raises:
        ArtifactError: the checkpoint, or its base, is not in the store.
    """
    found, tried = [], [(engine, count) for engine in engines_for(checkpoint) for count in threads]
    with progress.task("engines", total=len(tried)) as task:
        for engine, count in tried:
            task.note(f"{engine}, {count} threads")
            try:
                dials = Dials(threads=count, streams=max(LOADS), context=2 * _long, draft=draft)
                found.append(_measure(checkpoint, engine, store=store, dials=dials, clock=clock))
            except (EngineError, MissingPackage) as error:
                progress.say(f"{engine} is left out: {error}")
            task.advance()
    return found


def pick(found: Sequence[Measured], *, load: int) -> Choice:
    """The fastest under a load, and the fewest streams that give nearly all that it can.

    Args:
        found: at least one.
        load: answers at the same time that are expected, one of `LOADS`.
    """
    best = max(found, key=lambda one: one.tok_s[load])
    most = max(best.tok_s.values())
    streams = min(count for count, speed in best.tok_s.items() if speed >= _enough * most)
    return Choice(engine=best.engine, threads=best.threads, streams=max(streams, load))


def _measure(checkpoint: Checkpoint, engine: EngineName, *, store: Store, dials: Dials, clock: Clock) -> Measured:
    started = clock.monotonic()
    with _opened(checkpoint, engine, store=store, dials=dials) as (backend, pid):
        load_s = clock.monotonic() - started
        ((_, first),) = backend.generate([_ask(0, length=_prompt, answer=1)])
        ((_, again),) = backend.generate([_ask(1, length=_prompt, answer=1)])
        ((_, reading),) = backend.generate([_ask(2, length=_long, answer=1)])
        tok_s = {}
        for load in LOADS:
            prompts = [_ask(10 * load + number, length=_prompt, answer=_answer) for number in range(load)]
            began = clock.monotonic()
            tokens = sum(len(answer.ids) for _, answer in backend.generate(prompts))
            tok_s[load] = tokens / (clock.monotonic() - began)
        return Measured(
            engine=engine,
            name=backend.name,
            threads=dials.threads or 0,
            load_s=load_s,
            first_token_s=min(first.first_token_s, again.first_token_s),
            prefill_tok_s=_long / reading.first_token_s,
            tok_s=tok_s,
            peak_mib=_peak_mib(pid),
        )


@contextlib.contextmanager
def _opened(
    checkpoint: Checkpoint, engine: EngineName, *, store: Store, dials: Dials
) -> Iterator[tuple[Backend, int | None]]:
    """The engine, and its process where it has one of its own."""
    streams = dials.streams
    if engine == "torch" and dials.draft is None:
        with open_backend(
            checkpoint, store=store, engine=engine, threads=dials.threads, streams=streams, context=dials.context
        ) as backend:
            yield backend, None
        return
    core = open_engine(checkpoint, store=store, engine=engine, dials=dials)
    assert isinstance(core, LlamaCpp | OpenVino)
    with Blocking(core, streams=streams) as running:
        yield running, core.pid


def _ask(number: int, *, length: int, answer: int) -> Prompt:
    """Prompts that begin differently, so that none profits from another; nothing ends their answers."""
    ids = tuple(9 + (31 * number + 7 * place) % 191 for place in range(length))
    return Prompt(ids=ids, stop_ids=frozenset(), max_tokens=answer)


def _peak_mib(pid: int | None) -> int:
    path = Path("/proc") / ("self" if pid is None else str(pid)) / "status"
    lines = path.read_text("ascii", errors="replace").splitlines() if path.exists() else []
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM:")), 0)
