"""A report's page holds everything, asks nobody, and shows what users wrote as text."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser

import pytest

from seekloop.evaluate import stage
from seekloop.evaluate.page import document, sheet, summary
from seekloop.evaluate.page.words import LANGUAGES, words
from seekloop.evaluate.spec import EvaluateInputs, EvaluateSpec
from tests.evaluate.conftest import bank_rows, row

SPEC = EvaluateSpec(engine="echo", max_tokens=4, resamples=100)
VOID = {"meta", "input", "br"}


class Reader(HTMLParser):
    """Tags in order, those still open, and the page's text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.open, self.text, self.asked = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.asked += [value for name, value in attrs if name in ("src", "href", "action", "data", "poster")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture
def report(ctx, tiny, dataset_of):
    dataset = dataset_of([*bank_rows(11), row("<img src=x onerror=alert(1)> | `why`?", "top_up", "top_up\n</script>")])
    before = stage.run(SPEC, EvaluateInputs(checkpoint=tiny, dataset=dataset), ctx=ctx)
    inputs = EvaluateInputs(checkpoint=tiny, dataset=dataset, baseline=before)
    return stage.run(SPEC, inputs, ctx=ctx)


def test_a_page_is_well_formed_and_asks_nobody_for_anything(ctx, report):
    page = document.render(sheet.of_report(report, store=ctx.store))
    read = Reader(page)
    assert read.open == []
    assert read.asked == []
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org)", page)


def test_what_users_and_models_wrote_is_text(ctx, report):
    read = Reader(document.render(sheet.of_report(report, store=ctx.store)))
    assert "img" not in read.tags
    assert read.tags.count("script") == 1
    assert any("<img src=x onerror=alert(1)>" in text for text in read.text)


def test_a_page_holds_figures_comparisons_errors_confusion_speed_and_provenance(ctx, report):
    page = document.render(sheet.of_report(report, store=ctx.store), language="zh")
    for language in LANGUAGES:
        said = words(language)
        for name in ("figures", "better", "errors", "slices", "confusion", "speed", "provenance"):
            assert f"<h2>{said[name]}</h2>" in page
        for name in ("training", "reliability"):
            assert f"<h2>{said[name]}</h2>" not in page
    for identity in (
        report.id,
        report.subject,
        report.dataset,
        report.parents["baseline"],
        report.made_by.code_version,
    ):
        assert identity in page


def test_both_languages_say_everything_with_the_same_placeholders():
    english, chinese = (words(language) for language in LANGUAGES)
    for name, text in english.items():
        assert text
        places = [sorted(re.findall(r"\{\w+\}", said)) for said in (text, chinese[name])]
        assert places[0] == places[1]


def test_the_page_in_a_reports_folder_is_the_same_for_the_same_answers_and_has_no_times(ctx, report):
    page = ctx.store.path(report.id, "report.html").read_text("utf-8")
    assert words("en")["speed"] not in page
    assert words("en")["figures"] in page
    assert report.id not in page
    parents = {name: ctx.store.load(identity) for name, identity in report.parents.items()}
    assert stage.run(SPEC, EvaluateInputs(**parents), ctx=ctx).id == report.id


@pytest.mark.parametrize(("name", "language"), [("report.md", "en"), ("report.zh.md", "zh")])
def test_markdown_in_a_reports_folder_keeps_its_tables_whatever_was_asked(ctx, report, name, language):
    text = ctx.store.path(report.id, name).read_text("utf-8")
    assert f"#### {words(language)['errors']}" in text
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) >= 3
    for table in tables:
        assert len({line.count("|") for line in table}) == 1
    assert "<img" not in text


def test_a_report_whose_dataset_is_gone_is_shown_as_far_as_it_goes(ctx, report):
    for identity in (report.dataset, report.parents["baseline"]):
        shutil.rmtree(ctx.store.folder(identity))
    shown = sheet.of_report(report, store=ctx.store)
    assert (shown.dataset, dict(shown.baselines)) == (None, {})
    assert "### Report on" in summary.render(shown)
