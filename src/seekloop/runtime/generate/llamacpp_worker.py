"""The process that holds llama.cpp: `python -m seekloop.runtime.generate.llamacpp_worker`, started by `worker.py`.

llama.cpp ends its process on a failed assertion and catches signals, so it never runs inside ours. The configuration
comes as one line of JSON on standard input; what is then listened on goes out as one line on standard output. The end
of standard input is the end of the parent, and of this process.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

import xllamacpp

from seekloop.runtime.generate.lifeline import end_with
from seekloop.runtime.generate.llamacpp_config import WorkerConfig
from seekloop.runtime.generate.opaque import opaque_copy
from seekloop.system.errors import SeekloopError

__all__ = ["main"]

_warnings = 2
_read_at_once = 256
"""Prompt tokens between two looks at the other streams: bounds how long a busy engine leaves a probe unanswered."""


def main() -> None:
    """Serve until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the engine's own words go to standard error
    config = WorkerConfig.from_json(sys.stdin.readline())
    end_with(config.parent)
    try:
        with opaque_copy(Path(config.model), stop_ids=config.stop_ids) as model:
            server = xllamacpp.Server(_params(config, model))
    except (SeekloopError, RuntimeError) as error:
        raise SystemExit(str(error)) from error
    answers.write(server.listening_address + "\n")
    answers.close()
    threading.Event().wait()


def _params(config: WorkerConfig, model: Path) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.load_mode = xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_NONE  # the copy is gone once it is read
    params.n_parallel = config.streams
    params.n_ctx = config.streams * config.context
    params.n_batch = params.n_ubatch = _read_at_once
    params.n_gpu_layers = 0
    params.fit_params = False
    params.cpuparams.n_threads = config.threads
    params.cpuparams_batch.n_threads = config.threads
    params.cache_ram_mib = 0
    params.warmup = False  # a first token is asked for instead
    params.use_jinja = False
    params.api_keys = [config.key]
    params.hostnames = [config.socket or "127.0.0.1"]
    params.port = 0
    params.ui = False
    params.verbosity = _warnings
    return params


if __name__ == "__main__":
    main()
