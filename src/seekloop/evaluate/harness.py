"""Tasks of lm-eval-harness on a checkpoint or an endpoint: their figures in a Report like any other."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Figure, Report
from seekloop.evaluate.ask_spec import AskSpec
from seekloop.evaluate.harness_remote import RemoteModel
from seekloop.evaluate.harness_text import LocalModel, TextModel
from seekloop.metrics import significance
from seekloop.model.codec import Codec
from seekloop.runtime.endpoint.served import FORM, endpoint_of
from seekloop.runtime.generate.open import open_scorer
from seekloop.system import digests, lazy
from seekloop.system.errors import DataError
from seekloop.system.progress import Task
from seekloop.system.spec import Spec

__all__ = ["HarnessSpec", "figures", "run", "task_of"]

_z = 1.959963984540054
"""97.5 % point of the standard normal distribution."""
_shares = frozenset({"acc", "acc_norm", "acc_bytes", "exact_match", "f1", "em"})
_resamples = 1000
_digits = 10
_code = "!function"


class HarnessSpec(Spec):
    """Which tasks, and how they are asked."""

    tasks: tuple[str, ...] = Field(min_length=1)
    """Names that lm-eval knows, or YAML files of tasks; paths in such a file are taken from its folder."""
    limit: int | None = Field(default=None, ge=1)
    """At most so many rows of each task, the first ones; None: all."""
    shots: int | None = Field(default=None, ge=0)
    """Worked examples before each question; None: as the task says."""
    chat: bool = False
    """Put each question into the model's chat template."""
    engine: str = Field(default="auto", pattern="^(auto|torch|llamacpp|openvino)$")
    """Backend; auto takes the one that fits the checkpoint's form."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads of the backend; None: as the settings say."""
    context: int = Field(default=2048, ge=64)
    """Tokens that are read at once; a longer context loses its beginning, as in lm-eval, and how many did is said."""
    streams: int = Field(default=8, ge=1, le=512)
    """Requests to an endpoint at the same time."""
    ask: AskSpec = AskSpec()
    """Patience with an endpoint."""

    def _reads(self) -> tuple[str, ...]:
        return tuple(task for task in self.tasks if _is_file(task))


def run(spec: HarnessSpec, checkpoint: Checkpoint, *, ctx: RunContext) -> Report:
    """Run the tasks and keep what came of them.

    The report's files are `lmeval.json`, what lm-eval says, and `samples_TASK.jsonl`, a line a row.

    Raises:
        MissingPackage: lm-eval is not installed.
        DataError: a task is not known, its data cannot be read, or it brings code of its own.
        EngineError: the engine or the endpoint did not start, stopped answering, or tells no log-probabilities.
    """
    evaluator = lazy.need("lm_eval.evaluator", extra="lmeval")
    manager = lazy.need("lm_eval.tasks", extra="lmeval").TaskManager()
    harness_model = lazy.need("seekloop.evaluate.harness_model", extra="lmeval")
    tasks = [task_of(name, root=ctx.root, known=manager.all_tasks) for name in spec.tasks]
    with ctx.job("lm_eval", spec) as job:
        with ctx.progress.task("lm-eval") as bar, _model(spec, checkpoint, ctx=ctx, bar=bar) as model:
            with _data_problems(spec.tasks):
                loaded = manager.load(tasks)["tasks"]
            # Loaded tasks are given, so that whatever goes wrong from here on is the model's.
            found = evaluator.simple_evaluate(
                model=harness_model.HarnessModel(model),
                tasks=list(loaded.values()),
                num_fewshot=spec.shots,
                limit=spec.limit,
                apply_chat_template=spec.chat,
                bootstrap_iters=_resamples,
                task_manager=manager,
                random_seed=ctx.seed,
                numpy_random_seed=ctx.seed,
                torch_random_seed=ctx.seed,
                fewshot_random_seed=ctx.seed,
            )
        if model.cut:
            ctx.progress.say(f"{model.cut} contexts were longer than {spec.context} tokens and lost their beginning")
        for task, samples in sorted(found["samples"].items()):
            job.path(f"samples_{task}.jsonl").write_text("".join(map(_sample, samples)), "utf-8")
        told = {key: found[key] for key in ("results", "versions", "n-shot", "n-samples", "higher_is_better")}
        text = json.dumps(told, ensure_ascii=False, indent=1, sort_keys=True, default=str)
        job.path("lmeval.json").write_text(text + "\n", "utf-8")
        report = Report(
            parents={"checkpoint": checkpoint.id},
            made_by=job.origin,
            subject=checkpoint.id,
            dataset="lm_eval:" + digests.of_json([spec.tasks, ctx.digests_of(spec)]).removeprefix("sha256:")[:16],
            split="test",
            engine=model.name,
            figures=figures(found),
        )
        return job.commit(report)


