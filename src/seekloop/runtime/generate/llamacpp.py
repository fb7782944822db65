"""Generation with llama.cpp on the CPU: one GGUF model in a supervised process of its own, spoken to in token ids."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import itertools
import json
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import httpx2

from seekloop.runtime.generate.allowed import is_allowed
from seekloop.runtime.generate.backend import Ability, Chance, Prompt, Token
from seekloop.runtime.generate.beside import Beside
from seekloop.runtime.generate.dials import Dials
from seekloop.runtime.generate.engine_process import EngineProcess, InProcess, version_of
from seekloop.runtime.generate.likelihood import Fork, Likelihood, check_fork
from seekloop.runtime.generate.limits import check_fits, check_reads
from seekloop.runtime.generate.llamacpp_config import WorkerConfig
from seekloop.runtime.http.connection import Broken, Waits
from seekloop.runtime.http.connections import Connections
from seekloop.runtime.http.events import Events
from seekloop.system.errors import EngineError

__all__ = ["LlamaCpp"]

_module = "seekloop.runtime.generate.llamacpp_worker"
_engine = "llama.cpp"
_ok = 200
_here = "http://localhost"
"""What requests over a socket of the file system are addressed to."""
_ready_s = 120.0
_greedy: Mapping[str, Any] = MappingProxyType({"temperature": 0.0, "samplers": ["top_k"], "top_k": 1})
_first_look = 256
"""Of the likeliest ids, where one that a grammar allows is nearly always among them."""
_all_ids = 2**20
"""More than any vocabulary has."""
_ends_of_itself = frozenset({11})
"""Where llama.cpp ends when it is told of no stop id, for vocabularies of the kind that it is shown."""
_as_it_is = -1
"""The length that llama.cpp leaves a vector."""
_one_token: Mapping[str, Any] = MappingProxyType(
    {"prompt": [0], "n_predict": 1, "cache_prompt": False, "return_tokens": True}
)
_random_seed = 2**32 - 1
"""The seed that llama.cpp takes for "any"."""


class LlamaCpp(InProcess):
    """An awaited backend that owns one engine process with one model. Made by `start`.

    Args:
        process: started.
        address: where it listens.
        config: what it was told.
        start: starts another one over the same file, with other dials.
    """

    abilities: frozenset[Ability] = frozenset({"grammar", "penalties", "logit_bias", "embeddings"})

    def __init__(
        self, process: EngineProcess, *, address: str, config: WorkerConfig, start: Callable[..., LlamaCpp]
    ) -> None:
        super().__init__(process)
        self.name = f"llamacpp {_version()}"
        self._config = config
        self._ends = frozenset(config.stop_ids) or _ends_of_itself
        self._context = min(config.context, _wait_until_ready(process, address=address, config=config))
        # The server ends connections after a stream, sometimes just as the next request would use them again.
        self._connections = Connections(
            _here if config.socket else address,
            headers={**_authorization(config.key), "Connection": "close"},
            waits=Waits(connect_s=process.silence_s),
            socket=config.socket,
        )
        self._turns = asyncio.Semaphore(config.streams)
        self._embedding = Beside(functools.partial(start, embeds=True, streams=1, draft=None))
        self._telling = Beside(functools.partial(start, draft=None))

    @classmethod
    def start(
        cls,
        model: Path,
        *,
        stop_ids: Collection[int],
        threads: int,
        streams: int = 8,
        context: int = 2048,
        prefix_cache: bool = False,
        silence_s: float = 60.0,
    ) -> Self:
        """As `open`, with the dials one by one.

        Raises:
            EngineError: it ended or was not ready in time; the end of its log is told.
            MissingPackage: xllamacpp is not installed.
        """
        dials = Dials(threads=threads, streams=streams, context=context, prefix_cache=prefix_cache, silence_s=silence_s)
        return cls.open(model, stop_ids=stop_ids, dials=dials)

    @classmethod
    def open(cls, model: Path, *, stop_ids: Collection[int], dials: Dials, embeds: bool = False) -> Self:
        """Start a process for a GGUF file and wait for its first token.

        Args:
            model: the file.
            stop_ids: of the codec that the model was made for.
            dials: how it is run; threads are given.
            embeds: it gives embeddings, and nothing else.

        Raises:
            EngineError: it ended or was not ready in time; the end of its log is told.
            MissingPackage: xllamacpp is not installed.
        """
        _version()
        assert dials.threads is not None
        silence_s, draft = dials.silence_s, dials.draft
        process = EngineProcess(_module, engine=_engine, ready_s=_ready_s, silence_s=silence_s, sandbox=dials.sandbox)
        config = WorkerConfig(
            model=str(model),
            stop_ids=tuple(sorted(stop_ids)),
            streams=dials.streams,
            context=dials.context,
            threads=dials.threads,
            cache_prompt=dials.prefix_cache,
            key=process.key,
            parent=process.parent,
            socket=process.socket,
            embeds=embeds,
            draft_tokens=draft.tokens if draft else 0,
            draft_ngram=draft.ngram if draft else 0,
            draft_model=str(draft.model) if draft and draft.model else "",
        )

        def start(*, embeds: bool = False, **changed: Any) -> LlamaCpp:
            return cls.open(model, stop_ids=stop_ids, dials=dataclasses.replace(dials, **changed), embeds=embeds)

        address = process.start(config.to_json())
        try:
            return cls(process, address=address, config=config, start=start)
        except BaseException:
            process.worker.kill()
            raise

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Token, None]:
        """Answer one prompt token by token; `aclose` cancels the rest.

        Raises:
            EngineError: the prompt does not fit, or the engine died or hangs; its process is gone then.
        """
        check_fits(prompt, context=self._context)
        if prompt.top is not None and self._config.draft_tokens:
            # It tells nothing of ids that were guessed.
            async with contextlib.aclosing((await self._telling.engine()).stream(prompt)) as told:
                async for token in told:
                    yield token
            return
        async with self._turns:
            self._process.check_open()
            self._process.heard()
            watch = asyncio.create_task(self._process.watch(self.probe, owes=_always))
            try:
                async with contextlib.aclosing(self._answer(prompt)) as tokens:
                    async for token in tokens:
                        yield token
            except Broken as error:
                raise await self._process.broken(error) from error
            finally:
                watch.cancel()

    async def likelihood(self, context: tuple[int, ...], way: tuple[int, ...]) -> Likelihood:
        """The log-probability of `way` after `context`.

        Raises:
            EngineError: they do not fit, or the engine died.
        """
        check_fork(Fork(context, (way,)), context=self._context - 1)
        chances = await self._said(context, way, top=1)
        return Likelihood(
            logprob=sum(chance.logprob for chance in chances),
            greedy=all(chance.logprob >= chance.top[0][1] for chance in chances),
        )

    async def likelihoods(self, fork: Fork) -> tuple[Likelihood, ...]:
        """The log-probability of each way after the context.

        Raises:
            EngineError: they do not fit, or the engine died.
        """
        return tuple(await asyncio.gather(*(self.likelihood(fork.context, way) for way in fork.ways)))

    async def read(self, ids: Sequence[int], *, top: int) -> tuple[Chance, ...]:
        """What the model gives each id of a text but the first; a step of the engine an id.

        Raises:
            EngineError: the text does not fit, or the engine died.
        """
        check_reads(ids, context=self._context - 1)
        chances = await self._said((ids[0],), tuple(ids[1:]), top=max(top, 1)) if len(ids) > 1 else []
        return tuple(Chance(chance.logprob, chance.top[:top]) for chance in chances)

    async def _said(self, context: tuple[int, ...], way: tuple[int, ...], *, top: int) -> list[Chance]:
        """What the model gives each id of `way` after `context`.

        The engine is made to say `way` by a grammar of ids, and tells at each what the model itself gave it: nothing
        else makes llama.cpp's server tell of ids that it did not choose. No grammar makes it say an id that it ends at;
        for those it is asked for the whole table of ids, which takes longer.

        Raises:
            EngineError: the engine died.
        """
        if self._config.draft_tokens:
            return await (await self._telling.engine())._said(context, way, top=top)
        chances: list[Chance] = []
        for ends, run in itertools.groupby(way, key=self._ends.__contains__):
            ids = tuple(run)
            for part in [(id_,) for id_ in ids] if ends else [ids]:
                chances += await self._told(context + way[: len(chances)], part, ends=ends, top=top)
        return chances

    async def among(self, ids: Sequence[int], *, allowed: bytes, most: int) -> tuple[tuple[int, float], ...]:
        """The likeliest of the allowed ids after `ids`; where none is near the top, the whole table is asked for.

        Raises:
            EngineError: the text does not fit, or the engine died.
        """
        check_reads(ids, context=self._context - 1)
        for look in (max(_first_look, most), _all_ids):
            (step,) = await self._steps(tuple(ids), {"n_predict": 1, "n_probs": look}, warm=True)
            found = [each for each in _table(step).items() if is_allowed(each[0], allowed)]
            if found:
                break
        return tuple(sorted(found, key=lambda item: (-item[1], item[0]))[:most])

    async def embed(self, ids: Sequence[int]) -> tuple[float, ...]:
        """The mean over a text's ids of what the last norm makes of each, [width], by a process of its own.

        llama.cpp's server gives either text or embeddings, and reads a text of which it gives the mean at once; a
        text would hold up every answer meanwhile. The process is started by the first text.

        Raises:
            EngineError: the text does not fit, or the engine died.
        """
        check_reads(ids, context=self._context)
        engine = await self._embedding.engine()
        try:
            return await engine._mean(ids)
        except EngineError:
            if engine.alive():
                raise
            return await (await self._embedding.engine())._mean(ids)

    async def _mean(self, ids: Sequence[int]) -> tuple[float, ...]:
        async with self._turns:
            told = await self._asked("embedding", {"content": list(ids), "embd_normalize": _as_it_is})
        ((vector,),) = [one["embedding"] for one in told]
        return tuple(vector)

    async def likeliest(self, context: tuple[int, ...], *, most: int) -> dict[int, float]:
        """The log-probabilities (nats) of the `most` likeliest ids after `context`; a whole vocabulary takes longer.

        Raises:
            EngineError: the context does not fit, or the engine died.
        """
        check_fork(Fork(context, ((0,),)), context=self._context - 1)
        (step,) = await self._steps(context, {"n_predict": 1, "n_probs": most})
        return _table(step)

    async def _told(self, context: tuple[int, ...], way: tuple[int, ...], *, ends: bool, top: int) -> list[Chance]:
        told = {"n_probs": _all_ids} if ends else {"n_probs": top, "grammar": _grammar(way)}
        steps = await self._steps(context, {"n_predict": len(way), **told})
        chances = [_chance(step, id_, top=top) for step, id_ in zip(steps, way, strict=False)]
        if len(chances) != len(way):
            raise EngineError("runtime.engine_refused", engine=_engine, problem="it did not say what it was told to")
        return chances

    async def _steps(self, context: tuple[int, ...], body: Mapping[str, Any], *, warm: bool = False) -> list[Any]:
        """What the engine tells of each id that it generates after `context`, greedily."""
        async with self._turns:
            cached = warm or self._config.cache_prompt
            told = await self._asked("completion", {"prompt": context, "cache_prompt": cached, **body, **_greedy})
        steps: list[Any] = told["completion_probabilities"]
        return steps

    async def _asked(self, path: str, body: Mapping[str, Any]) -> Any:
        """What the engine answers, whole."""
        self._process.check_open()
        try:
            status, said = await self._connections.whole(path, json.dumps(body).encode())
        except Broken as error:
            raise await self._process.broken(error) from error
        if status != _ok:
            raise _refusal(said)
        return json.loads(said)

    async def probe(self) -> None:
        """Ask for the state of the streams, which the engine tells between two tokens, however busy it is.

        Raises:
            EngineError: the engine is gone.
        """
        self._process.check_open()
        try:
            status, said = await self._connections.whole("slots")
        except Broken as error:
            raise await self._process.broken(error) from error
        if status != _ok:
            raise _refusal(said)

    async def close(self) -> None:
        """End the process; whoever still waits for an answer gets an error."""
        await self._process.close()
        await asyncio.gather(self._embedding.close(), self._telling.close())

    async def _answer(self, prompt: Prompt) -> AsyncGenerator[Token, None]:
        ids = prompt.ids
        left = prompt.max_tokens
        while True:
            before = left
            async with contextlib.aclosing(self._ids(ids, prompt, at_most=left)) as generated:
                async for id_, chance in generated:
                    if id_ in prompt.stop_ids:
                        yield Token(None, "stop")
                        return
                    ids, left = (*ids, id_), left - 1
                    yield Token(id_, None if left else "length", chance)
                    if not left:
                        return
            if left == before:
                raise EngineError("runtime.engine_refused", engine=_engine, problem="it gave no token")
            # It ended at a stop id of the codec that this prompt does not stop at: go on behind it.

    async def _ids(
        self, ids: tuple[int, ...], prompt: Prompt, *, at_most: int
    ) -> AsyncGenerator[tuple[int, Chance | None], None]:
        """What the engine generates after `ids`, the stop id that ends it included."""
        body = {
            "prompt": ids,
            "n_predict": at_most,
            "stream": True,
            "return_tokens": True,
            "cache_prompt": prompt.warm or self._config.cache_prompt,
            **_sampling(prompt),
            **({} if prompt.top is None else {"n_probs": max(prompt.top, 1)}),
        }
        connection = await self._connections.ask("completion", json.dumps(body).encode())
        try:
            status, _ = await connection.head()
            if status != _ok:
                raise _refusal(await connection.rest())
            events = Events()
            while said := await connection.piece():
                self._process.heard()
                for event in events.push(said):
                    part = json.loads(event)
                    if "tokens" not in part:
                        raise _refusal(event)
                    steps = part.get("completion_probabilities") or [None] * len(part["tokens"])
                    for id_, step in zip(part["tokens"], steps, strict=True):
                        yield id_, None if step is None else _chance(step, id_, top=prompt.top or 0)
                    if part["stop"]:
                        return
        finally:
            self._connections.done(connection)
        raise Broken("the answer ends early")


def _refusal(said: bytes) -> EngineError:
    """What the engine says instead of an answer, told."""
    return EngineError("runtime.engine_refused", engine=_engine, problem=said.decode("utf-8", "replace"))


def _sampling(prompt: Prompt) -> dict[str, Any]:
    """llama.cpp's names. Only what we ask for is in the chain: its own default adds top-k and min-p."""
    shifts: dict[str, Any] = {"logit_bias": [list(one) for one in prompt.bias]} if prompt.bias else {}
    first: list[str] = []
    if prompt.presence or prompt.frequency:
        first = ["penalties"]
        shifts |= {"presence_penalty": prompt.presence, "frequency_penalty": prompt.frequency}
        shifts |= {"repeat_last_n": len(prompt.ids) + prompt.max_tokens}  # it cannot tell the answer from the prompt
    if prompt.temperature <= 0:
        return {**_greedy, **shifts, "samplers": [*first, *_greedy["samplers"]]}
    return {
        "temperature": prompt.temperature,
        "top_p": prompt.top_p,
        "samplers": [*first, "temperature", "top_p"],
        "seed": prompt.seed % _random_seed,
        **shifts,
    }


