"""Two reports on the same rows, and studies of them."""

from __future__ import annotations

import pytest

from seekloop.evaluate.human.spec import StudySpec, default_dimensions
from seekloop.evaluate.human.study import make, open_study
from tests.evaluate.human.making import checkpoint, dataset_of, report, row

NASTY = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


@pytest.fixture
def asked():
    """Rows that were asked; the second one in Chinese."""
    rows = [row(f"Question {number}?", None, f"Right answer {number}.", line=number) for number in range(1, 21)]
    return [rows[0], row("怎么退款？", None, "请在订单页申请。", line=99), *rows[1:]]


@pytest.fixture
def report_of(ctx, asked):
    """Commits a report with the answers that a function gives."""
    subject, dataset = checkpoint(ctx), dataset_of(ctx, asked)
    return lambda answer: report(ctx, asked, answer, subject=subject, dataset=dataset)


@pytest.fixture
def reports(report_of):
    """A polite model, and one whose answers are hostile."""
    return [report_of(lambda one: f"Polite: {one.messages[-1].content}"), report_of(lambda one: NASTY)]


@pytest.fixture
def spec_of(ctx, reports):
    """The spec of a study."""

    def build(*, ask=("rate",), raters=("ann", "bob"), limit=3, count=None, **more):
        ids = tuple(one.id for one in reports[: count or (2 if "prefer" in ask else 1)])
        known = {"name": "tone", "reports": ids, "dimensions": default_dimensions(), "seed": 7}
        return StudySpec(**known, ask=ask, raters=raters, limit=limit, **more)

    return build


@pytest.fixture
def study_of(ctx, spec_of):
    """Makes and opens a study; closed with the test."""
    opened = []

    def build(**given):
        spec = spec_of(**given)
        make(spec, ctx=ctx)
        opened.append(open_study(spec.name, ctx=ctx))
        return opened[-1].__enter__()

    yield build
    for one in opened:
        one.__exit__(None, None, None)
