"""NonLocal by its formula."""

import keras
import numpy as np
import pytest
from helpers_features import (
    assert_any_size,
    assert_bad_shapes,
    assert_contract,
    assert_formula,
    batch_norm,
    softmax,
)

from keras_condattn import layers

axes = pytest.mark.parametrize("axes", [1, 2, 3])


def by_hand(x, w, training, subsample=1):
    channels, update = x.shape[-1], np.empty_like(x)
    for image, result in zip(x, update, strict=True):
        theta = image.reshape(-1, channels) @ w["theta/kernel"] + w["theta/bias"]
        pooled = image @ w["phi_g/kernel"]
        for axis in range(pooled.ndim - 1):
            starts = range(0, pooled.shape[axis], subsample)
            pooled = np.maximum.reduceat(pooled, list(starts), axis)
        phi, g = np.split(pooled.reshape(-1, channels), 2, axis=1)
        z = softmax(theta @ phi.T, 1) @ g @ w["output_projection/kernel"]
        result[:] = z.reshape(image.shape)
    return x + batch_norm(update, w, training)


def make(**kwargs):
    return layers.NonLocal(2, **kwargs)


@axes
@pytest.mark.parametrize("training", [False, True])
def test_formula(axes, training, data_format, rng):
    def formula(x, w):
        return by_hand(x, w, training)

    assert_formula(make, formula, data_format, rng, axes, training=training)


@axes
def test_contract(axes, data_format, tmp_path):
    assert_contract(
        lambda **k: make(identity_start=False, **k), data_format, tmp_path, axes
    )


@axes
def test_any_size(axes, rng):
    assert_any_size(make, rng, axes)


def test_bad_input():
    assert_bad_shapes(make)
    with pytest.raises(ValueError, match="reduction must be a positive integer.*0"):
        layers.NonLocal(0)
    with pytest.raises(ValueError, match="reduction must leave.*8 channels.*got 16"):
        layers.NonLocal(16).build((None, 8, 8))
    with pytest.raises(ValueError, match="subsample must be a positive integer.*0"):
        layers.NonLocal(subsample=0)


@axes
def test_subsampling(axes, data_format, rng):
    def formula(x, w):
        return by_hand(x, w, False, subsample=2)

    def pooled(**kwargs):
        return make(subsample=2, **kwargs)

    # Windows start at the first position: the last of an odd size is partial.
    assert_formula(pooled, formula, data_format, rng, axes)


def test_it_starts_as_the_identity(rng):
    x = rng.normal(size=(2, 4, 4, 8)).astype("float32")
    output = keras.ops.convert_to_numpy(make(data_format="channels_last")(x))
    np.testing.assert_array_equal(output, x)
