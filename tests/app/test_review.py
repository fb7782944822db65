"""The review page in a real browser of the size of a phone, and the verbs."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner

from seekloop.app.main import app
from seekloop.app.web.links import Links
from seekloop.app.web.listening import in_thread
from seekloop.app.web.rating import page
from seekloop.app.web.review import build
from seekloop.artifact.context import RunContext
from seekloop.artifact.ledger import Answer
from seekloop.learn.mining.selection import Pick
from seekloop.learn.review import fill, standing
from seekloop.learn.review.desk import Desk
from seekloop.system import settings
from seekloop.system.clock import SystemClock
from seekloop.system.errors import SeekloopError

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium")
PHONE = {"width": 390, "height": 844}
SIZES = """all => all.filter(one => one.offsetParent)
  .map(one => [one.offsetWidth, one.offsetHeight, (one.ariaLabel || one.innerText).trim()])"""
CONTENT = "card_lost\n<script>document.title = 'owned'</script>We block it."


def answers(count):
    """Answers as the gateway records them."""
    return [
        Answer(
            id=f"ans_{n:04x}",
            release="release:1",
            at=f"2026-01-01T00:00:{n:02d}+00:00",
            caller="shop",
            messages=[{"role": "user", "content": f"这笔手续费为什么扣了 {n} 次？"}],
            content=CONTENT,
            finish_reason="stop",
            prompt_tokens=5,
            completion_tokens=5,
            first_token_ms=1.0,
            total_ms=2.0,
        )
        for n in range(count)
    ]


def filled(ctx, count=3, opinions=1):
    ctx.ledger.record_answers(answers(count))
    fill(
        [Pick(answer=one.id, score=0.5, reasons=()) for one in answers(count)], ctx.ledger, actor="t", opinions=opinions
    )


@pytest.fixture(scope="module")
def browser():
    """Debian's chromium, driven by playwright; nothing is downloaded."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as engine:
        opened = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def site(ctx):
    """The address of each of two reviewers' pages over three queued answers."""
    filled(ctx)
    given = {"clock": SystemClock(), "form": "label_then_text", "labels": ("card_lost", "wrong_fee")}
    desks = {name: Desk(ctx.ledger, reviewer=name, **given) for name in ("ann", "bob")}
    links = Links(b"secret")
    with in_thread(build(desks, links)) as url:
        yield lambda name: f"{url}/r/{links.token(name)}"


@pytest.fixture
def page_of(browser, site):
    """Opens a reviewer's page."""
    contexts = []

    def visit(name="ann", *, scheme="light", locale="en-GB"):
        contexts.append(browser.new_context(viewport=PHONE, color_scheme=scheme, locale=locale, has_touch=True))
        page = contexts[-1].new_page()
        page.set_default_timeout(8000)
        page.goto(site(name))
        page.wait_for_selector("#panel:not(.hidden), .end")
        return page

    yield visit
    for one in contexts:
        one.close()


def counted(page, done, left):
    """Wait until so much is decided."""
    text = f"{done} decided · {left} left"
    page.wait_for_function("text => document.querySelector('#count').textContent === text", arg=text)


def shows(page, answer):
    """Wait until a case is shown."""
    page.wait_for_function("answer => document.querySelector('#panel').dataset.answer === answer", arg=answer)


@needs_chromium
def test_a_reviewer_works_by_keyboard_reloads_and_finishes(page_of, ctx):
    page = page_of()
    page.keyboard.press("a")
    counted(page, 1, 2)
    shown = page.locator(".turn .text").inner_text()
    page.reload()
    page.wait_for_selector("#panel:not(.hidden)")
    assert page.locator(".turn .text").inner_text() == shown
    page.keyboard.press("c")
    page.locator("#label").fill("wrong_fee")
    page.locator("#text").fill("我们会退款。")
    page.keyboard.press("Control+Enter")
    counted(page, 2, 1)
    page.keyboard.press("d")
    page.wait_for_selector(".end")
    stands = standing(ctx.ledger)
    assert sorted(one.decision for one in stands.values()) == ["accept", "correct", "discard"]
    assert [one.correction for one in stands.values() if one.label == "wrong_fee"] == ["我们会退款。"]
    assert {one.reviewer for one in stands.values()} == {"ann"}


@needs_chromium
def test_what_is_not_whole_is_refused_and_the_words_stay(page_of, ctx):
    page = page_of()
    page.locator("#correct").tap()
    page.locator("#label").fill("wrong_fee")
    page.locator("#send").tap()
    page.wait_for_selector("#alarm:not(.hidden)")
    assert "the text of the right answer is missing" in page.locator("#alarm").inner_text()
    assert page.locator("#label").input_value() == "wrong_fee"
    assert standing(ctx.ledger) == {}


