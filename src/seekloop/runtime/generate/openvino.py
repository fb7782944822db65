"""Generation with OpenVINO GenAI on the CPU: one model in a supervised process of its own, spoken to in token ids."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import itertools
import json
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any, Self

from seekloop.runtime.generate.backend import Ability, Chance, Prompt, Token
from seekloop.runtime.generate.dials import Dials
from seekloop.runtime.generate.engine_process import EngineProcess, InProcess, version_of
from seekloop.runtime.generate.likelihood import Fork, Likelihood, check_fork
from seekloop.runtime.generate.limits import check_fits, check_reads
from seekloop.runtime.generate.openvino_config import OpenVinoConfig
from seekloop.runtime.openvino_ir import Rounding
from seekloop.system.errors import EngineError

__all__ = ["OpenVino"]

_module = "seekloop.runtime.generate.openvino_worker"
_engine = "OpenVINO"
_ready_s = 300.0
_longest_line = 2**26
_seeds = 2**32


class OpenVino(InProcess):
    """An awaited backend that owns one engine process with one model. Made by `start`; used on one event loop.

    Args:
        process: started.
        address: where it listens: a port of 127.0.0.1, or the path of a socket.
        config: what it was told.
    """

    def __init__(self, process: EngineProcess, *, address: str, config: OpenVinoConfig) -> None:
        super().__init__(process)
        self.name = f"openvino {_version()}"
        scored: frozenset[Ability] = frozenset({"grammar", "embeddings"}) if _is_ir(config) else frozenset()
        self.abilities: frozenset[Ability] = scored | {"penalties"}
        self._address, self._config = address, config
        self._turns = asyncio.Semaphore(config.streams)
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Queue[dict[str, Any] | EngineError]] = {}
        self._opening = asyncio.Lock()
        self._writer: asyncio.StreamWriter | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    def start(cls, model: Path, *, rounding: Rounding, dials: Dials) -> Self:
        """Start a process for a model and wait for its first token.

        Args:
            model: a folder with `openvino_model.xml`, or a GGUF file.
            rounding: what it may round beside the weights.
            dials: how it is run; threads are given.

        Raises:
            EngineError: it ended or was not ready in time (the end of its log is told), or a model should guess.
            MissingPackage: openvino-genai is not installed.
        """
        _version()
        assert dials.threads is not None
        silence_s, draft = dials.silence_s, dials.draft
        if draft is not None and draft.model is not None:
            # GenAI compares the tokenizers of both, and neither of ours has one: it is spoken to in ids.
            raise EngineError("drafting.cannot", engine=_engine, way="model")
        process = EngineProcess(_module, engine=_engine, ready_s=_ready_s, silence_s=silence_s, sandbox=dials.sandbox)
        config = OpenVinoConfig(
            model=str(model),
            streams=dials.streams,
            context=dials.context,
            threads=dials.threads,
            rounding=rounding,
            prefixes=dials.prefix_cache,
            key=process.key,
            parent=process.parent,
            socket=process.socket,
            draft_tokens=draft.tokens if draft else 0,
            draft_ngram=draft.ngram if draft else 0,
        )
        return cls(process, address=process.start(config.to_json()), config=config)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Token, None]:
        """Answer one prompt token by token; `aclose` cancels the rest.

        The engine tells no likeliest ids while it generates: an answer whose log-probabilities are wanted is read once
        more when it is complete, and comes then.

        Raises:
            EngineError: the prompt does not fit, or the engine died or hangs; its process is gone then.
        """
        check_fits(prompt, context=self._config.context)
        if prompt.top is None:
            async with contextlib.aclosing(self._tokens(prompt)) as tokens:
                async for token in tokens:
                    yield token
            return
        said = [token async for token in self._tokens(prompt)]
        ids = [token.id for token in said if token.id is not None]
        chances = iter((await self.read((*prompt.ids, *ids), top=prompt.top))[len(prompt.ids) - 1 :])
        for token in said:
            yield token if token.id is None else dataclasses.replace(token, chance=next(chances))

    async def read(self, ids: Sequence[int], *, top: int) -> tuple[Chance, ...]:
        """What the model gives each id of a text but the first, in one pass.

        Raises:
            EngineError: the text does not fit, the model is a GGUF file, or the engine died.
        """
        check_reads(ids, context=self._config.context)
        if not _is_ir(self._config):
            raise EngineError("runtime.no_likelihoods", engine=f"{_engine} (GGUF)")
        if len(ids) < 2:
            return ()
        async with self._turns:
            told = (await self._told({"do": "read", "ids": list(ids), "top": top}))["chances"]
        return tuple(Chance(logprob, tuple((id_, value) for id_, value in likeliest)) for logprob, likeliest in told)

    async def among(self, ids: Sequence[int], *, allowed: bytes, most: int) -> tuple[tuple[int, float], ...]:
        """The likeliest of the allowed ids after `ids`, in one pass beside the pipeline.

        Raises:
            EngineError: the text does not fit, the model is a GGUF file, or the engine died.
        """
        self._check_scores(ids, ability="grammar")
        asked = {"do": "among", "ids": list(ids), "allowed": base64.b64encode(allowed).decode(), "most": most}
        async with self._turns:
            return tuple((id_, logprob) for id_, logprob in (await self._told(asked))["likeliest"])

    async def embed(self, ids: Sequence[int]) -> tuple[float, ...]:
        """The mean of what goes into the model's last product, which is what its last norm gives, in one pass.

        Raises:
            EngineError: the text does not fit, the model is a GGUF file, or the engine died.
        """
        self._check_scores(ids, ability="embeddings")
        async with self._turns:
            return tuple((await self._told({"do": "embed", "ids": list(ids)}))["vector"])

    def _check_scores(self, ids: Sequence[int], *, ability: Ability) -> None:
        check_reads(ids, context=self._config.context)
        if ability not in self.abilities:
            raise EngineError("grammar.cannot", engine=f"{_engine} (GGUF)", ability=ability)

    async def _tokens(self, prompt: Prompt) -> AsyncGenerator[Token, None]:
        left = prompt.max_tokens
        async with self._turns, contextlib.aclosing(self._ask(_request(prompt))) as parts:
            async for part in parts:
                for id_ in part["ids"]:
                    if id_ in prompt.stop_ids:
                        yield Token(None, "stop")
                        return
                    left -= 1
                    yield Token(id_, None if left else "length")
                    if not left:
                        return
                if part["ended"]:
                    raise EngineError("runtime.engine_refused", engine=_engine, problem="the answer ends early")

    async def likelihoods(self, fork: Fork) -> tuple[Likelihood, ...]:
        """The log-probability of each way after the context, which is read once.

        Raises:
            EngineError: they do not fit, or the engine died.
        """
        check_fork(fork, context=self._config.context)
        asked = {"do": "score", "context": fork.context, "ways": fork.ways}
        async with self._turns:
            scores = (await self._told(asked))["scores"]
        return tuple(Likelihood(logprob=logprob, greedy=greedy) for logprob, greedy in scores)

    async def probe(self) -> None:
        """Ask for a sign, which the engine gives between two steps, however busy it is.

        Raises:
            EngineError: the engine is gone.
        """
        await self._told({"do": "probe"})

    async def close(self) -> None:
        """End the process; whoever still waits for an answer gets an error."""
        await self._process.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._fail(EngineError("runtime.closed", engine=_engine))

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._config.socket:
            return await asyncio.open_unix_connection(self._address, limit=_longest_line)
        return await asyncio.open_connection("127.0.0.1", int(self._address), limit=_longest_line)

    async def _told(self, asked: dict[str, Any]) -> dict[str, Any]:
        async with contextlib.aclosing(self._ask(asked)) as parts:
            return await anext(parts)

    async def _ask(self, asked: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """Everything that the engine says to a request; not to take all of it cancels the rest."""
        writer = await self._connected()
        number, box = next(self._numbers), asyncio.Queue[dict[str, Any] | EngineError]()
        self._process.heard()
        self._waiting[number] = box
        try:
            _send(writer, {**asked, "number": number})
            ended = False
            while not ended:
                part = await box.get()
                if isinstance(part, EngineError):
                    raise part
                if "problem" in part:
                    raise EngineError("runtime.engine_refused", engine=_engine, problem=part["problem"])
                ended = part.get("ended", True)
                if ended:
                    del self._waiting[number]
                yield part
        finally:
            if self._waiting.pop(number, None) is not None:
                _send(writer, {"do": "cancel", "number": number})

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._opening:
            self._process.check_open()
            if self._writer is None:
                try:
                    reader, writer = await self._connection()
                except OSError as error:
                    raise await self._process.broken() from error
                writer.write(f"{self._config.key}\n".encode())
                self._writer = writer
                self._tasks = [
                    asyncio.create_task(self._listen(reader)),
                    asyncio.create_task(self._process.watch(self.probe, owes=self._owes)),
                ]
            if self._tasks[0].done():
                raise await self._process.broken()
            return self._writer

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Hand out what the engine says, until its connection ends."""
        try:
            while line := await reader.readline():
                part = json.loads(line)
                self._process.heard()
                box = self._waiting.get(part["number"])
                if box is not None:
                    box.put_nowait(part)
        except (OSError, ValueError):
            await asyncio.to_thread(self._process.worker.kill)  # a connection that broke: its other end is told at once
        finally:
            if self._writer is not None:
                self._writer.close()
        self._fail(await self._process.broken())

    def _owes(self) -> bool:
        return bool(self._waiting)

    def _fail(self, error: EngineError) -> None:
        for box in self._waiting.values():
            box.put_nowait(error)
        self._waiting.clear()


def _request(prompt: Prompt) -> dict[str, Any]:
    return {
        "do": "answer",
        "ids": prompt.ids,
        "stop_ids": sorted(prompt.stop_ids),
        "max_tokens": prompt.max_tokens,
        "temperature": prompt.temperature,
        "top_p": prompt.top_p,
        "seed": prompt.seed % _seeds,
        "presence": prompt.presence,
        "frequency": prompt.frequency,
    }


def _is_ir(config: OpenVinoConfig) -> bool:
    """Whether the model is in OpenVINO's own form, so that a second reading of it can tell logits."""
    return Path(config.model).is_dir()


def _send(writer: asyncio.StreamWriter, asked: dict[str, Any]) -> None:
    writer.write(json.dumps(asked).encode() + b"\n")


def _version() -> str:
    return version_of("openvino-genai", extra="openvino")
