"""Stop strings, cut anywhere."""

from hypothesis import given
from hypothesis import strategies as st

from seekloop.serve.stops import StopWatch

text = st.text("ab#\n", max_size=12)
stops = st.lists(st.text("ab#\n", min_size=1, max_size=4), min_size=1, max_size=3)


@given(st.lists(text, max_size=6), stops)
def test_pieces_give_what_the_whole_text_gives(pieces, stops):
    whole = "".join(pieces)
    ends = [at for at in (whole.find(stop) for stop in stops) if at >= 0]
    watch = StopWatch(stops)
    got = "".join([watch.push(piece) for piece in pieces] + [watch.finish()])
    first_to_complete = min((whole.find(stop) + len(stop) for stop in stops if stop in whole), default=None)
    assert watch.hit == bool(ends)
    assert whole.startswith(got)
    if not ends:
        assert got == whole
    else:
        assert len(got) < first_to_complete


@given(text, stops)
def test_a_text_in_one_piece_ends_before_the_first_stop_string(whole, stops):
    ends = [at for at in (whole.find(stop) for stop in stops) if at >= 0]
    watch = StopWatch(stops)
    got = watch.push(whole) + watch.finish()
    assert got == (whole[: min(ends)] if ends else whole)


def test_nothing_of_a_stop_string_is_let_out_before_it_is_certain():
    watch = StopWatch(["###"])
    assert [watch.push("a#"), watch.push("#"), watch.push("b"), watch.push("##")] == ["a", "", "##b", ""]
    assert watch.finish() == "##"


def test_without_stop_strings_everything_passes_at_once():
    assert StopWatch([]).push("abc") == "abc"
