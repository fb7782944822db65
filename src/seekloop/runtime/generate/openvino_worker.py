"""The process that holds OpenVINO GenAI: `python -m seekloop.runtime.generate.openvino_worker`, started by `worker.py`.

The configuration comes as one line of JSON on standard input; the port that is listened on goes out as one line on
standard output, once a first token was generated. Then one connection carries lines of JSON both ways. From the
parent, after the key: `{"do": "answer" | "cancel" | "probe" | "score" | "read" | "among" | "embed", "number": …}`;
back: the same number, with `ids` and `ended`, `scores`, `chances`, `likeliest`, a `vector`, or the `problem` that
there was. One thread steps the engine and does all that is asked for between two steps, so whoever is answered knows
that the engine still steps.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import os
import queue
import socket
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from seekloop.runtime import openvino_modules
from seekloop.runtime.generate.lifeline import end_with
from seekloop.runtime.generate.openvino_config import OpenVinoConfig
from seekloop.runtime.openvino_ir import IrModel, properties
from seekloop.system.errors import SeekloopError

__all__ = ["main"]

_read_at_once = 256
"""Tokens of all prompts and answers in one step: bounds how long a probe waits."""
_greeting_s = 5.0
"""For the key to come in."""
_any_id = 0
"""GenAI wants an id that ends answers even where it is told to look at none."""


def main() -> None:
    """Serve until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the engine's own words go to standard error
    config = OpenVinoConfig.from_json(sys.stdin.readline())
    end_with(config.parent)
    with _listening(config.socket) as listener:
        try:
            engine = _Engine(config)
            answers.write(f"{config.socket or listener.getsockname()[1]}\n")
            answers.close()
            engine.serve(_parent(listener, key=config.key))
        except (SeekloopError, RuntimeError) as error:
            raise SystemExit(f"{config.model}: {error}") from error


def _listening(path: str) -> socket.socket:
    if not path:
        return socket.create_server(("127.0.0.1", 0))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    return listener


def _parent(listener: socket.socket, *, key: str) -> IO[str]:
    """The connection of whoever knows the key; nobody else is listened to."""
    while True:
        connection, _ = listener.accept()
        connection.settimeout(_greeting_s)
        lines = connection.makefile("rw", encoding="utf-8")
        with contextlib.suppress(OSError, ValueError):  # a stranger: who says nothing, or no text
            if hmac.compare_digest(lines.readline(128).strip().encode(), key.encode()):
                connection.settimeout(None)
                return lines
        with contextlib.suppress(OSError):
            lines.close()
        connection.close()


