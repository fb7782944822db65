"""A study's report shows who rated, how they agree and who won, on the page and in Markdown."""

from __future__ import annotations

import pytest

from seekloop.evaluate.human.closing import close
from seekloop.evaluate.page import document, sheet, summary
from seekloop.evaluate.page.words import words
from tests.evaluate.human.saying import prefers


@pytest.fixture
def shown(study_of, ctx):
    study = study_of(ask=("prefer",), limit=6)
    for rater, winner in (("ann", "subject"), ("bob", "tie")):
        study.book.put(*(prefers(rater, task, winner) for task in study.tasks))
    return sheet.of_report(close(study, ctx=ctx), store=ctx.store)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_study_shows_winners_raters_and_agreement(shown, language):
    said = words(language)
    page, text = document.render(shown, language=language), summary.render(shown, language=language)
    assert f"<h2>{said['people_heading']}</h2>" in page
    assert f"#### {said['people_heading']}" in text
    for part in ("human_win_rate", "human_tie_rate", said["raters"], "ann"):
        assert part in page
        assert part in text
