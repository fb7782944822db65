"""A project: a folder with `seekloop.yaml`, and `.seekloop/` beside it for ledger, store and work in progress."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, field_validator

from seekloop.artifact.context import RunContext
from seekloop.compress.spec import CompressSpec
from seekloop.data.spec import DataSpec
from seekloop.evaluate.kpi_spec import Kpi
from seekloop.evaluate.spec import EvaluateSpec
from seekloop.learn.spec import LearnSpec
from seekloop.loop.gates import GateSpec
from seekloop.loop.incremental_spec import IncrementalSpec
from seekloop.loop.retention_spec import RetentionSpec
from seekloop.loop.watch_spec import WatchSpec
from seekloop.serve.options import GatewayOptions
from seekloop.serve.spec import ServeSpec
from seekloop.system.errors import UsageError
from seekloop.system.files import write_whole
from seekloop.system.plain import parse_yaml, read_yaml
from seekloop.system.progress import Progress
from seekloop.system.spec import Spec, override
from seekloop.tune.spec import TuneSpec

__all__ = ["FILE", "Project", "ProjectSpec", "recipe_names", "recipe_text"]

FILE = "seekloop.yaml"


class ProjectSpec(Spec):
    """The whole loop of one project. The first three keys are the dials; the rest has defaults that `plan` prints."""

    domain: str
    """What the model is for, in a few words: it names the releases."""
    base: str = "smollm2-135m"
    """Base model: a name, or `pypi:`, `hf:`, `modelscope:`, `path:` or `gguf:` and where it is."""
    hardware: Literal["cpu"] = "cpu"
    """Machine that tunes and serves."""
    seed: int = 7
    """Every random choice derives from it."""
    data: DataSpec = DataSpec()
    """First round: where the rows come from and how they become a dataset."""
    tune: TuneSpec = TuneSpec()
    """First round: method, epochs, learning rate."""
    evaluate: EvaluateSpec = EvaluateSpec()
    """How every checkpoint is measured."""
    compress: dict[str, CompressSpec] = Field(default_factory=dict)
    """Forms to make of a tuned checkpoint, by a name of your choice, for example `int8`."""
    serve: ServeSpec = ServeSpec()
    """Decoding and what a release carries."""
    release_form: str | None = None
    """Which form of `compress` is released; None releases the tuned checkpoint itself."""
    alias: str = "production"
    """Name in the registry that traffic follows."""
    gateway: GatewayOptions = GatewayOptions()
    """Limits and waits of `seekloop up`; it serves `alias`, whatever the gateway's own says."""
    learn: LearnSpec = LearnSpec()
    """What counts as a lesson."""
    incremental: IncrementalSpec = IncrementalSpec()
    """Data and tuning of later rounds."""
    gate: GateSpec = GateSpec()
    """What a later round must show before it is promoted."""
    retention: RetentionSpec = RetentionSpec()
    """How long texts of production are kept."""
    kpis: tuple[Kpi, ...] = ()
    """Business figures, by names that rules of the gate use `on: business`."""
    watch: WatchSpec = WatchSpec()
    """When the loop runs by itself, and how what it makes gets into production."""

    @field_validator("kpis")
    @classmethod
    def _named_once(cls, value: tuple[Kpi, ...]) -> tuple[Kpi, ...]:
        names = [one.name for one in value]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two are called {', '.join(twice)}")
        return value


@dataclass(frozen=True)
class Project:
    """An opened project folder."""

    folder: Path
    spec: ProjectSpec

    @classmethod
    def create(cls, folder: Path, values: Mapping[str, Any]) -> Self:
        """Write `seekloop.yaml` into a new project folder.

        Raises:
            UsageError: the folder has one already, or a value is wrong.
        """
        path = folder / FILE
        if path.exists():
            raise UsageError("loop.project_exists", path=path)
        _parse(values)
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True).encode())
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path, *, changes: Iterable[str] = ()) -> Self:
        """Read the project in `folder`, with `KEY=VALUE` overrides.

        Raises:
            UsageError: no project there, an unknown recipe or key, or a wrong value.
        """
        path = folder / FILE
        if not path.is_file():
            raise UsageError("loop.no_project", folder=folder)
        return cls(folder, _parse(override(read_yaml(path), changes)))

    def context(self, *, progress: Progress | None = None, actor: str = "local") -> RunContext:
        """A run context on this project's store and ledger. Close its ledger when done."""
        return RunContext.in_folder(self.folder, seed=self.spec.seed, progress=progress, actor=actor)


def recipe_names() -> list[str]:
    """Names of the shipped recipes: domain_base_method_hardware."""
    folder = resources.files("seekloop.loop").joinpath("recipes")
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def recipe_text(name: str) -> str:
    """The YAML of a shipped recipe.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in recipe_names():
        raise UsageError("loop.unknown_recipe", name=name, known=", ".join(recipe_names()))
    return resources.files("seekloop.loop").joinpath("recipes", f"{name}.yaml").read_text("utf-8")


def _parse(values: Mapping[str, Any]) -> ProjectSpec:
    """The spec of a project file; with `recipe: NAME`, the file's own keys are laid over that recipe."""
    own = dict(values)
    recipe = own.pop("recipe", None)
    if recipe is None:
        return ProjectSpec.parse(own)
    return ProjectSpec.parse(_merge(parse_yaml(recipe_text(str(recipe)), where=recipe), own))


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        inner = merged.get(key)
        both = isinstance(inner, Mapping) and isinstance(value, Mapping)
        merged[key] = _merge(inner, value) if both else value  # type: ignore[arg-type]
    return merged
