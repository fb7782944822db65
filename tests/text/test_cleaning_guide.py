"""The table of the cleaning guide says what the levels do."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest

from seekloop.text.levels import Normaliser, NormaliseSpec

GUIDE = Path(__file__).parents[2] / "docs" / "guide"
LEVELS = Normaliser(NormaliseSpec(numbers="digits", times="iso", repeats=True, punctuation=True))


def shown(page: str) -> list[tuple[str, str]]:
    """The rows of the page's first table."""
    table = (GUIDE / page).read_text("utf-8").split("|---|---|\n")[1].partition("\n\n")[0]
    return [(before, after) for before, after in re.findall(r"^\| (.+?) \| (.+?) \|$", table, re.MULTILINE)]


@pytest.mark.parametrize("page", ["data-cleaning.md", "data-cleaning.zh.md"])
def test_each_row_of_the_guide_becomes_what_stands_beside_it(page):
    rows = shown(page)
    assert len(rows) == 22
    found = [LEVELS(before, at=dt.datetime(2026, 11, 22, 10))[0] for before, _ in rows]
    assert found == [after for _, after in rows]
