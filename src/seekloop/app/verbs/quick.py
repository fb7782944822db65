"""`seekloop quick`: whether a dataset is worth the full run."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from seekloop.app.console import print_json, print_table
from seekloop.app.folder import context_of
from seekloop.app.verbs.stages import inputs_of
from seekloop.loop import catalog
from seekloop.loop.quick import page
from seekloop.loop.quick.run import Quick
from seekloop.loop.quick.run import quick as try_quickly
from seekloop.loop.quick.spec import QuickSpec
from seekloop.system import settings
from seekloop.system.files import write_whole
from seekloop.system.spec import override

__all__ = ["quick"]


def quick(
    *, spec: Path | None, sources: list[str], changes: list[str], out: Path | None, folder: Path, as_json: bool
) -> None:
    """Train on samples, print the learning curve and what it says."""
    parsed = QuickSpec.parse(override({}, changes)) if spec is None else QuickSpec.load(spec, changes=changes)
    language: Literal["en", "zh"] = "zh" if settings.language() == "zh" else "en"
    with context_of(folder) as ctx:
        found = try_quickly(parsed, inputs_of(catalog.stage("tune"), sources, ctx=ctx), ctx=ctx)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, page.render(found, language=language).encode())
    if as_json:
        print_json(found.as_json())
        return
    _print(found)
    print(found.verdict.sentence[language])


def _print(found: Quick) -> None:
    measured = [
        (f"{one.rows:,}", f"{one.value:.3f}", f"[{one.low:.3f}, {one.high:.3f}]", f"{one.seconds:,.0f}")
        for one in (*(() if found.before is None else (found.before,)), *found.points)
    ]
    ahead = [
        (f"{one.rows:,} (foretold)", f"{one.value:.3f}", f"[{one.low:.3f}, {one.high:.3f}]", "")
        for one in (found.verdict.full, found.verdict.double)
    ]
    title = f"{found.figure} after one epoch, n = {found.points[0].n}"
    print_table(title, head=("train rows", found.figure, "95 % interval", "seconds"), rows=[*measured, *ahead])
