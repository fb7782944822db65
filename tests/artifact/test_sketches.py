"""What gateways remember of callers: one row a caller, gateway and day, on both databases, apart from the record."""

from __future__ import annotations


def test_a_sketch_takes_the_place_of_the_one_before_and_old_days_are_forgotten(both):
    both.sketches.save("one", "2026-01-01", bodies={"bank/app": b"\x00old", "bank/shop": b"\xff"})
    both.sketches.save("one", "2026-01-01", bodies={"bank/app": b"\x00new"})
    both.sketches.save("two", "2026-01-02", bodies={"bank/app": b"2"})
    both.sketches.save("two", "2026-01-02", bodies={})
    assert both.sketches.load("2026-01-01") == [
        ("bank/app", "one", "2026-01-01", b"\x00new"),
        ("bank/app", "two", "2026-01-02", b"2"),
        ("bank/shop", "one", "2026-01-01", b"\xff"),
    ]
    both.sketches.drop("2026-01-02")
    assert [when for _, _, when, _ in both.sketches.load("2026-01-01")] == ["2026-01-02"]
    assert both.verify() == 0
