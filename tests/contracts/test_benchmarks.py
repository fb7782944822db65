"""Every figure that we publish says what it is, how it was measured, on what, and when."""

import json
import math

import pytest

from bench.harness import median_interval, wilson
from tests.contracts.source import REPOSITORY

FILES = sorted(path for path in (REPOSITORY / "benchmarks").glob("*.json") if not path.stem.endswith("_receipt"))
RECORDS = [pytest.param(one, id=one["name"]) for path in FILES for one in json.loads(path.read_text("utf-8"))]
KEYS = {"name", "value", "unit", "better", "ci", "n", "peer", "ratio", "model", "data", "seed", "threads"}
STAMP = {"hardware", "date", "commit", "code", "command"}


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_is_complete(record):
    assert set(record) == KEYS | STAMP
    assert math.isfinite(record["value"])
    assert record["n"] >= 1
    assert record["better"] in ("higher", "lower")
    assert record["unit"] != "share" or 0 <= record["value"] <= 1


@pytest.mark.parametrize("record", [one for one in RECORDS if one.values[0]["ci"]])
def test_a_value_lies_in_its_interval(record):
    low, high = record["ci"]
    assert low <= record["value"] <= high


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_names_the_command_that_makes_it_again(record):
    room = record["command"].removeprefix("make bench-")
    assert (REPOSITORY / "bench" / f"{room}.py").exists()


def test_the_interval_of_a_median_is_made_of_order_statistics():
    assert median_interval(list(range(1, 21))) == (6, 15)  # the tabulated ranks for n = 20


def test_the_interval_of_a_share_is_wilsons():
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
