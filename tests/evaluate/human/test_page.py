"""The rating page in a real browser of the size of a phone."""

from __future__ import annotations

import shutil

import pytest

from seekloop.app.web.listening import in_thread
from seekloop.app.web.rating import build, link
from tests.evaluate.human.saying import NAMES

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium")
PHONE = {"width": 390, "height": 844}
LABELLED = """all => all.filter(one => one.offsetParent)
  .map(one => [one.offsetWidth, one.offsetHeight, (one.ariaLabel || one.innerText).trim()])"""

COLOURS = """names => Object.fromEntries(
  names.map(name => [name, getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim()]))"""
SHOWN = [(ink, ground) for ink in ("ink", "soft") for ground in ("paper", "card", "mine")]
SHOWN += [("accent", "card"), ("accent", "tint"), ("on-accent", "accent"), ("paper", "bad")]


@pytest.fixture(scope="module")
def browser():
    """Debian's chromium, driven by playwright; nothing is downloaded."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as engine:
        opened = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page_of(browser, study_of):
    """Opens the page of a rater of a study; its study and page."""
    contexts, servers = [], []

    def visit(rater="ann", *, scheme="light", locale="en-GB", **given):
        study = study_of(**given)
        servers.append(in_thread(build(study)))
        url = servers[-1].__enter__()
        contexts.append(browser.new_context(viewport=PHONE, color_scheme=scheme, locale=locale, has_touch=True))
        page = contexts[-1].new_page()
        page.set_default_timeout(8000)
        page.goto(link(url, study.token(rater)))
        page.wait_for_selector("#panel:not(.hidden), .end")
        return study, page

    yield visit
    for one in contexts:
        one.close()
    for one in servers:
        one.__exit__(None, None, None)


def at(page, text):
    """Wait until so much is done."""
    page.wait_for_function("text => document.querySelector('#count').textContent === text", arg=text)


def task(page, place):
    """The address of a task."""
    return f"{page.url}/tasks/{place}"


def on(page, place):
    """Wait until the task at a place is shown."""
    page.wait_for_function("text => document.title.startsWith(text)", arg=f"{place} /")


def test_a_rater_works_by_keyboard_reloads_goes_on_and_finishes(page_of):
    study, page = page_of()
    for key in "543":
        page.keyboard.press(key)
    at(page, "1 / 3")
    on(page, 2)
    page.keyboard.press("2")
    page.wait_for_selector("#dimension-fluency >> xpath=ancestor::fieldset[contains(@class,'current')]")
    at(page, "1 / 3")
    page.wait_for_function(
        "async base => (await (await fetch(base + '/tasks/1')).json()).values.relevance === 2", arg=page.url
    )
    page.reload()
    on(page, 2)
    assert page.locator("fieldset").nth(0).locator("[aria-checked=true]").inner_text() == "2"
    page.keyboard.press("5")
    page.keyboard.press("5")
    on(page, 3)
    for key in "000":
        page.keyboard.press(key)
    page.wait_for_selector(".end")
    at(page, "3 / 3")
    said = study.book.of("ann")
    given = [tuple(one.values[name] for name in NAMES) for one in said.values()]
    assert sorted(given) == [(0, 0, 0), (2, 5, 5), (5, 4, 3)]
    assert study.book.of("bob") == {}


def test_a_rater_faster_than_the_page_does_not_change_the_answer_before(page_of):
    study, page = page_of()
    for key in "5431":
        page.keyboard.press(key)
    on(page, 2)
    values = [
        tuple(one.values[name] for name in NAMES) for one in study.book.of("ann").values() if len(one.values) == 3
    ]
    assert values == [(5, 4, 3)]


def test_a_script_in_an_answer_is_text(page_of):
    _, page = page_of(ask=("prefer",))
    shown = page.locator(".answer .text").all_inner_texts()
    assert any("<script>document.title" in text for text in shown)
    page.keyboard.press("1")
    on(page, 2)
    assert "owned" not in page.title()


def test_touch_undo_skip_and_comment(page_of):
    study, page = page_of()
    page.locator("fieldset").nth(1).get_by_role("radio", name="4").tap()
    page.wait_for_selector("fieldset:nth-of-type(2) [aria-checked=true]")
    page.locator("#undo").tap()
    page.wait_for_selector("fieldset:nth-of-type(2):not(:has([aria-checked=true]))")
    page.locator("#note").tap()
    page.locator("#comment").fill("hard to <b>say</b>")
    page.locator("#skip").tap()
    at(page, "1 / 3")
    on(page, 2)
    (one,) = study.book.of("ann").values()
    assert (one.skipped, one.comment, dict(one.values)) == (True, "hard to <b>say</b>", {})


def test_preferences_by_keyboard_are_kept_as_models_not_as_places(page_of):
    study, page = page_of(ask=("prefer",))
    for place in (1, 2, 3):
        on(page, place)
        polite = page.locator(".answer .text").nth(0).inner_text().startswith("Polite")
        page.keyboard.press("1" if polite else "2")
    page.wait_for_selector(".end")
    assert [one.winner for one in study.book.of("ann").values()] == ["subject"] * 3


def test_language_and_theme_can_be_switched(page_of):
    _, page = page_of(scheme="dark", locale="zh-CN")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    assert page.locator("#next").inner_text() == "下一条"
    page.locator("#language").tap()
    page.locator("#theme").tap()
    assert page.locator("#next").inner_text() == "Next"
    assert page.locator("html").get_attribute("data-theme") == "light"


def test_every_control_is_labelled_and_large_enough_for_a_thumb(page_of):
    _, page = page_of()
    sizes = page.eval_on_selector_all("button", LABELLED)
    assert len(sizes) > 20 and all(width >= 44 and height >= 44 and name for width, height, name in sizes)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_lost_connection_is_said_and_the_rating_is_kept_when_it_is_back(page_of):
    study, page = page_of()
    page.context.set_offline(True)
    page.keyboard.press("4")
    page.wait_for_selector("#alarm:not(.hidden)")
    assert study.book.all() == []
    page.context.set_offline(False)
    page.wait_for_selector("#alarm.hidden", state="attached")
    assert [dict(one.values) for one in study.book.all()] == [{"relevance": 4}]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(page_of, scheme):
    _, page = page_of(scheme=scheme)
    names = sorted({name for pair in SHOWN for name in pair})
    colours = page.evaluate(COLOURS, names)
    for ink, ground in SHOWN:
        assert (ink, ground, contrast(colours[ink], colours[ground]) >= 4.5) == (ink, ground, True)


def contrast(one, other):
    """The ratio of relative luminances (WCAG 2.2); 4.5 and more is easy to read."""
    light = sorted(luminance(colour) for colour in (one, other))
    return (light[1] + 0.05) / (light[0] + 0.05)


def luminance(colour):
    """Of `#rrggbb`, 0 to 1."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
