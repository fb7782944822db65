import datetime as dt

import pytest

from seekloop.system.retry import retry_after

NOW = dt.datetime(2026, 11, 22, 10, tzinfo=dt.UTC)
HOUR = {"now": NOW, "longest_s": 3600.0}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (" 7 ", 7.0),
        ("99999", 3600.0),
        ("Sun, 22 Nov 2026 10:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 09:00:00 GMT", 0.0),
        ("Sun, 22 Nov 2026 10:00:30 -0000", 30.0),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_seconds_and_dates_are_understood_and_bounded(value, seconds):
    assert retry_after(value, **HOUR) == seconds


def test_parts_of_a_second_are_taken_only_where_they_are_expected():
    assert retry_after("1.5", **HOUR) is None
    assert retry_after("1.5", **HOUR, fractions=True) == 1.5
