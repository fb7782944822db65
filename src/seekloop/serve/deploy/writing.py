"""Writes a release's deployment: a new folder, whole or not at all.

What runs the gateway (`compose`, `helm`, `systemd`) holds no weights: it points at the project, whose alias it
follows. What runs another engine (`vllm`, `sglang`, `triton`, `llama-server`) takes the release's weights along.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from seekloop import __version__
from seekloop.artifact.kinds import Checkpoint, Release
from seekloop.artifact.store import Store
from seekloop.system.errors import UsageError
from seekloop.system.files import disk_full_is_a_sentence

__all__ = ["TARGETS", "Deployment", "write"]


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What the files are filled with."""

    release: Release
    checkpoint: Checkpoint
    project: Path
    """The project's folder."""
    command: Path
    """The `seekloop` that a service starts."""
    user: str
    """Who a service runs as."""
    name: str
    """What other engines call the model."""
    context: int
    """Tokens of prompt and answer together."""

    def words(self, quoted: Callable[[str], str]) -> Mapping[str, str]:
        """Placeholder -> what stands there; paths as the target reads them."""
        return {
            "version": __version__,
            "project": quoted(str(self.project.resolve())),
            "command": quoted(str(self.command)),
            "user": self.user,
            "name": self.name,
            "context": str(self.context),
        }


def _as_is(text: str) -> str:
    return text


def _in_yaml(text: str) -> str:
    """A scalar of a compose file, which fills in variables of its own."""
    return json.dumps(text, ensure_ascii=False).replace("$", "$$")


def _in_unit(text: str) -> str:
    """A word of a systemd unit, which knows specifiers and variables."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


@dataclass(frozen=True, kw_only=True)
class _Target:
    files: Mapping[str, str]
    """Where a file goes -> the shipped one, whose placeholders are filled in."""
    copied: Mapping[str, str] | None = None
    """The same for folders that are taken as they are."""
    forms: tuple[str, ...] = ()
    """Forms of weights that are taken along; none: it needs none."""
    quoted: Callable[[str], str] = _as_is
    """How a path is written."""


_gpu = ("full", "compressed-tensors")
_name = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_targets = {
    "compose": _Target(files={"compose.yaml": "compose.yaml"}, copied={"Dockerfile": "Dockerfile"}, quoted=_in_yaml),
    "helm": _Target(
        files={"seekloop/Chart.yaml": "chart/Chart.yaml"},
        copied={"seekloop": "chart", "Dockerfile": "Dockerfile"},
    ),
    "systemd": _Target(files={"seekloop.service": "seekloop.service"}, quoted=_in_unit),
    "vllm": _Target(files={"serve.sh": "vllm.sh"}, forms=_gpu),
    "sglang": _Target(files={"serve.sh": "sglang.sh"}, forms=_gpu),
    "triton": _Target(files={"serve.sh": "triton.sh", "models/{name}/config.pbtxt": "config.pbtxt"}, forms=_gpu),
    "llama-server": _Target(files={"serve.sh": "llama-server.sh"}, forms=("gguf",)),
}
TARGETS = tuple(_targets)
"""What can be deployed to."""


def write(target: str, out: Path, *, told: Deployment, store: Store) -> list[Path]:
    """Write everything that `target` needs into the new folder `out`; what was written, sorted.

    Raises:
        UsageError: there is no such target, it does not take the checkpoint's form, the name is no plain one, or `out`
            exists.
        ArtifactError: the checkpoint is missing or damaged, or the disk is full.
    """
    if target not in _targets:
        raise UsageError("deploy.unknown_target", target=target, known=", ".join(TARGETS))
    wanted = _targets[target]
    if wanted.forms and told.checkpoint.form not in wanted.forms:
        raise UsageError("deploy.wrong_form", target=target, form=told.checkpoint.form, forms=" or ".join(wanted.forms))
    if not _name.fullmatch(told.name):
        raise UsageError("deploy.bad_name", name=told.name)
    if out.exists():
        raise UsageError("deploy.folder_exists", path=out)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        with disk_full_is_a_sentence(out):
            part.mkdir()
            _fill(part, wanted, told=told, store=store)
            if target == "triton":
                _write_engine_arguments(part, told)
            part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return sorted(path for path in out.rglob("*") if path.is_file())


def _fill(part: Path, wanted: _Target, *, told: Deployment, store: Store) -> None:
    shipped = resources.files("seekloop.serve.deploy").joinpath("files")
    for name, source in (wanted.copied or {}).items():
        _copy(shipped.joinpath(source), part / name)
    words = told.words(wanted.quoted)
    for name, source in wanted.files.items():
        path = part / name.format(name=told.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Template(shipped.joinpath(source).read_text("utf-8")).substitute(words), "utf-8")
        if path.suffix == ".sh":
            path.chmod(0o755)
    if wanted.forms:
        store.verify(told.checkpoint.id)
        shutil.copytree(store.folder(told.checkpoint.id), part / "model")
        facts = {"release": told.release.id, "checkpoint": told.checkpoint.id, "decoding": _decoding(told.release)}
        (part / "release.json").write_text(json.dumps(facts, indent=2) + "\n", "utf-8")


def _copy(source: Traversable, target: Path) -> None:
    if source.is_dir():
        for inner in source.iterdir():
            _copy(inner, target / inner.name)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())


def _decoding(release: Release) -> dict[str, object]:
    return release.decoding.model_dump(mode="json")


def _write_engine_arguments(part: Path, told: Deployment) -> None:
    folder = part / "models" / told.name / "1"
    folder.mkdir(parents=True)
    arguments = {"model": "./model", "served_model_name": told.name, "max_model_len": told.context}
    (folder / "model.json").write_text(json.dumps(arguments, indent=2) + "\n", "utf-8")
