"""SqueezeExcitation by its formula."""

import numpy as np
import pytest
from helpers_features import (
    assert_any_size,
    assert_bad_shapes,
    assert_contract,
    assert_formula,
    sigmoid,
)

from keras_condattn import layers

axes = pytest.mark.parametrize("axes", [1, 2, 3])


def by_hand(x, w):
    mean = x.mean(tuple(range(1, x.ndim - 1)), keepdims=True)
    hidden = np.maximum(mean @ w["squeeze/kernel"] + w["squeeze/bias"], 0)
    return x * sigmoid(hidden @ w["excite/kernel"] + w["excite/bias"])


def make(**kwargs):
    return layers.SqueezeExcitation(2, **kwargs)


@axes
def test_formula(axes, data_format, rng):
    assert_formula(make, by_hand, data_format, rng, axes)


@axes
def test_contract(axes, data_format, tmp_path):
    assert_contract(make, data_format, tmp_path, axes)


@axes
def test_any_size(axes, rng):
    assert_any_size(make, rng, axes)


def test_bad_input():
    assert_bad_shapes(make)
    with pytest.raises(ValueError, match="reduction must be a positive integer.*0"):
        layers.SqueezeExcitation(0)
    with pytest.raises(ValueError, match="reduction must leave.*8 channels.*got 16"):
        layers.SqueezeExcitation(16).build((None, 8, 8))
