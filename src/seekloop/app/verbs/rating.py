"""Verbs of ratings: make a study, open its page, exchange sheets, ask a judge, close it as a report."""

from __future__ import annotations

import ipaddress
import json
import sys
from pathlib import Path
from typing import Any

from seekloop.app.console import print_json, print_table
from seekloop.app.folder import context_of
from seekloop.artifact.kinds import Report
from seekloop.evaluate import markdown
from seekloop.evaluate.human import closing, sheets
from seekloop.evaluate.human.book import is_whole
from seekloop.evaluate.human.spec import StudySpec, default_dimensions, read_dimensions
from seekloop.evaluate.human.study import make, open_study
from seekloop.evaluate.human.verdicts import VERDICTS, read_verdicts
from seekloop.evaluate.judge import judging
from seekloop.evaluate.judge.spec import JudgeSpec
from seekloop.system import settings
from seekloop.system.errors import UsageError
from seekloop.system.files import write_whole
from seekloop.system.lazy import need, resolve

__all__ = ["close", "export", "judge", "new", "serve", "status", "take"]

_asks: dict[str, tuple[str, ...]] = {"rate": ("rate",), "prefer": ("prefer",), "both": ("rate", "prefer")}


def new(*, name: str, reports: list[str], given: dict[str, Any], folder: Path) -> None:
    """Make a study."""
    ask = given["ask"] or ("prefer" if len(reports) > 1 else "rate")
    if ask not in _asks:
        raise UsageError("human.choice", name="ask", given=ask, known=", ".join(_asks))
    with context_of(folder) as ctx:
        dimensions = default_dimensions() if given["dimensions"] is None else read_dimensions(given["dimensions"])
        spec = StudySpec.parse(
            {
                "name": name,
                "reports": [ctx.store.open(one, Report).id for one in reports],
                "raters": [one.strip() for part in given["raters"] for one in part.split(",") if one.strip()],
                "ask": _asks[ask],
                "dimensions": [one.model_dump() for one in dimensions],
                "limit": given["limit"],
                "reference": given["reference"],
                "seed": ctx.seed,
            }
        )
        tasks = make(spec, ctx=ctx)
    _say(f"{len(tasks)} tasks for each of {len(spec.raters)} raters")
    print(name)


def serve(*, name: str, host: str, port: int, folder: Path) -> None:
    """Open the page until interrupted."""
    need("starlette", extra="serve")
    need("uvicorn", extra="serve")
    build, link, listen = (
        resolve(f"seekloop.app.web.{name}") for name in ("rating:build", "rating:link", "listening:listen")
    )
    with context_of(folder) as ctx, open_study(name, ctx=ctx) as study:

        def announce(url: str) -> None:
            if not _is_here(host):
                _say("links and ratings cross the network unencrypted: put TLS before it outside a trusted network")
            for rater in study.spec.raters:
                print(f"{rater}: {link(url, study.token(rater))}", flush=True)

        listen(build(study, clock=ctx.clock), host=host, port=port, announce=announce)


def status(*, name: str, folder: Path, as_json: bool) -> None:
    """Print how far each rater is."""
    with context_of(folder) as ctx, open_study(name, ctx=ctx) as study:
        done = {}
        for rater in study.spec.raters:
            said = study.book.of(rater)
            done[rater] = sum(is_whole(said.get(t.id), t, dimensions=study.spec.dimensions) for t in study.tasks)
        judged = sum(one.invalid is None for one in read_verdicts(study.folder / VERDICTS))
    if as_json:
        print_json({"study": name, "tasks": len(study.tasks), "raters": done, "judge_verdicts": judged})
        return
    rows = [(rater, count, len(study.tasks)) for rater, count in done.items()]
    print_table(f"study {name}", head=("rater", "done", "tasks"), rows=rows)
    _say(f"verdicts of a judge: {judged}")


def export(*, name: str, out: Path, shape: dict[str, Any], folder: Path) -> None:
    """Write sheets or records."""
    if shape["format"] not in sheets.FORMATS:
        raise UsageError("human.choice", name="format", given=shape["format"], known=", ".join(sheets.FORMATS))
    with context_of(folder) as ctx, open_study(name, ctx=ctx) as study:
        rater = shape["rater"]
        if rater is not None and rater not in study.spec.raters:
            raise UsageError("human.no_rater", rater=rater, known=", ".join(study.spec.raters))
        count = sheets.write(out, study, format=shape["format"], raters=[rater] if rater else study.spec.raters)
        if shape["settings"] is not None:
            text = json.dumps(sheets.argilla_settings(study), ensure_ascii=False, indent=2) + "\n"
            write_whole(shape["settings"], text.encode())
    _say(f"{count} lines")
    print(out)


def take(*, name: str, source: Path, folder: Path) -> None:
    """Read a file of ratings into the book."""
    with context_of(folder) as ctx, open_study(name, ctx=ctx) as study:
        taken = sheets.read(source, study, clock=ctx.clock)
    _say(f"{source}: {taken.described()}")
    print(name)


def judge(*, name: str, spec: Path, changes: list[str], folder: Path) -> None:
    """Ask a judge model."""
    parsed = JudgeSpec.load(spec, changes=changes)
    with context_of(folder) as ctx, open_study(name, ctx=ctx) as study:
        judging.judge(parsed, study, ctx=ctx)
    print(name)


def close(*, name: str, folder: Path, as_json: bool) -> None:
    """Commit what was said as a report."""
    with context_of(folder) as ctx, open_study(name, ctx=ctx) as study:
        report = closing.close(study, ctx=ctx)
        shown = markdown.render(report, language="zh" if settings.language() == "zh" else "en")
    if as_json:
        print_json({"id": report.id, **report.model_dump(mode="json")})
        return
    print(shown, file=sys.stderr)
    print(report.id)


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _say(text: str) -> None:
    print(text, file=sys.stderr)
