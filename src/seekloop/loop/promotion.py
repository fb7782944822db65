"""How a candidate that the gate let through gets into production."""

from __future__ import annotations

from seekloop.artifact.kinds import Checkpoint, Release
from seekloop.loop import registry
from seekloop.loop.evidence import Measured
from seekloop.loop.gates import Verdict
from seekloop.loop.project import ProjectSpec
from seekloop.loop.steps import Steps
from seekloop.serve import stage as serve
from seekloop.serve.spec import ServeInputs

__all__ = ["put_into_production"]


def put_into_production(
    spec: ProjectSpec, candidate: Checkpoint, *, measured: Measured, verdict: Verdict, steps: Steps
) -> Release | None:
    """Make a release of the candidate and point the alias at it; None where the gate did not say promote."""
    if verdict.decision != "promote":
        return None
    inputs = ServeInputs(checkpoint=candidate, report=measured.frozen)
    release = steps.do("release 2", serve.run, spec=spec.serve, inputs=inputs)
    registry.promote(spec.alias, release, reason=f"gate {verdict.rule_digest}", ctx=steps.ctx)
    return release
