"""Rounding to the base's own grid takes an adapter away, and that is found before anything is committed."""

import numpy as np
import pytest
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize

from seekloop.compress.survival import Survival

Q4_0, Q4_1 = GGMLQuantizationType.Q4_0, GGMLQuantizationType.Q4_1


def rounded(values, kind):
    return dequantize(quantize(values, kind), kind).reshape(values.shape)


def survival(base, change, kind):
    """Of `change` on `base`, stored as `kind`."""
    found = Survival()
    found.add(change, rounded(base + change, kind) - (base + change))
    return found


@pytest.fixture
def base():
    """Weights of a base that was published in Q4_1."""
    return rounded(np.random.default_rng(0).normal(0, 0.05, (256, 512)).astype(np.float32), Q4_1)


@pytest.fixture
def change():
    """What a short training adds."""
    return np.random.default_rng(1).normal(0, 0.0005, (256, 512)).astype(np.float32)


def test_on_the_bases_own_grid_a_small_change_is_lost(base, change):
    assert survival(base, change, Q4_1).is_lost


def test_on_another_grid_it_survives_on_average(base, change):
    found = survival(base, change, Q4_0)
    assert not found.is_lost
    assert found.share == pytest.approx(1, abs=0.2)


def test_too_few_weights_to_tell_are_not_called_lost(base, change):
    assert not survival(base[:1, :32], change[:1, :32], Q4_0).is_lost


def test_an_adapter_that_changes_nothing_loses_nothing(base):
    assert survival(base, np.zeros_like(base), Q4_1).share == 1
