"""Asks the rows of a split, keeps every answer as it comes, and goes on from the answers that an earlier try kept.

There are three ways to ask: an engine that generates, an engine that is given the labels to choose from, and an
endpoint. Each ends as an `Asked`: who was asked what, what was answered, what got no answer, and what it took.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from seekloop.artifact.context import RunContext
from seekloop.artifact.rows import Message
from seekloop.evaluate import constrained, efficiency, scoring
from seekloop.evaluate.answered import Answered
from seekloop.evaluate.probes import asking as probes
from seekloop.evaluate.probes.asking import Probed
from seekloop.evaluate.questions import Question, prompts
from seekloop.evaluate.remote import Remote, Said, Unanswered, body_of, probe_body
from seekloop.evaluate.scoring import Scored
from seekloop.evaluate.spec import EvaluateInputs, EvaluateSpec
from seekloop.metrics import latency
from seekloop.model.codec import Codec
from seekloop.runtime.endpoint.served import FORM, endpoint_of
from seekloop.runtime.generate.backend import Backend, Completion, Prompt
from seekloop.runtime.generate.open import open_backend
from seekloop.system import digests, seeds
from seekloop.system.errors import EngineError
from seekloop.text.labelled import AnswerForm

__all__ = ["Asked", "ask", "ask_all", "read"]

_rounded = 256
"""llama.cpp holds contexts in steps of so many tokens."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What came of asking a split."""

    engine: str
    questions: Sequence[Question]
    """Those that were answered."""
    answers: Sequence[Scored]
    """In the order of `questions`."""
    cost: Mapping[str, float]
    unanswered: Sequence[tuple[Question, str]] = ()
    """Rows that got no answer, with why."""
    probabilities: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Row id -> label -> its probability; empty where answers were free."""
    completions: Sequence[Completion] = ()
    """What an engine generated, in the order of `questions`; empty where none did."""
    probed: Sequence[Probed] = ()
    """What was asked beside the rows."""


def ask_all(
    asked: Sequence[Question],
    spec: EvaluateSpec,
    *,
    inputs: EvaluateInputs,
    codec: Codec,
    kept: Answered,
    ctx: RunContext,
) -> Asked:
    """Ask every question that `kept` holds no answer to.

    Raises:
        DataError: a prompt is too long, or answers are to be labels and the dataset's are not.
        EngineError: the backend did not start or stopped answering, or the endpoint did.
    """
    if kept.found:
        ctx.progress.say(f"goes on where it stopped: {len(kept.found)} answers are there")
    if inputs.checkpoint.form == FORM and spec.engine != "echo":
        return _ask_endpoint(asked, spec=spec, inputs=inputs, kept=kept, ctx=ctx)
    requests = prompts(asked, spec, codec=codec, seed=seeds.derive(ctx.seed, "evaluate", "sampling"))
    if spec.ask.answers == "constrained":
        return _ask_labels(asked, requests, spec=spec, inputs=inputs, codec=codec, kept=kept, ctx=ctx)
    return _ask_engine(asked, requests, spec=spec, inputs=inputs, codec=codec, kept=kept, ctx=ctx)


def ask(
    backend: Backend, requests: Sequence[Prompt], *, ctx: RunContext, kept: Answered | None = None
) -> list[Completion]:
    """The backend's answer to each prompt, in the order of the prompts, with a bar that counts them as they end.

    A prompt that stands there twice is asked once, and one that was answered in an earlier try is not asked again.

    Args:
        backend: who answers.
        requests: the prompts.
        ctx: whose progress shows the bar.
        kept: holds the answers of earlier tries, and takes the new ones; None: they are only given back.
    """
    names = [_name(request) for request in requests]
    found = {} if kept is None else {name: _completion(answer) for name, answer in kept.found.items()}
    open_ = {name: request for name, request in zip(names, requests, strict=True) if name not in found}
    order = list(open_)
    with ctx.progress.task("evaluate", total=len(set(names)), done=len(set(names)) - len(order)) as bar:
        for index, completion in backend.generate(list(open_.values())):
            found[order[index]] = completion
            if kept is not None:
                kept.add(order[index], dataclasses.asdict(completion))
            bar.advance()
    return [found[name] for name in names]


def read(
    completions: Sequence[Completion], asked: Sequence[Question], *, codec: Codec, form: AnswerForm
) -> list[Scored]:
    """Completions as scored answers, in the order of the questions."""
    answers: list[Scored] = []
    for completion, question in zip(completions, asked, strict=True):
        parsed = codec.parse(completion.ids)
        answers.append(
            scoring.score(
                question.row,
                Message(role="assistant", content=parsed.content, tool_calls=parsed.tool_calls),
                form=form,
                finish_reason=completion.finish_reason,
                completion_tokens=len(completion.ids),
            )
        )
    return answers


def _ask_engine(
    asked: Sequence[Question],
    requests: Sequence[Prompt],
    *,
    spec: EvaluateSpec,
    inputs: EvaluateInputs,
    codec: Codec,
    kept: Answered,
    ctx: RunContext,
) -> Asked:
    beside = _beside(asked, spec, inputs=inputs, ctx=ctx)
    with _opened([*requests, *probes.prompts(beside, codec)], spec=spec, inputs=inputs, ctx=ctx) as backend:
        engine, started = backend.name, ctx.clock.monotonic()
        completions = ask(backend, requests, ctx=ctx, kept=kept)
        seconds = kept.earlier_s + ctx.clock.monotonic() - started
        asking = probes.Asking(
            engine=engine,
            opened=lambda: contextlib.nullcontext(backend),
            checkpoint=inputs.checkpoint,
            codec=codec,
            context=spec.context,
        )
        probed, taken = probes.ask(beside, asking, ctx=ctx)
    served = efficiency.served_bytes(inputs.checkpoint, store=ctx.store)
    return Asked(
        engine=engine,
        questions=asked,
        answers=read(completions, asked, codec=codec, form=inputs.dataset.answer),
        cost={**efficiency.cost(requests, completions, seconds=seconds, spec=spec.efficiency, served=served), **taken},
        completions=completions,
        probed=probed,
    )


def _ask_labels(
    asked: Sequence[Question],
    requests: Sequence[Prompt],
    *,
    spec: EvaluateSpec,
    inputs: EvaluateInputs,
    codec: Codec,
    kept: Answered,
    ctx: RunContext,
) -> Asked:
    labels = constrained.choices(inputs.dataset, codec=codec)
    started = ctx.clock.monotonic()
    engine, scores = constrained.ask(requests, labels, spec=spec, checkpoint=inputs.checkpoint, kept=kept, ctx=ctx)
    seconds = kept.earlier_s + ctx.clock.monotonic() - started
    beside = _beside(asked, spec, inputs=inputs, ctx=ctx)
    asking = probes.Asking(
        engine=engine,
        opened=lambda: _opened(probes.prompts(beside, codec), spec=spec, inputs=inputs, ctx=ctx),
        checkpoint=inputs.checkpoint,
        codec=codec,
        context=spec.context,
    )
    probed, taken = probes.ask(beside, asking, ctx=ctx)
    shares = [constrained.shares(each, labels) for each in scores]
    answers = [
        constrained.read(each, one, labels=labels, dataset=inputs.dataset)
        for each, one in zip(shares, asked, strict=True)
    ]
    return Asked(
        engine=engine,
        questions=asked,
        answers=answers,
        probabilities={one.row.id: each for one, each in zip(asked, shares, strict=True)},
        cost={
            efficiency.ANSWERS: float(len(asked)),
            "prompt_tokens": float(sum(len(request.ids) for request in requests)),
            "rows_per_s": round(latency.per_second(len(asked), seconds), 2),
            **taken,
        },
        probed=probed,
    )


def _ask_endpoint(
    asked: Sequence[Question], *, spec: EvaluateSpec, inputs: EvaluateInputs, kept: Answered, ctx: RunContext
) -> Asked:
    endpoint = endpoint_of(inputs.checkpoint, store=ctx.store)
    remote = Remote(endpoint, spec, clock=ctx.clock)
    seed = seeds.derive(ctx.seed, "evaluate", "sampling")
    bodies = [body_of(question, spec, model=endpoint.model, seed=seed) for question in asked]
    names = [digests.of_json(body) for body in bodies]
    said: dict[str, Said] = {name: Said.from_json(answer) for name, answer in kept.found.items()}
    problems: dict[str, str] = {}
    left = [index for index, name in enumerate(names) if name not in said]
    started = ctx.clock.monotonic()
    with ctx.progress.task("evaluate", total=len(asked), done=len(asked) - len(left)) as bar:

        def heard(index: int, answer: Said | Unanswered) -> None:
            if isinstance(answer, Said):
                kept.add(names[index], answer.to_json())
                said[names[index]] = answer
            else:
                problems[names[index]] = answer.problem
            bar.advance()

        remote.ask([(index, bodies[index]) for index in left], heard=heard)
    seconds = kept.earlier_s + ctx.clock.monotonic() - started
    answered = _of_endpoint(
        asked, names, said=said, problems=problems, inputs=inputs, name=remote.name, seconds=seconds
    )
    beside = probes.wanted(spec.probes, inputs.checkpoint, rows=len(asked))
    return _with_probes(answered, beside, remote=remote, model=endpoint.model, ctx=ctx)


def _with_probes(asked: Asked, beside: Sequence[probes.Probe], *, remote: Remote, model: str, ctx: RunContext) -> Asked:
    """What an endpoint says to the probes is asked anew each time: behind its address may be another model."""
    found: dict[int, Said | Unanswered] = {}
    started = ctx.clock.monotonic()
    with ctx.progress.task("probes", total=len(beside)) as bar:

        def heard(index: int, answer: Said | Unanswered) -> None:
            found[index] = answer
            bar.advance()

        remote.ask([(at, probe_body(one, model=model)) for at, one in enumerate(beside)], heard=heard)
    said = {at: one for at, one in found.items() if isinstance(one, Said)}
    if len(said) < len(beside):
        ctx.progress.say(f"{len(beside) - len(said)} of {len(beside)} probes got no answer and are left out")
    _check_one_release(one.version for one in said.values())
    probed = [
        Probed(item=one.item, tokens=one.tokens, answer=said[at].content) for at, one in enumerate(beside) if at in said
    ]
    seconds = round(ctx.clock.monotonic() - started, 2)
    taken = {"probes": float(len(probed)), "probes_s": seconds} if beside else {}
    return dataclasses.replace(asked, probed=probed, cost={**asked.cost, **taken})


def _of_endpoint(
    asked: Sequence[Question],
    names: Sequence[str],
    *,
    said: Mapping[str, Said],
    problems: Mapping[str, str],
    inputs: EvaluateInputs,
    name: str,
    seconds: float,
) -> Asked:
    answered = [(question, said[one]) for question, one in zip(asked, names, strict=True) if one in said]
    if not answered:
        raise EngineError("evaluate.nothing_answered", rows=len(asked), problem=next(iter(problems.values())))
    releases = _check_one_release(one.version for _, one in answered)
    took = [one.total_s for _, one in answered]
    tokens = sum(one.completion_tokens for _, one in answered)
    return Asked(
        engine=" ".join([name, *releases]),
        questions=[question for question, _ in answered],
        answers=[_scored(question, one, form=inputs.dataset.answer) for question, one in answered],
        unanswered=[(q, problems[one]) for q, one in zip(asked, names, strict=True) if one not in said],
        cost={
            efficiency.ANSWERS: float(len(answered)),
            "prompt_tokens": float(sum(one.prompt_tokens for _, one in answered)),
            "tokens": float(tokens),
            "answer_p50_s": round(latency.percentile(took, 0.5), 4),
            "answer_p95_s": round(latency.percentile(took, 0.95), 4),
            "tokens_per_s": round(latency.per_second(tokens, seconds), 2),
        },
    )


def _check_one_release(versions: Iterable[str]) -> list[str]:
    """The release that all answers are of; none where the endpoint names none.

    Raises:
        EngineError: there are several.
    """
    releases = sorted({version for version in versions if version.startswith("release:")})
    if len(releases) > 1:
        raise EngineError("evaluate.endpoint_changed", releases=", ".join(map(digests.short, releases)))
    return releases


def _scored(question: Question, said: Said, *, form: AnswerForm) -> Scored:
    score = functools.partial(scoring.score, question.row, said.message(), form=form)
    return score(finish_reason=said.finish_reason, completion_tokens=said.completion_tokens)


def _name(request: Prompt) -> str:
    """What is asked, as a name: all that decides the answer of one engine."""
    value: dict[str, Any] = dataclasses.asdict(request) | {"stop_ids": sorted(request.stop_ids)}
    return digests.of_json(value)


def _completion(value: Mapping[str, Any]) -> Completion:
    return Completion(**{**value, "ids": tuple(value["ids"])})


def _beside(
    asked: Sequence[Question], spec: EvaluateSpec, *, inputs: EvaluateInputs, ctx: RunContext
) -> list[probes.Probe]:
    beside = probes.wanted(spec.probes, inputs.checkpoint, rows=len(asked))
    if not beside and not (spec.probes.general is spec.probes.safety is False):
        ctx.progress.say("probes: left out, as a classifier writes no answers")
    return beside


def _opened(
    requests: Sequence[Prompt], *, spec: EvaluateSpec, inputs: EvaluateInputs, ctx: RunContext
) -> AbstractContextManager[Backend]:
    """The backend, with as much room as these requests need, and no more than the spec gives."""
    positions = max(len(request.ids) + request.max_tokens for request in requests)
    return open_backend(
        inputs.checkpoint,
        store=ctx.store,
        engine=spec.engine,
        threads=spec.threads,
        streams=spec.streams,
        context=min(spec.context, -(-positions // _rounded) * _rounded),
    )
