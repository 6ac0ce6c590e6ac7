"""CBAM by its formula."""

import numpy as np
import pytest
from helpers_features import (
    assert_any_size,
    assert_bad_shapes,
    assert_contract,
    assert_formula,
    batch_norm,
    sigmoid,
)

from keras_condattn import layers

axes = pytest.mark.parametrize("axes", [1, 2, 3])


def by_hand(x, w, training):
    positions = tuple(range(1, x.ndim - 1))
    logits = 0
    for vector in (x.mean(positions, keepdims=True), x.max(positions, keepdims=True)):
        hidden = np.maximum(vector @ w["squeeze/kernel"] + w["squeeze/bias"], 0)
        logits = logits + hidden @ w["excite/kernel"] + w["excite/bias"]
    x = x * sigmoid(logits)
    maps = np.stack([x.mean(-1), x.max(-1)], axis=-1)
    logits = convolved(maps, w["convolution/kernel"])
    return x * sigmoid(batch_norm(logits, w, training))


def convolved(maps, kernel):
    """Every offset of the window in turn, zeros around the map."""
    reach, size = kernel.shape[0] // 2, maps.shape[1:-1]
    padded = np.pad(maps, [(0, 0), *[(reach, reach)] * len(size), (0, 0)])
    out = np.zeros((*maps.shape[:-1], 1))
    for offset in np.ndindex(*kernel.shape[:-2]):
        window = tuple(slice(o, o + s) for o, s in zip(offset, size, strict=True))
        out += padded[(slice(None), *window)] @ kernel[offset]
    return out


def make(**kwargs):
    return layers.CBAM(2, 3, **kwargs)


@axes
@pytest.mark.parametrize("training", [False, True])
def test_formula(axes, training, data_format, rng):
    def formula(x, w):
        return by_hand(x, w, training)

    assert_formula(make, formula, data_format, rng, axes, training=training)


@axes
def test_contract(axes, data_format, tmp_path):
    assert_contract(make, data_format, tmp_path, axes)


@axes
def test_any_size(axes, rng):
    assert_any_size(make, rng, axes)


def test_bad_input():
    assert_bad_shapes(make)
    with pytest.raises(ValueError, match="reduction must be a positive integer.*0"):
        layers.CBAM(0)
    with pytest.raises(ValueError, match="reduction must leave.*8 channels.*got 16"):
        layers.CBAM(16).build((None, 8, 8))
    with pytest.raises(ValueError, match="kernel_size must be odd, got 4"):
        layers.CBAM(2, 4)
