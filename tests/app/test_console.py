"""Progress is told where there is no terminal too: sparingly, with what is left."""

import io

from seekloop.app.console import Lines
from seekloop.system.clock import ManualClock


def test_a_long_task_is_told_every_ten_seconds_with_what_is_left():
    out, clock = io.StringIO(), ManualClock()
    with Lines(out, clock=clock).task("train", total=100) as task:
        task.note("loss 0.5")
        for _ in range(4):
            clock.advance(6)
            task.advance(10)
    assert out.getvalue().splitlines() == ["train: 20%, eta 48 s loss 0.5", "train: 40%, eta 36 s loss 0.5"]


def test_what_was_done_before_a_kill_does_not_make_the_rest_look_short():
    out, clock = io.StringIO(), ManualClock()
    with Lines(out, clock=clock).task("train", total=100, done=50) as task:
        clock.advance(10)
        task.advance(10)
    assert out.getvalue() == "train: 60%, eta 40 s\n"


def test_a_short_task_says_nothing():
    out = io.StringIO()
    with Lines(out, clock=ManualClock()).task("read", total=3) as task:
        task.advance(3)
    assert out.getvalue() == ""


def test_a_task_of_unknown_length_tells_what_is_done():
    out, clock = io.StringIO(), ManualClock()
    with Lines(out, clock=clock).task("fetch") as task:
        clock.advance(11)
        task.advance(7)
    assert out.getvalue() == "fetch: 7 done in 11 s\n"
