"""The process that holds llama.cpp: `python -m seekloop.runtime.generate.llamacpp_worker`, started by `worker.py`.

llama.cpp ends its process on a failed assertion and catches signals, so it never runs inside ours. The configuration
comes as one line of JSON on standard input; what is then listened on goes out as one line on standard output. The end
of standard input is the end of the parent, and of this process.
"""

from __future__ import annotations

import contextlib
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
        with contextlib.ExitStack() as copies:
            model = copies.enter_context(opaque_copy(Path(config.model), stop_ids=config.stop_ids))
            params = _params(config, model)
            if config.draft_model:
                # Under the same words for the same ids: llama.cpp compares them.
                guesser = copies.enter_context(opaque_copy(Path(config.draft_model), stop_ids=config.stop_ids))
                _draft_by_model(params.speculative, config, model=guesser)
            elif config.draft_tokens:
                _draft_by_prompt(params.speculative, config)
            server = xllamacpp.Server(params)
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
    if config.embeds:
        params.embedding = True
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
        params.n_batch = params.n_ubatch = config.context  # a mean is of what was read at once
        # Its own attention would round keys and values to 16 bits.
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
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


def _draft_by_model(how: Any, config: WorkerConfig, *, model: Path) -> None:
    how.types = [xllamacpp.common_speculative_type.COMMON_SPECULATIVE_TYPE_DRAFT_SIMPLE]
    draft = how.draft
    source = draft.mparams
    source.path = str(model)
    draft.mparams = source
    draft.n_max, draft.n_gpu_layers = config.draft_tokens, 0
    draft.cpuparams.n_threads = draft.cpuparams_batch.n_threads = config.threads


def _draft_by_prompt(how: Any, config: WorkerConfig) -> None:
    how.types = [xllamacpp.common_speculative_type.COMMON_SPECULATIVE_TYPE_NGRAM_MAP_K]
    how.ngram_map_k.size_n, how.ngram_map_k.size_m = config.draft_ngram, config.draft_tokens


if __name__ == "__main__":
    main()
