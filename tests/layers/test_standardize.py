"""Standardize by its formula, at every scale of grey levels."""

import numpy as np
import pytest
from helpers import assert_close, from_format, to_format, value_and_gradients
from helpers_features import (
    assert_any_size,
    assert_bad_shapes,
    assert_contract,
    assert_gradient,
)
from keras import ops

from keras_condattn.layers import Standardize

axes = pytest.mark.parametrize("axes", [1, 2, 3])


def by_hand(x):
    positions = tuple(range(1, x.ndim - 1))
    moved = x - x.mean(positions, keepdims=True)
    spread = moved.std(positions, keepdims=True)
    return np.divide(moved, spread, out=np.zeros_like(x), where=spread > 0)


def make(*args, **kwargs):
    return Standardize(*args, **kwargs)


@pytest.mark.parametrize("size", [(7,), (3, 4), (2, 3, 4)])
def test_formula(size, data_format, rng):
    x = rng.normal(size=(3, *size, 2))
    x[1, ..., 1] = 0.3
    seed = rng.normal(size=x.shape)
    weighted = ops.convert_to_tensor(to_format(seed, data_format), "float32")
    layer = make(data_format=data_format)

    def loss(tensor):
        return ops.sum(layer(tensor) * weighted)

    moved = to_format(x, data_format).astype("float32")
    assert_close(from_format(layer(moved), data_format), by_hand(x))
    _, (gradient,) = value_and_gradients(loss, moved)
    gradient = from_format(gradient, data_format)
    assert not gradient[1, ..., 1].any()
    shown = np.ones(x.shape)
    shown[1, ..., 1] = 0  # a step would take the channel off its constant
    assert_gradient(gradient, lambda a: (by_hand(a) * shown * seed).sum(), x, rng)


@axes
def test_contract(axes, data_format, tmp_path):
    assert_contract(make, data_format, tmp_path, axes)


@axes
def test_any_size(axes, rng):
    assert_any_size(make, rng, axes)


def test_bad_input():
    assert_bad_shapes(make)


@pytest.mark.parametrize(
    ("scale", "offset"), [(1e-20, 0), (1e-4, 0), (1, 1e3), (1, 1e4), (1e9, 0)]
)
def test_any_scale(scale, offset, rng):
    noise = rng.normal(size=(2, 24, 20, 3)) * scale + offset
    x = noise.astype("float32")
    y = ops.convert_to_numpy(make(data_format="channels_last")(x))
    assert np.abs(y - by_hand(x.astype("float64"))).max() < 1e-4


def test_constant_channels_are_0_and_nothing_else_is(rng):
    x = rng.normal(size=(6, 23, 17, 2)).astype("float32")
    x[:, ..., 0] = rng.uniform(-2e3, 2e3, (6, 1, 1))
    x[0, ..., 0] = 0.452
    x[1, ..., 0] = 0.0
    y = ops.convert_to_numpy(make(data_format="channels_last")(x))
    assert (y[..., 0] == 0).all()
    np.testing.assert_allclose(y[..., 1].std((1, 2)), 1, rtol=1e-5)
    x[2, 3, 4] = np.nan
    y = ops.convert_to_numpy(make(data_format="channels_last")(x))
    assert np.isnan(y[2]).any((0, 1)).all() and np.isfinite(y[[0, 1, 3, 4, 5]]).all()
