"""`seekloop lm-eval`: tasks of lm-eval-harness on a checkpoint, a base model or a served endpoint."""

from __future__ import annotations

import sys
from pathlib import Path

from seekloop.app.console import print_json
from seekloop.app.folder import context_of
from seekloop.app.verbs.stages import opened
from seekloop.artifact.kinds import Checkpoint
from seekloop.evaluate import harness, markdown
from seekloop.evaluate.harness import HarnessSpec
from seekloop.system import settings
from seekloop.system.errors import UsageError
from seekloop.system.spec import override

__all__ = ["lm_eval"]


def lm_eval(*, tasks: list[str], source: str, changes: list[str], folder: Path, as_json: bool) -> None:
    """Run tasks on what `source` names, and print the report.

    Raises:
        UsageError: `source` is no checkpoint.
    """
    spec = HarnessSpec.parse(override({"tasks": tasks}, changes))
    with context_of(folder) as ctx:
        checkpoint = opened(source, ctx)
        if not isinstance(checkpoint, Checkpoint):
            raise UsageError("loop.input_not_taken", stage="lm-eval", id=source, roles="checkpoint (Checkpoint)")
        report = harness.run(spec, checkpoint, ctx=ctx)
    if as_json:
        print_json({"id": report.id, **report.model_dump(mode="json")})
        return
    print(markdown.render(report, language="zh" if settings.language() == "zh" else "en"), file=sys.stderr)
    print(report.id)