def figures(found: Mapping[str, Any]) -> tuple[Figure, ...]:
    """Each metric of each task as `lmeval_TASK_METRIC`, with its 95 % interval.

    A filter other than lm-eval's `none` is the last part of the name. The interval is Wilson's where the metric counts
    rows, which lm-eval's standard error is nothing for when all or none are right; elsewhere value +/- 1.96 standard
    errors; none where lm-eval gives none.

    Args:
        found: what `simple_evaluate` gave.
    """
    made = []
    for task, values in sorted(found["results"].items()):
        for key, value in sorted(values.items()):
            metric, _, chosen = key.partition(",")
            if not chosen or metric.endswith("_stderr") or not isinstance(value, int | float):
                continue
            higher = found["higher_is_better"].get(task, {}).get(metric, True)
            error, n = values.get(f"{metric}_stderr,{chosen}"), int(found["n-samples"][task]["effective"])
            made.append(
                Figure(
                    name="_".join(["lmeval", task, metric, *([] if chosen == "none" else [chosen])]),
                    value=round(float(value), _digits),
                    n=n,
                    ci=_interval(float(value), error, n=n, share=metric in _shares),
                    unit="share" if metric in _shares else metric,
                    better="higher" if higher in (True, None) else "lower",
                )
            )
    return tuple(made)


def _interval(value: float, error: object, *, n: int, share: bool) -> tuple[float, float] | None:
    if share and abs(value * n - round(value * n)) < 1e-6:
        interval = significance.wilson(round(value * n), n)
        return round(interval.low, _digits), round(interval.high, _digits)
    if not isinstance(error, int | float):
        return None
    low, high = value - _z * error, value + _z * error
    return round(max(0.0, low) if share else low, _digits), round(min(1.0, high) if share else high, _digits)


@contextlib.contextmanager
def _model(spec: HarnessSpec, checkpoint: Checkpoint, *, ctx: RunContext, bar: Task) -> Iterator[TextModel]:
    if checkpoint.form == FORM:
        endpoint = endpoint_of(checkpoint, store=ctx.store)
        yield RemoteModel(endpoint, ask=spec.ask, streams=spec.streams, clock=ctx.clock, progress=bar.advance)
        return
    engine: Any = spec.engine
    with open_scorer(checkpoint, store=ctx.store, engine=engine, threads=spec.threads, context=spec.context) as scorer:
        folder = ctx.store.folder(checkpoint.id)
        room = spec.context - 2 if checkpoint.form == "gguf" else spec.context
        yield LocalModel(scorer, codec=Codec.open(folder), folder=folder, context=room, progress=bar.advance)


def _is_file(task: str) -> bool:
    return task.endswith((".yaml", ".yml"))


def task_of(name: str, *, root: Path, known: Sequence[str]) -> str | dict[str, Any]:
    """A task as lm-eval takes it: its name, or what a file says.

    Args:
        name: of a task that lm-eval knows, or a YAML file.
        root: folder that the file is in.
        known: names that lm-eval knows.

    Raises:
        DataError: no such task, or no task file that can be run.
    """
    if not _is_file(name):
        if name not in known:
            raise DataError("evaluate.harness_unknown_task", task=name)
        return name
    path = root / name
    try:
        text = path.read_text("utf-8")
        if _code in text:
            raise DataError("evaluate.harness_code", where=path)
        value = yaml.safe_load(text)
        task = {**value, "task": str(value["task"])}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
        raise DataError("evaluate.harness_bad_task", problem=_first_line(error), where=path) from error
    files = (task.get("dataset_kwargs") or {}).get("data_files")
    if files is not None:
        task["dataset_kwargs"] = {**task["dataset_kwargs"], "data_files": _absolute(files, path.parent.resolve())}
    return task


def _absolute(files: Any, folder: Path) -> Any:
    if isinstance(files, Mapping):
        return {split: _absolute(each, folder) for split, each in files.items()}
    if isinstance(files, list):
        return [_absolute(each, folder) for each in files]
    return str(folder / files)


@contextlib.contextmanager
def _data_problems(tasks: Sequence[str]) -> Iterator[None]:
    """What libraries raise when a task's data are not here and cannot be fetched, as a sentence."""
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise DataError("evaluate.harness_no_data", tasks=", ".join(tasks), problem=_first_line(error)) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _sample(sample: Mapping[str, Any]) -> str:
    """A row's line: what was right, what was said, and what each metric made of it."""
    kept = ("doc_id", "target", "filtered_resps", "filter", *sample.get("metrics", ()))
    line = {key: sample[key] for key in kept if key in sample}
    return json.dumps(line, ensure_ascii=False, sort_keys=True, default=str) + "\n"
