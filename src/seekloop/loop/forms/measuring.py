"""Times one form: `python -m seekloop.loop.forms.measuring`, a process a form, so that load and memory are its own.

The task comes as one line of JSON on standard input; what was measured goes out as the last line of standard output.
"""

from __future__ import annotations

import gc
import json
import math
import os
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.artifact.store import Store
from seekloop.evaluate.questions import Question, questions
from seekloop.loop.forms.spec import FormsSpec
from seekloop.model.codec import Codec
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.likelihood import Fork
from seekloop.runtime.generate.open import open_backend, open_scorer

__all__ = ["main", "measure"]

_proc = Path("/proc")
_asked_alone = 5
"""Prompts, one after the other, whose first tokens are timed."""


def main() -> None:
    """Measure what standard input names."""
    task = json.loads(sys.stdin.readline())
    store = Store(Path(task["store"]), shared=[Store(Path(one)) for one in task["shared"]])
    spec = FormsSpec.parse(task["spec"])
    checkpoint, dataset = (
        store.open(task["checkpoint"], Checkpoint),
        store.open(task["dataset"], Dataset),
    )
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what engines say goes to standard error
    with answer:
        answer.write(json.dumps(measure(checkpoint, dataset, spec=spec, store=store)) + "\n")


def measure(checkpoint: Checkpoint, dataset: Dataset, *, spec: FormsSpec, store: Store) -> dict[str, Any]:
    """Engine, seconds to load, seconds to the first token, tokens a second by streams, peak memory, perplexity.

    Memory is that of the larger of this process and the engine's, where the engine has one of its own, with the first
    number of streams: each further stream holds keys and values of its own, in every form as many.

    Raises:
        EngineError: the engine does not open the form, or stopped.
        DataError: the split is empty.
    """
    codec = Codec.open(store.folder(checkpoint.id))
    asked = questions(dataset, spec.evaluate, store=store)
    prompts = _prompts(asked, codec, spec=spec)
    found: dict[str, Any] = {"tokens_per_s": {}}
    for streams in spec.streams:
        began = time.perf_counter()
        with open_backend(checkpoint, store=store, streams=streams, context=spec.context) as backend:
            loaded = time.perf_counter() - began
            if "engine" not in found:
                # The first answer warms caches up and is not counted.
                alone = [_first(backend, prompt) for prompt in prompts[: _asked_alone + 1]]
                found |= {"engine": backend.name, "load_s": loaded, "first_token_s": statistics.median(alone[1:])}
            batch = [prompts[index % len(prompts)] for index in range(streams)]
            began = time.perf_counter()
            said = sum(len(answer.ids) for _, answer in backend.generate(batch))
            found["tokens_per_s"][str(streams)] = said / (time.perf_counter() - began)
            found.setdefault("peak_mib", _peak_mib())
        gc.collect()
    if spec.likelihood_rows:
        found |= _perplexity(checkpoint, asked[: spec.likelihood_rows], codec=codec, spec=spec, store=store)
    return found


def _prompts(asked: Sequence[Question], codec: Codec, *, spec: FormsSpec) -> list[Prompt]:
    made = [
        Prompt(
            ids=codec.prompt_ids(one.asked, tools=one.row.tools), stop_ids=frozenset(), max_tokens=spec.tokens, seed=0
        )
        for one in asked[: max(*spec.streams, _asked_alone + 1)]
    ]
    return [one for one in made if len(one.ids) + spec.tokens <= spec.context] or made[:1]


def _peak_mib() -> float:
    """From /proc: what getrusage says begins with the peak of the process that started this one."""
    if not _proc.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    children = [pid for task in _proc.glob("self/task/*/children") for pid in task.read_text("ascii").split()]
    return max(_peak_kib(_proc / pid / "status") for pid in ("self", *children)) / 1024


def _peak_kib(status: Path) -> int:
    lines = status.read_text("ascii", errors="replace").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def _first(backend: Any, prompt: Prompt) -> float:
    ((_, answer),) = backend.generate([prompt])
    return float(answer.first_token_s)


def _perplexity(
    checkpoint: Checkpoint, asked: Sequence[Question], *, codec: Codec, spec: FormsSpec, store: Store
) -> dict[str, float]:
    """`exp(-sum log p / tokens)` of the right answers, their ends included."""
    forks = [Fork(codec.prompt_ids(one.asked, tools=one.row.tools), (codec.answer_ids(one.answer),)) for one in asked]
    forks = [fork for fork in forks if len(fork.context) + len(fork.ways[0]) < spec.context]
    tokens = sum(len(fork.ways[0]) for fork in forks)
    with open_scorer(checkpoint, store=store, context=spec.context) as scorer:
        total = math.fsum(likelihood.logprob for _, (likelihood,) in scorer.score(forks))
    return {"perplexity": math.exp(-total / max(1, tokens)), "perplexity_tokens": tokens}


if __name__ == "__main__":
    main()
