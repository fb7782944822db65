"""What a stage is given beside its spec and inputs: injected, never global."""

from __future__ import annotations

import contextlib
import logging
import resource
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from seekloop.artifact.kinds import Artifact, Origin, Receipt
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.store import Draft, Store
from seekloop.system import digests, provenance
from seekloop.system.clock import Clock, SystemClock
from seekloop.system.progress import Progress, Silent
from seekloop.system.spec import Spec

__all__ = ["STATE", "Job", "RunContext"]

STATE = ".seekloop"
"""Folder beside `seekloop.yaml` for the store, the ledger and work in progress."""

ArtifactT = TypeVar("ArtifactT", bound=Artifact)


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """Store, ledger, clock, seed, progress and logger of one run."""

    store: Store
    ledger: Ledger
    seed: int = 0
    root: Path = field(default_factory=Path)
    """Folder that relative paths in specs are taken from."""
    work: Path = field(default_factory=lambda: Path(STATE) / "work")
    """Folder for what a stage needs again after a crash, such as training checkpoints."""
    actor: str = "local"
    clock: Clock = field(default_factory=SystemClock)
    progress: Progress = field(default_factory=Silent)
    logger: logging.Logger = field(default_factory=lambda: logging.getLogger("seekloop"))

    @classmethod
    def in_folder(cls, folder: Path, *, seed: int = 0, progress: Progress | None = None, actor: str = "local") -> Self:
        """A context on the store and ledger in `folder`, made where there are none. Close it, or use `with`."""
        state = folder / STATE
        state.mkdir(parents=True, exist_ok=True)
        return cls(
            store=Store.of_project(state),
            ledger=Ledger.in_folder(state),
            seed=seed,
            root=folder,
            work=state / "work",
            actor=actor,
            progress=progress or Silent(),
        )

    def digests_of(self, spec: Spec) -> list[str | None]:
        """Of the files and folders that a spec names and its stage reads, in order; None where nothing is there."""
        return [digests.of_path(self.root / path) for path in spec.reads()]

    def close(self) -> None:
        """Close the ledger."""
        self.ledger.close()

    def __enter__(self) -> Self:
        """The context itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    @contextlib.contextmanager
    def job(self, stage: str, spec: Spec) -> Iterator[Job]:
        """Open a draft for the artifact that `stage` makes under `spec`, and time the work."""
        with self.store.draft() as draft:
            started, used = self.clock.monotonic(), _processor_s()
            yield Job(ctx=self, stage=stage, spec=spec, draft=draft, started=started, used_s=used)

    def record(self, artifact: Artifact) -> None:
        """Record an artifact of the store in the ledger, its parents first; again is nothing new.

        What comes from a shared store, such as a base model, is recorded this way when something is first made of it.

        Raises:
            ArtifactError: a parent that is not recorded is not in the store either.
        """
        recorded = self.ledger.created(artifact.id)
        if recorded is not None:
            self.store.restore_receipt(artifact.id, Receipt.model_validate(recorded.facts["receipt"]))
            return
        for parent in artifact.parents.values():
            if self.ledger.created(parent) is None:
                self.record(self.store.load(parent))
        self.ledger.record_artifact(artifact, self.store.receipt(artifact.id), actor=self.actor)


@dataclass(kw_only=True)
class Job:
    """One artifact in the making: write files with `path`, then `commit`."""

    ctx: RunContext
    stage: str
    spec: Spec
    draft: Draft
    started: float
    used_s: float = 0.0
    """Processor seconds that this process had used when the work began."""
    earlier_s: float = 0.0
    """Seconds already spent before a resume."""

    def path(self, name: str) -> Path:
        """Where to write the artifact's file called `name`."""
        return self.draft.path(name)

    @property
    def origin(self) -> Origin:
        """`made_by` for the artifact."""
        return Origin(
            stage=self.stage,
            spec=self.spec.model_dump(mode="json"),
            spec_digest=self.spec.digest,
            code_version=provenance.code_version(),
            lock_digest=provenance.lock_digest(),
            seed=self.ctx.seed,
        )

    def commit(self, artifact: ArtifactT, *, cost: Mapping[str, float] | None = None) -> ArtifactT:
        """Commit the draft as `artifact` and record it in the ledger, with any parent that is not recorded yet.

        Raises:
            ArtifactError: the disk is full and nothing was half-written, or a parent is not in the store.
        """
        wall = self.earlier_s + self.ctx.clock.monotonic() - self.started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        receipt = Receipt(
            created_at=self.ctx.clock.now().isoformat(timespec="seconds"),
            hardware=provenance.hardware(),
            wall_s=round(wall, 3),
            cost={
                "peak_rss_mib": round(peak, 1),
                "cpu_core_s": round(_processor_s() - self.used_s, 3),
                **(cost or {}),
            },
        )
        final = self.ctx.store.commit(self.draft, artifact, receipt=receipt)
        self.ctx.record(final)
        return final


def _processor_s() -> float:
    """Seconds of processor time, of all cores together: this process's, and those of the children it has waited for."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
