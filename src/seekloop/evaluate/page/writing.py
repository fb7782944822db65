"""The page and the Markdown that lie in every report's folder."""

from __future__ import annotations

from seekloop.artifact.kinds import Report
from seekloop.evaluate import errors
from seekloop.evaluate.errors import Errors
from seekloop.evaluate.page import document, sheet, summary
from seekloop.evaluate.page.sheet import Sheet
from seekloop.evaluate.seen import Seen

__all__ = ["write"]


def write(report: Report, seen: Seen) -> None:
    """Writes `report.html`, `report.md` and `report.zh.md` from what the parts have written, so after all of them.

    Times and the report's own id are not in them: the same answers give the same bytes, and the id is made of these.
    """
    inputs, store = seen.inputs, seen.ctx.store
    shown = Sheet(
        report=report,
        answers=seen.answers,
        errors=Errors.model_validate_json(seen.job.path(errors.FILE).read_bytes()),
        checkpoint=inputs.checkpoint,
        dataset=inputs.dataset,
        baselines=sheet.baselines(report, store=store),
        history=sheet.training(inputs.checkpoint, store=store),
        **sheet.beside(seen.job.draft.folder),
    )
    seen.job.path("report.html").write_text(document.render(shown), "utf-8")
    seen.job.path("report.md").write_text(summary.render(shown), "utf-8")
    seen.job.path("report.zh.md").write_text(summary.render(shown, language="zh"), "utf-8")
