import datetime as dt

from seekloop.system.clock import ManualClock, SystemClock


def test_a_manual_clock_stands_still_until_told():
    clock = ManualClock()
    assert clock.now() == clock.now() == dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert clock.monotonic() == 0


def test_a_manual_clock_moves_date_and_duration_together():
    clock = ManualClock(dt.datetime(2030, 5, 1, tzinfo=dt.UTC))
    clock.advance(90)
    assert clock.now() == dt.datetime(2030, 5, 1, 0, 1, 30, tzinfo=dt.UTC)
    assert clock.monotonic() == 90


def test_the_system_clock_tells_utc_and_never_goes_back():
    clock = SystemClock()
    readings = [clock.monotonic() for _ in range(100)]
    assert clock.now().tzinfo is dt.UTC
    assert readings == sorted(readings)
