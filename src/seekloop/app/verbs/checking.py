"""Verbs that check before or beside a run: `doctor` on a tuning spec, and `selftest`."""

from __future__ import annotations

import itertools
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from seekloop.app.console import print_json, print_table
from seekloop.app.folder import context_of
from seekloop.app.verbs.stages import inputs_of
from seekloop.loop import catalog
from seekloop.system.files import write_whole
from seekloop.system.lazy import resolve
from seekloop.tune.masks import page
from seekloop.tune.spec import TuneSpec

__all__ = ["preflight", "selftest"]


def preflight(
    *, spec: Path, sources: list[str], changes: list[str], folder: Path, masks: int, page_at: Path | None, as_json: bool
) -> None:
    """Grade a tuning run before it starts; exit with 3 where it would be wrong."""
    parsed = TuneSpec.load(spec, changes=changes)
    with context_of(folder) as ctx:
        inputs = inputs_of(catalog.stage("tune"), sources, ctx=ctx)
        # Resolved here because torch comes with it.
        examined: Any = resolve("seekloop.tune.doctor:examine")(parsed, inputs, ctx=ctx, shown=masks)
    if page_at is not None:
        views = [(f"{one.row}, {one.where}", one.pieces) for one in examined.masks]
        write_whole(page_at, page(f"What {spec.name} trains", views).encode())
    if as_json:
        print_json({"grade": examined.grade, "findings": [asdict(one) for one in examined.findings]})
    else:
        rows = [(one.check, one.grade, "\n".join([one.found, *one.rows])) for one in examined.findings]
        print_table(f"doctor: {examined.grade}", head=("check", "grade", "found"), rows=rows)
        for one in examined.masks:
            _print_mask(f"{one.row}, {one.where}", one.pieces)
    if examined.grade == "MAJOR":
        sys.exit(3)


def _print_mask(heading: str, tokens: Any) -> None:
    """Tokens in two shades, so that their borders show; trained ones in green. Without a terminal: between ⟦ and ⟧."""
    console = Console()
    if not console.is_terminal:
        runs = [(on, "".join(piece.text for piece in run)) for on, run in itertools.groupby(tokens, _is_trained)]
        print(heading)
        print("".join(f"⟦{shown}⟧" if on else shown for on, shown in runs))
        return
    text = Text()
    for index, piece in enumerate(tokens):
        text.append(piece.text, style=_shades[piece.trained][index % 2])
    console.print(Text(heading, style="bold"))
    console.print(text)


def _is_trained(piece: Any) -> bool:
    return bool(piece.trained)


_shades = {True: ("black on chartreuse3", "black on green3"), False: ("grey70", "grey50")}


def selftest(*, as_json: bool) -> None:
    """Run the invariants and show each figure beside its tolerance; exit with 3 where one does not hold."""
    # Resolved here because torch comes with it.
    outcomes: list[Any] = resolve("seekloop.loop.selftest:run")()
    broken = [one.name for one in outcomes if not one.holds]
    if as_json:
        print_json([{**asdict(one), "holds": one.holds} for one in outcomes])
    else:
        rows = [
            (
                one.name,
                "skipped" if one.figure is None else f"{one.figure:.2g}",
                f"{'>' if one.at_least else '<='} {one.tolerance:g}",
                "ok" if one.holds else "BROKEN",
                f"{one.seconds:.1f} s",
                one.detail,
            )
            for one in outcomes
        ]
        print_table("selftest", head=("invariant", "reached", "asked", "", "took", ""), rows=rows)
    if broken:
        sys.exit(3)