class _Engine:
    """The pipeline, and who waits for what."""

    def __init__(self, config: OpenVinoConfig) -> None:
        self._genai, self._openvino = openvino_modules.genai(), openvino_modules.openvino()
        self._config = config
        self._options: dict[str, Any] = dict(properties(threads=config.threads, rounding=config.rounding))
        if config.draft_tokens:
            self._options["prompt_lookup"] = True
        schedule = self._genai.SchedulerConfig()
        schedule.num_kv_blocks = config.blocks
        schedule.max_num_seqs = config.streams
        schedule.max_num_batched_tokens = max(_read_at_once, config.streams)
        schedule.enable_prefix_caching = config.prefixes
        schedule.dynamic_split_fuse = True
        self._pipeline = self._genai.ContinuousBatchingPipeline(config.model, schedule, "CPU", self._options)
        self._handles: dict[int, Any] = {}
        self._scorer: IrModel | None = None
        self._asked: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        self._warm_up()

    def serve(self, lines: IO[str]) -> None:
        """Do what is asked for; ends with the process."""
        threading.Thread(target=self._listen, args=(lines,), daemon=True).start()
        while True:
            told = [*self._take(), *self._step()]
            for one in told:
                lines.write(json.dumps(one) + "\n")
            if told:
                lines.flush()

    def _listen(self, lines: IO[str]) -> None:
        for line in lines:
            self._asked.put(json.loads(line))
        os._exit(0)

    def _take(self) -> list[dict[str, Any]]:
        """All that was asked for; waits where there is nothing to step."""
        told = []
        while not self._asked.empty() or not self._pipeline.has_non_finished_requests():
            asked = self._asked.get()
            told += self._done(asked)
            if told:
                break
        return told

    def _done(self, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
        number = asked["number"]
        match asked["do"]:
            case "answer":
                try:
                    self._handles[number] = self._begin(asked)
                except RuntimeError as error:
                    return [{"number": number, "problem": str(error)}]
                return []
            case "cancel":
                if number in self._handles:
                    self._handles.pop(number).cancel()
                return []
            case "probe":
                return [{"number": number}]
            case "read":
                return [{"number": number, "chances": self._chances(asked["ids"], top=asked["top"])}]
            case "among":
                return [{"number": number, "likeliest": self._among(asked)}]
            case "embed":
                return [{"number": number, "vector": self._scoring().states(asked["ids"]).mean(0).tolist()}]
            case _:
                return [{"number": number, "scores": self._scores(asked["context"], asked["ways"])}]

    def _begin(self, asked: Mapping[str, Any]) -> Any:
        how = self._genai.GenerationConfig()
        stops = set(asked["stop_ids"])
        how.set_eos_token_id(min(stops, default=_any_id))
        how.stop_token_ids = stops or {_any_id}
        how.ignore_eos = not stops
        how.max_new_tokens = asked["max_tokens"]
        how.apply_chat_template = False
        how.presence_penalty, how.frequency_penalty = asked.get("presence", 0.0), asked.get("frequency", 0.0)
        if self._config.draft_tokens:
            how.num_assistant_tokens, how.max_ngram_size = self._config.draft_tokens, self._config.draft_ngram
        if asked["temperature"] > 0:
            how.do_sample = True
            how.temperature, how.top_p, how.rng_seed = asked["temperature"], asked["top_p"], asked["seed"]
        ids = self._openvino.Tensor(np.array([asked["ids"]], np.int64))
        return self._pipeline.add_request(asked["number"], ids, how)

    def _step(self) -> list[dict[str, Any]]:
        if not self._pipeline.has_non_finished_requests():
            return []
        self._pipeline.step()
        told = []
        for number, handle in list(self._handles.items()):
            ended = handle.get_status() != self._genai.GenerationStatus.RUNNING
            ids = [id_ for part in _parts(handle) for id_ in part]
            if ended:
                del self._handles[number]
            if ids or ended:
                told.append({"number": number, "ids": ids, "ended": ended})
        return told

    def _scores(self, context: list[int], ways: list[list[int]]) -> list[tuple[float, bool]]:
        """The log-probability of each way (nats), and whether each of its ids is the likeliest where it stands."""
        said = self._scoring().ways(context, ways)
        return [_score(one, way) for one, way in zip(said, ways, strict=True)]

    def _chances(self, ids: list[int], *, top: int) -> list[tuple[float, list[tuple[int, float]]]]:
        """The log-probability (nats) of each id but the first, with the likeliest ids there."""
        logprobs = _logprobs(self._scoring().logits(ids)[:-1])
        return [_chance(row, id_, top=top) for row, id_ in zip(logprobs, ids[1:], strict=True)]

    def _among(self, asked: Mapping[str, Any]) -> list[tuple[int, float]]:
        """The likeliest of the allowed ids with their log-probabilities (nats)."""
        logprobs = _logprobs(self._scoring().logits(asked["ids"])[-1])
        bits = np.frombuffer(base64.b64decode(asked["allowed"]), np.uint8)
        ids = np.flatnonzero(np.unpackbits(bits, count=len(logprobs), bitorder="little"))
        best = ids[np.argsort(-logprobs[ids], kind="stable")[: asked["most"]]]
        return [(int(id_), float(logprobs[id_])) for id_ in best]

    def _scoring(self) -> IrModel:
        if self._scorer is None:
            path = Path(self._config.model) / "openvino_model.xml"
            self._scorer = IrModel(path, threads=self._config.threads, rounding=self._config.rounding)
        return self._scorer

    def _warm_up(self) -> None:
        """Have it give a token before anybody is told that it is ready."""
        asked = {"number": 0, "ids": [0], "stop_ids": [], "max_tokens": 1, "temperature": 0.0}
        handle = self._begin(asked)
        while self._pipeline.has_non_finished_requests():
            self._pipeline.step()
        if not any(_parts(handle)):
            raise RuntimeError("it gave no token")


def _parts(handle: Any) -> list[list[int]]:
    """What a request has been given since it was last looked at."""
    found = []
    while handle.can_read():
        found += [list(output.generated_ids) for output in handle.read().values()]
    return found


def _logprobs(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """The logarithm of softmax over the last axis."""
    wide = logits.astype(np.float64)
    wide -= wide.max(-1, keepdims=True)
    return np.asarray(wide - np.log(np.exp(wide).sum(-1, keepdims=True)))


def _chance(logprobs: npt.NDArray[np.float64], id_: int, *, top: int) -> tuple[float, list[tuple[int, float]]]:
    likeliest = np.argsort(-logprobs, kind="stable")[:top]
    return float(logprobs[id_]), [(int(each), float(logprobs[each])) for each in likeliest]


def _score(said: Any, way: list[int]) -> tuple[float, bool]:
    logits = said.astype(np.float64)
    best = logits.max(-1)
    chosen = logits[np.arange(len(way)), way]
    logprobs = chosen - best - np.log(np.exp(logits - best[:, None]).sum(-1))
    return float(logprobs.sum()), bool((chosen >= best).all())


if __name__ == "__main__":
    main()
