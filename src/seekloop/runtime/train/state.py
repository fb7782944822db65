"""Where a run stands, on disk: checkpoints that are whole or absent, the newest good one found again after a crash."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from safetensors.torch import save as serialise
from torch import Tensor

from seekloop.runtime.train.ranks import Ranks
from seekloop.system import digests
from seekloop.system.errors import TrainError
from seekloop.system.files import disk_full_is_a_sentence, exclusive, sync_file, sync_folder, write_whole

__all__ = ["Best", "Saved", "State", "Work", "snapshot_file", "snapshots_in"]

_manifest, _state = "MANIFEST.json", "state.json"
_kept = 2
_at_once = 4
"""Files whose digests are formed at one time: a machine that is taken away does not give much notice."""


def snapshot_file(epoch: int) -> str:
    """The file of the trained weights as they were after an epoch, from 1: safetensors under the parameters' names.

    Not called so: what adds up weights by their ending would take it for some.
    """
    return f"epoch-{epoch}.snapshot"


def snapshots_in(folder: Path) -> list[Path]:
    """Those that a folder holds, by their epochs."""
    return sorted(folder.glob(snapshot_file(0).replace("0", "*")), key=lambda path: int(path.stem.partition("-")[2]))


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
        keeps_epochs: keep the trained weights after each epoch but the last; one process has to hold them.
    """

    def __init__(
        self, folder: Path, *, moments: Mapping[str, Tensor] | None = None, keeps_epochs: bool = False
    ) -> None:
        self.folder = folder
        self.keeps_epochs = keeps_epochs
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

    def save(self, state: State, tensors: Mapping[str, Mapping[str, Tensor]], *, ranks: Ranks | None = None) -> None:
        """Write `checkpoint-STEP`: all files, then the manifest with their digests, then the name; keeps the last two.

        Args:
            state: how far the run is.
            tensors: file stem -> name -> tensor.
            ranks: processes that all call this, each with its own rows of every tensor; None: this one has them all.

        Raises:
            ArtifactError: the disk is full; the earlier checkpoints are as they were.
            TrainError: another process is gone.
        """
        ranks = ranks or Ranks()
        target = self.folder / f"checkpoint-{state.step}"
        draft = self.folder / f".{target.name}.tmp"
        try:
            with disk_full_is_a_sentence(target):
                with ranks.in_turn():
                    if ranks.first:
                        shutil.rmtree(draft, ignore_errors=True)
                        draft.mkdir(parents=True)
                with ranks.together():
                    _write_tensors(draft, tensors, share=_share(ranks))
                if ranks.first:
                    _write_manifest(draft, state)
                    shutil.rmtree(target, ignore_errors=True)
                    draft.rename(target)
                    sync_folder(self.folder)
        except BaseException:
            # What was half-written takes room that others need, on a full disk above all.
            shutil.rmtree(draft, ignore_errors=True)
            raise
        if ranks.first:
            for old in self._checkpoints()[_kept:]:
                shutil.rmtree(old)
        # Nobody goes away before it is done: a launcher ends all processes as soon as one ends.
        ranks.any(False)

    def newest(self, cut: Callable[[Tensor], Tensor] | None = None) -> Saved | None:
        """The newest checkpoint whose every byte is right; None where there is none. Damaged ones go to `skipped`.

        Args:
            cut: what is kept of each tensor; None: all of it. However many processes wrote it, tensors are whole here.
        """
        for folder in self._checkpoints():
            if _is_whole(folder):
                return _read(folder, cut)
            self.skipped.append(folder)
        return None

    def copy(self, step: int, stem: str, *, to: Path) -> None:
        """Write the tensors `stem` of the checkpoint after `step` steps to one file."""
        files = _parts(self.folder / f"checkpoint-{step}")[stem]
        if len(files) == 1:
            shutil.copyfile(files[0], to)
        else:
            save_file(_joined(files, None), to)

    def snapshot(self, epoch: int, values: Mapping[str, Tensor]) -> None:
        """Keep the trained weights as they are after an epoch, from 1; a run that does it again leaves the same.

        Raises:
            ArtifactError: the disk is full.
        """
        whole = {name: value.detach().contiguous() for name, value in values.items()}
        write_whole(self.folder / snapshot_file(epoch), serialise(whole))

    def remove(self) -> None:
        """Delete the folder, once the result is safe elsewhere."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _checkpoints(self) -> list[Path]:
        found = [path for path in self.folder.glob("checkpoint-*") if path.name.rpartition("-")[2].isdigit()]
        return sorted(found, key=lambda path: -int(path.name.rpartition("-")[2]))


def _share(ranks: Ranks) -> str:
    """What a file's name says of whose rows it holds."""
    return f".{ranks.rank}-of-{ranks.count}" if ranks.count > 1 else ""


def _write_tensors(draft: Path, tensors: Mapping[str, Mapping[str, Tensor]], *, share: str) -> None:
    """The files of this process, each flushed."""
    for stem, values in tensors.items():
        file = draft / f"{stem}{share}.safetensors"
        save_file(dict(values), file)
        sync_file(file)


def _write_manifest(draft: Path, state: State) -> None:
    """The state, then the manifest with the digests of all files."""
    write_whole(draft / _state, digests.canonical(asdict(state)))
    files = sorted(draft.iterdir())
    with ThreadPoolExecutor(_at_once) as pool:
        found = list(pool.map(digests.of_file, files))
    listing = {file.name: digest for file, digest in zip(files, found, strict=True)}
    write_whole(draft / _manifest, digests.canonical(listing))


def _is_whole(folder: Path) -> bool:
    try:
        listing = json.loads((folder / _manifest).read_bytes())
        return bool(listing) and all(digests.of_file(folder / name) == digest for name, digest in listing.items())
    except (OSError, ValueError, AttributeError):
        return False


def _read(folder: Path, cut: Callable[[Tensor], Tensor] | None) -> Saved:
    value: dict[str, Any] = json.loads((folder / _state).read_bytes())
    best = value.pop("best")
    state = State(**value, best=Best(**best) if best else None)
    return Saved(state=state, tensors={stem: _joined(files, cut) for stem, files in _parts(folder).items()})


def _parts(folder: Path) -> dict[str, list[Path]]:
    """Stem -> its files, in the order of the processes that wrote them."""
    found: dict[str, list[Path]] = {}
    for file in folder.glob("*.safetensors"):
        found.setdefault(file.name.partition(".")[0], []).append(file)
    return {stem: sorted(files, key=_rank) for stem, files in found.items()}


def _rank(file: Path) -> int:
    share = file.name.split(".")[1]
    return int(share.partition("-")[0]) if "-of-" in share else 0


def _joined(files: Sequence[Path], cut: Callable[[Tensor], Tensor] | None) -> dict[str, Tensor]:
    """The tensors of a checkpoint, their rows together again; only one at a time is whole where they are cut."""
    if len(files) == 1 and cut is None:
        return load_file(files[0])
    keep = cut or (lambda whole: whole)
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(safe_open(file, "pt")) for file in files]
        names: list[str] = opened[0].keys()
        return {name: keep(_whole([one.get_tensor(name) for one in opened])) for name in names}


def _whole(rows: Sequence[Tensor]) -> Tensor:
    """A single number is the same in each."""
    return rows[0] if len(rows) == 1 or rows[0].ndim == 0 else torch.cat(list(rows))
