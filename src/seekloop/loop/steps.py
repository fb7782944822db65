"""One step of a run: done once, found again by its key after a crash or in a later run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Artifact
from seekloop.artifact.lineage import replacement
from seekloop.loop.witness import ByHand, Witness
from seekloop.system import digests, provenance
from seekloop.system.spec import Spec

__all__ = ["Stage", "Steps"]

SpecT = TypeVar("SpecT", bound=Spec)
InputsT = TypeVar("InputsT")
OutT = TypeVar("OutT", bound=Artifact)
SpecT_contra = TypeVar("SpecT_contra", bound=Spec, contravariant=True)
InputsT_contra = TypeVar("InputsT_contra", contravariant=True)
OutT_co = TypeVar("OutT_co", bound=Artifact, covariant=True)


class Stage(Protocol[SpecT_contra, InputsT_contra, OutT_co]):
    """Turns artifacts into the next one; owns no state, knows no neighbour."""

    def __call__(self, spec: SpecT_contra, inputs: InputsT_contra, /, *, ctx: RunContext) -> OutT_co:
        """Make the artifact, commit it, record it."""


class Steps:
    """The steps of one run, each recorded in the ledger with the artifact that it made.

    A step's key is the digest of stage, spec, the files that the spec names, input ids, seed, code version and lock
    digest: when all of these are as they were, the recorded artifact is used again, and said so.
    """

    def __init__(self, ctx: RunContext, run: str, *, witness: Witness | None = None) -> None:
        self.ctx = ctx
        self.run = run
        self.witness: Witness = witness or ByHand(ctx)
        """Is told how far the run has come, and changes production for it."""
        self.seconds: dict[str, float] = {}
        """Wall seconds of each step, by name; for a step that was found again, those of the time it was done."""

    def do(self, name: str, stage: Stage[SpecT, InputsT, OutT], *, spec: SpecT, inputs: InputsT) -> OutT:
        """Run `stage`, or find what it made before."""
        key = self._key(stage.__module__, spec=spec, inputs=_ids(inputs))
        return self._once(name, key, make=lambda: stage(spec, inputs, ctx=self.ctx))

    def made(self, name: str, make: Callable[[], OutT]) -> OutT:
        """Run something that is no stage and finds its own earlier results, and record it."""
        return self._timed(name, self._key(name, spec=None, inputs={}), make=make)

    def _once(self, name: str, key: str, *, make: Callable[[], OutT]) -> OutT:
        found = self.ctx.ledger.find_step(key)
        made = None if found is None else replacement(found["output"], ledger=self.ctx.ledger)
        if made is not None and self._is_whole(made):
            artifact = self.ctx.store.load(made)
            self.seconds[name] = self._recorded_seconds(artifact.id)
            self.ctx.progress.say(f"{name}: done before, {digests.short(artifact.id)}")
            return artifact  # type: ignore[return-value]
        return self._timed(name, key, make=make)

    def _timed(self, name: str, key: str, *, make: Callable[[], OutT]) -> OutT:
        started = self.ctx.clock.monotonic()
        artifact = make()
        self.seconds[name] = self.ctx.clock.monotonic() - started
        self.ctx.ledger.record_step(
            run=self.run, name=name, key=key, outputs={"output": artifact.id}, actor=self.ctx.actor
        )
        self.ctx.progress.say(f"{name}: {digests.short(artifact.id)} in {self.seconds[name]:.1f} s")
        return artifact

    def _key(self, stage: str, *, spec: Spec | None, inputs: dict[str, str]) -> str:
        return digests.of_json(
            {
                "stage": stage,
                "spec": spec.digest if spec else None,
                "files": self.ctx.digests_of(spec) if spec else [],
                "inputs": inputs,
                "seed": self.ctx.seed,
                "code": provenance.code_version(),
                "lock": provenance.lock_digest(),
            }
        )

    def _is_whole(self, identity: str) -> bool:
        return identity in self.ctx.store.list(identity.partition(":")[0])

    def _recorded_seconds(self, identity: str) -> float:
        return self.ctx.store.receipt(identity).wall_s


def _ids(inputs: Any) -> dict[str, str]:
    """Field -> id of the artifacts in an inputs dataclass; those of a tuple are numbered."""
    values = {field.name: inputs.__dict__[field.name] for field in dataclasses.fields(inputs)}
    several = {
        f"{name}.{number}": one
        for name, value in values.items()
        if isinstance(value, tuple)
        for number, one in enumerate(value, start=1)
    }
    return {name: value.id for name, value in (values | several).items() if isinstance(value, Artifact)}