@needs_chromium
def test_a_script_in_an_answer_is_text_and_a_decision_can_be_changed(page_of, ctx):
    page = page_of()
    assert "<script>document.title" in page.locator(".answer .text").inner_text()
    page.keyboard.press("d")
    counted(page, 1, 2)
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("#discard")
    shows(page, "ans_0000")
    page.keyboard.press("a")
    shows(page, "ans_0001")
    assert standing(ctx.ledger)["ans_0000"].decision == "accept"
    assert "owned" not in page.title()


@needs_chromium
def test_two_people_see_different_answers(page_of):
    ann, bob = page_of("ann"), page_of("bob")
    assert ann.locator(".turn .text").inner_text() != bob.locator(".turn .text").inner_text()


@needs_chromium
def test_every_control_is_labelled_and_large_enough_for_a_thumb(page_of):
    page = page_of(locale="zh-CN", scheme="dark")
    assert page.locator("#next").inner_text() == "下一条"
    page.locator("#correct").tap()
    sizes = page.eval_on_selector_all("button", SIZES)
    assert len(sizes) == 11 and all(width >= 44 and height >= 44 and name for width, height, name in sizes)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_without_a_link_there_is_nothing_and_another_ones_case_is_hidden(site):
    ann, bob = site("ann"), site("bob")
    assert httpx2.get(ann[:-1] + "x").status_code == 403
    held = httpx2.post(f"{ann}/next", json={}).json()["case"]["answer"]
    assert httpx2.get(f"{bob}/cases/{held}").status_code == 400
    assert httpx2.post(f"{bob}/cases/{held}", json={"decision": "accept"}).status_code == 400
    assert httpx2.post(f"{ann}/cases/{held}", content=b"x" * 200_000).status_code == 413
    assert httpx2.post(f"{ann}/cases/{held}", json={"decision": ["accept"]}).status_code == 400


@pytest.fixture
def folder(tmp_path):
    """A folder with three answers in the queue."""
    with RunContext.in_folder(tmp_path / "project") as ctx:
        filled(ctx)
    return tmp_path / "project"


def call(folder, *words):
    """Run a verb; its stdout."""
    result = CliRunner().invoke(app, ["review", *map(str, words), "-p", str(folder)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_verbs_decide_and_sheets_go_out_and_come_back(folder, tmp_path):
    first = json.loads(call(folder, "next", "--json", "--reviewer", "ann"))["case"]["answer"]
    assert call(folder, "accept", first, "--reviewer", "ann") == "recorded\n"
    assert call(folder, "accept", first, "--reviewer", "ann").startswith("said before")
    call(folder, "correct", "ans_0001", "--text", "We refund it.", "--reviewer", "bob")
    call(folder, "doubt", "ans_0002")
    call(folder, "export", tmp_path / "queue.csv", "--reviewer", "eve")
    lines = (tmp_path / "queue.csv").read_text("utf-8-sig").replace('We block it.",,', 'We block it.",discard,')
    (tmp_path / "queue.csv").write_text(lines, "utf-8")
    assert "1 decided" in call(folder, "import", tmp_path / "queue.csv", "--reviewer", "eve")
    cases = json.loads(call(folder, "list", "--json"))["cases"]
    assert [one["state"] for one in cases] == ["settled", "settled", "waiting"]


def test_the_page_is_served_with_a_link_a_reviewer_until_it_is_interrupted(folder):
    command = [Path(sys.executable).with_name("seekloop"), "review", "serve", "--reviewer", "ann", "--port", "0"]
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": settings.child_environment()}
    with subprocess.Popen([*map(str, command), "-p", str(folder)], **quiet) as server:
        name, url = server.stdout.readline().strip().split(": ", 1)
        assert httpx2.get(f"{url}/state").json()["left"] == 3
        server.send_signal(signal.SIGINT)
        assert "Traceback" not in server.stderr.read()
    assert (name, bool(re.fullmatch(r"http://127\.0\.0\.1:\d+/r/[0-9a-f]{32}", url))) == ("ann", True)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["next", "--reviewer", "a b"], "review.bad_name"),
        (["accept", "ans_ffff"], "artifact.no_answer"),
        (["doubt", "ans_ffff"], "review.not_queued"),
        (["export", "queue.xls"], "review.sheet"),
        (["import", "nothing.csv"], "review.no_file"),
    ],
)
def test_a_mistake_is_named(folder, words, code):
    with pytest.raises(SeekloopError) as caught:
        CliRunner().invoke(app, ["review", *words, "-p", str(folder)], catch_exceptions=False)
    assert caught.value.code == code


@pytest.mark.parametrize("name", ["rating.html", "review.html"])
def test_a_page_stands_alone_with_the_style_that_the_pages_share(name):
    text, headers = page(name)
    assert b"--accent:" in text and b"desk.css */\n" not in text
    style = re.search(rb"<style>(.*?)</style>", text, re.DOTALL)[1]
    assert base64.b64encode(hashlib.sha256(style).digest()).decode() in headers["Content-Security-Policy"]