def _chance(step: Mapping[str, Any], id_: int, *, top: int) -> Chance:
    """What a step tells of the id that it chose.

    Raises:
        EngineError: it tells nothing of this id.
    """
    table = _table(step)
    if id_ not in table:
        raise EngineError("runtime.engine_refused", engine=_engine, problem="it did not say what it was told to")
    likeliest = sorted(table.items(), key=lambda item: (-item[1], item[0]))
    return Chance(table[id_], tuple(likeliest[:top]))


def _table(step: Mapping[str, Any]) -> dict[int, float]:
    """Id -> log-probability (nats) at one step, the chosen id among them."""
    return {int(each["id"]): float(each["logprob"]) for each in (*step["top_logprobs"], step)}


def _grammar(way: tuple[int, ...]) -> str:
    """What lets the engine say these ids and no others, in llama.cpp's notation."""
    return "root ::= " + " ".join(f"<[{id_}]>" for id_ in way)


def _wait_until_ready(process: EngineProcess, *, address: str, config: WorkerConfig) -> int:
    """Have the engine give its first token, or vector; returns the positions that its model was made for.

    Raises:
        EngineError: it dies, or gives none in time.
    """
    body: dict[str, Any] = {"content": [0]} if config.embeds else dict(_one_token)
    try:
        with httpx2.Client(
            base_url=_here if config.socket else address,
            headers=_authorization(config.key),
            timeout=_ready_s,
            transport=httpx2.HTTPTransport(uds=config.socket or None),
        ) as client:
            path = "/embedding" if config.embeds else "/completion"
            first = client.post(path, json=body).raise_for_status().json()
            model = client.get("/v1/models").raise_for_status().json()["data"][0]
    except httpx2.HTTPError as error:
        if not process.worker.alive():
            raise process.worker.death() from error
        raise EngineError("runtime.engine_refused", engine=_engine, problem=error) from error
    if not config.embeds and len(first["tokens"]) != 1:
        raise EngineError("runtime.engine_refused", engine=_engine, problem="it gave no token")
    return int(model["meta"]["n_ctx_train"])


def _authorization(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _always() -> bool:
    return True


def _version() -> str:
    return version_of("xllamacpp", extra="serve")
