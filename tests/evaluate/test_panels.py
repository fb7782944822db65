"""Probes, times, money and business figures stand in the page and in the Markdown, in both languages."""

from __future__ import annotations

import dataclasses
import shutil

import pytest

from seekloop.artifact.kinds import Figure
from seekloop.evaluate import stage
from seekloop.evaluate.page import document, panels, sheet, summary
from seekloop.evaluate.page.words import words
from seekloop.evaluate.spec import EvaluateInputs, EvaluateSpec
from tests.evaluate.conftest import bank_rows

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SPEC = EvaluateSpec.parse(
    {
        "engine": "echo",
        "max_tokens": 4,
        "resamples": 100,
        "efficiency": {"price_per_hour": 2, "first_token_goal_s": 0.4},
    }
)
HAPPY = Figure(name="satisfaction", value=0.8, n=40, ci=(0.7, 0.9), unit="stars")


@pytest.fixture
def report(ctx, tiny, dataset_of):
    dataset = dataset_of(bank_rows(12))
    base = stage.run(SPEC, EvaluateInputs(checkpoint=tiny, dataset=dataset), ctx=ctx)
    return stage.run(SPEC, EvaluateInputs(checkpoint=tiny, dataset=dataset, baseline=base), ctx=ctx)


@pytest.fixture
def shown(ctx, report):
    return dataclasses.replace(sheet.of_report(report, store=ctx.store), business=(HAPPY,))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_page_and_markdown_show_every_panel(shown, language):
    said = words(language)
    page, text = document.render(shown, language=language), summary.render(shown, language=language)
    for name in ("probes", "business", "speed"):
        assert f"<h2>{said[name]}</h2>" in page
        assert f"#### {said[name]}" in text
    costs = ("first_token_p50_s", "first_token_p95_s", "first_token_p99_s", "tokens_per_s", "peak_rss_mib", "size_mb")
    for part in (*costs, "cost_per_1000_answers", "safety_refused", "probe_general", "satisfaction", "400"):
        assert part in page
        assert part in text


def test_the_verdict_calls_the_baseline_by_its_role(shown):
    for language, name in (("en", "baseline"), ("zh", "baseline")):
        first = summary.render(shown, language=language).partition("\n")[0]
        assert name in first
        assert shown.report.parents["baseline"][:15] not in first


@pytest.mark.parametrize(
    ("times", "word"), [((0.1, 0.3), "goal_met"), ((0.1, 0.6), "goal_open"), ((0.5, 0.6), "goal_missed")]
)
def test_times_are_held_against_the_declared_goal(shown, times, word):
    low, high = times
    cost = {"answers": 9.0, "first_token_p95_s": low, "first_token_p95_s.low": low, "first_token_p95_s.high": high}
    receipt = shown.receipt.model_copy(update={"cost": cost})
    panel = panels.speed(dataclasses.replace(shown, receipt=receipt), words("en"))
    assert words("en")[word] in panel.note
    assert words("en")["no_price"] in panel.note


def test_what_a_report_does_not_have_is_left_out(shown):
    bare = dataclasses.replace(shown, receipt=None, business=(), human={})
    assert [make(bare, words("en")) for make in (panels.people, panels.business, panels.speed)] == [None] * 3


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium")
def test_a_browser_of_the_size_of_a_phone_shows_it_without_errors(shown, tmp_path):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = tmp_path / "report.html"
    path.write_text(document.render(shown), "utf-8")
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844}, locale="en-GB")
        wrong = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(path.as_uri())
        heads = page.locator("main[lang=en] h2").all_inner_texts()
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        page.click("text=中文")
        chinese = page.locator("main[lang=zh] h2").first.is_visible()
        browser.close()
    assert {words("en")[name] for name in ("probes", "business", "speed")} <= set(heads)
    assert (wrong, wide, chinese) == ([], 0, True)
