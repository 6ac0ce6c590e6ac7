"""SRM by its formula."""

import keras
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
    mean = x.mean(positions, keepdims=True)
    spread = np.sqrt(x.var(positions, keepdims=True) + 1e-5)
    style = w["kernel"][0] * mean + w["kernel"][1] * spread
    return x * sigmoid(batch_norm(style, w, training))


def make(*args, **kwargs):
    return layers.SRM(*args, **kwargs)


@axes
@pytest.mark.parametrize("training", [False, True])
def test_formula(axes, training, data_format, rng):
    def formula(x, w):
        return by_hand(x, w, training)

    assert_formula(make, formula, data_format, rng, axes, training=training)


@axes
def test_contract(axes, data_format, tmp_path):
    assert_contract(lambda **k: make("ones", **k), data_format, tmp_path, axes)


@axes
def test_any_size(axes, rng):
    assert_any_size(make, rng, axes)


def test_bad_input():
    assert_bad_shapes(make)


def test_gates_begin_half_open(rng):
    x = rng.normal(size=(2, 4, 4, 8)).astype("float32")
    output = make(data_format="channels_last")(x)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(output), 0.5 * x, rtol=1e-6)
