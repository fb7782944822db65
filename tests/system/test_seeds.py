from hypothesis import given
from hypothesis import strategies as st

from seekloop.system import seeds

numbers = st.integers(0, 2**32 - 1)


@given(numbers, st.text(min_size=1))
def test_a_seed_is_32_bits_and_the_same_every_time(seed, name):
    assert 0 <= seeds.derive(seed, name) < 2**32
    assert seeds.derive(seed, name) == seeds.derive(seed, name)


def test_consumers_and_runs_do_not_share_seeds():
    derived = {seeds.derive(seed, room, step) for seed in range(5) for room in ("data", "tune") for step in range(5)}
    assert len(derived) == 50


def test_a_seed_never_changes_between_versions():
    assert seeds.derive(0, "tune", "order") == 3381671745


def test_names_are_not_run_together():
    assert seeds.derive(0, "ab", "c") != seeds.derive(0, "a", "bc")
