"""GlobalContext by its formula."""

import keras
import numpy as np
import pytest
from helpers_features import (
    assert_any_size,
    assert_bad_shapes,
    assert_contract,
    assert_formula,
    softmax,
)

from keras_condattn import layers

axes = pytest.mark.parametrize("axes", [1, 2, 3])


def by_hand(x, w):
    out = np.empty_like(x)
    for image, result in zip(x, out, strict=True):
        rows = image.reshape(-1, x.shape[-1])
        context = softmax(rows @ w["key"][:, 0], 0) @ rows
        hidden = context @ w["squeeze/kernel"] + w["squeeze/bias"]
        hidden = (hidden - hidden.mean()) / np.sqrt(hidden.var() + 1e-5)
        hidden = hidden * w["normalization/gamma"] + w["normalization/beta"]
        hidden = np.maximum(hidden, 0)
        result[:] = image + hidden @ w["expand/kernel"] + w["expand/bias"]
    return out


def make(**kwargs):
    return layers.GlobalContext(2, **kwargs)


@axes
def test_formula(axes, data_format, rng):
    assert_formula(make, by_hand, data_format, rng, axes)


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
        layers.GlobalContext(0)
    with pytest.raises(ValueError, match="reduction must leave.*8 channels.*got 16"):
        layers.GlobalContext(16).build((None, 8, 8))


def test_it_starts_as_the_identity(rng):
    x = rng.normal(size=(2, 4, 4, 8)).astype("float32")
    output = keras.ops.convert_to_numpy(make(data_format="channels_last")(x))
    np.testing.assert_array_equal(output, x)
