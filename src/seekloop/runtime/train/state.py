"""Where a run stands, on disk: checkpoints that are whole or absent, the newest good one found again after a crash."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from seekloop.system import digests
from seekloop.system.errors import TrainError
from seekloop.system.files import disk_full_is_a_sentence, exclusive, sync_file, sync_folder, write_whole

__all__ = ["Best", "Saved", "State", "Work"]

_manifest, _state = "MANIFEST.json", "state.json"
_kept = 2


@dataclass(frozen=True, kw_only=True)
class Best:
    """The best validation so far."""

    step: int
    """Optimizer steps done then."""
    loss: float
    labelled: int
    """Labelled tokens trained on by then."""
    answers: float | None = None
    """Share of right answers, where that is what counts."""


@dataclass(kw_only=True)
class State:
    """How far a run has come. Data order and dropout are derived from the step, so no generator needs saving."""

    step: int = 0
    """Optimizer steps done."""
    tokens: int = 0
    """Tokens that went in, prompts included, padding not."""
    labelled: int = 0
    """Tokens that were trained."""
    seconds: float = 0.0
    """Spent on them, over all attempts."""
    earlier_s: float = 0.0
    """Of `seconds`, those before this attempt."""
    history: list[dict[str, float]] = field(default_factory=list)
    """One entry a step, and one a validation with `eval_loss`, and `eval_answers` where answers count."""
    speeds: list[float] = field(default_factory=list)
    """Tokens a second of each step."""
    best: Best | None = None
    choices: dict[str, str | bool] = field(default_factory=dict)
    """What `auto` came to, once the run is done."""


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A checkpoint that was read back."""

    state: State
    tensors: dict[str, dict[str, Tensor]]
    """File stem -> name -> tensor: `trainable`, `optimizer`, and `best` where the best epoch is kept."""


class Work:
    """The work folder of one run, `checkpoint-N/` in it. Two runs never share one.

    Args:
        folder: made when first written to.
        moments: the optimizer's state that a run begins with, from an earlier one.
    """

    def __init__(self, folder: Path, *, moments: Mapping[str, Tensor] | None = None) -> None:
        self.folder = folder
        self.moments = moments or {}
        self.skipped: list[Path] = []
        """Checkpoints that `newest` found damaged."""

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep the folder to this process; the kernel lets go of it when the process ends, however it ends.

        Raises:
            TrainError: another process is at the same run.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with exclusive(self.folder, busy=TrainError("train.already_running", folder=self.folder)):
            yield

    def save(self, state: State, tensors: Mapping[str, Mapping[str, Tensor]]) -> Path:
        """Write `checkpoint-STEP`: all files, then the manifest with their digests, then the name; keeps the last two.

        Raises:
            ArtifactError: the disk is full; the earlier checkpoints are as they were.
        """
        target = self.folder / f"checkpoint-{state.step}"
        draft = self.folder / f".{target.name}.tmp"
        shutil.rmtree(draft, ignore_errors=True)
        try:
            with disk_full_is_a_sentence(target):
                _write(draft, state, tensors=tensors)
                shutil.rmtree(target, ignore_errors=True)
                draft.rename(target)
                sync_folder(self.folder)
        except BaseException:
            # What was half-written takes room that others need, on a full disk above all.
            shutil.rmtree(draft, ignore_errors=True)
            raise
        for old in self._checkpoints()[_kept:]:
            shutil.rmtree(old)
        return target

    def newest(self) -> Saved | None:
        """The newest checkpoint whose every byte is right; None where there is none. Damaged ones go to `skipped`."""
        for folder in self._checkpoints():
            if _is_whole(folder):
                return _read(folder)
            self.skipped.append(folder)
        return None

    def file(self, step: int, name: str) -> Path:
        """Where the file called `name` of the checkpoint after `step` steps is."""
        return self.folder / f"checkpoint-{step}" / name

    def remove(self) -> None:
        """Delete the folder, once the result is safe elsewhere."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _checkpoints(self) -> list[Path]:
        found = [path for path in self.folder.glob("checkpoint-*") if path.name.rpartition("-")[2].isdigit()]
        return sorted(found, key=lambda path: -int(path.name.rpartition("-")[2]))


def _write(draft: Path, state: State, *, tensors: Mapping[str, Mapping[str, Tensor]]) -> None:
    """All files, each flushed, then the manifest with their digests."""
    draft.mkdir(parents=True)
    for stem, values in tensors.items():
        save_file(dict(values), draft / f"{stem}.safetensors")
        sync_file(draft / f"{stem}.safetensors")
    write_whole(draft / _state, digests.canonical(asdict(state)))
    listing = {file.name: digests.of_file(file) for file in draft.iterdir()}
    write_whole(draft / _manifest, digests.canonical(listing))


def _is_whole(folder: Path) -> bool:
    try:
        listing = json.loads((folder / _manifest).read_bytes())
        return bool(listing) and all(digests.of_file(folder / name) == digest for name, digest in listing.items())
    except (OSError, ValueError, AttributeError):
        return False


def _read(folder: Path) -> Saved:
    value: dict[str, Any] = json.loads((folder / _state).read_bytes())
    best = value.pop("best")
    state = State(**value, best=Best(**best) if best else None)
    return Saved(state=state, tensors={file.stem: load_file(file) for file in folder.glob("*.safetensors")})
