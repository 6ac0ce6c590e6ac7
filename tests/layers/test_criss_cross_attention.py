"""CrissCrossAttention by its formula."""

import keras
import numpy as np
import pytest
from helpers import value_and_gradients
from helpers_features import (
    assert_any_size,
    assert_bad_shapes,
    assert_contract,
    assert_formula,
    softmax,
)

from keras_condattn import layers

axes = pytest.mark.parametrize("axes", [1, 2, 3])


def by_hand(x, w, recurrence=1):
    """Position by position, over the list of those that differ in one place at most."""
    for _ in range(recurrence):
        q = x @ w["query/kernel"] + w["query/bias"]
        k, v = x @ w["key/kernel"], x @ w["value/kernel"] + w["value/bias"]
        update, places = np.empty_like(x), list(np.ndindex(*x.shape[1:-1]))
        for image in range(len(x)):
            for here in places:
                cross = [there for there in places if differing(here, there) <= 1]
                keys = np.stack([k[(image, *there)] for there in cross])
                values = np.stack([v[(image, *there)] for there in cross])
                weights = softmax(keys @ q[(image, *here)], 0)
                update[(image, *here)] = weights @ values
        x = x + w["gamma"] * update
    return x


def differing(here, there):
    return sum(a != b for a, b in zip(here, there, strict=True))


def make(**kwargs):
    return layers.CrissCrossAttention(2, **kwargs)


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
        layers.CrissCrossAttention(0)
    with pytest.raises(ValueError, match="reduction must leave.*8 channels.*got 16"):
        layers.CrissCrossAttention(16).build((None, 8, 8))
    with pytest.raises(ValueError, match="recurrence must be a positive integer.*0"):
        layers.CrissCrossAttention(recurrence=0)


def test_recurrence(data_format, rng):
    def twice(**kwargs):
        return make(recurrence=2, **kwargs)

    assert_formula(twice, lambda x, w: by_hand(x, w, 2), data_format, rng)


def test_two_rounds_reach_every_position(rng):
    x = rng.normal(size=(1, 5, 6, 8)).astype("float32")
    for recurrence, reached in ((1, 5 + 6 - 1), (2, 5 * 6)):
        layer = make(
            recurrence=recurrence, identity_start=False, data_format="channels_last"
        )
        _, (gradient,) = value_and_gradients(
            lambda x, f=layer: keras.ops.sum(f(x)[:, 2, 3]), x
        )
        assert (np.abs(gradient).max(-1) > 0).sum() == reached


def test_memory_never_holds_all_pairs():
    """The largest intermediate of a symbolic call grows with N (H + W)."""
    layer, sizes = make(data_format="channels_last"), []
    layer.build((None, None, None, 8))
    arm = layer._arm
    layer._arm = lambda *a: sizes.append(arm(*a).shape) or arm(*a)
    layer(np.zeros((1, 6, 9, 8), "float32"))
    assert [tuple(s) for s in sizes] == [(1, 6, 9, 6), (1, 6, 9, 9)]


def test_it_starts_as_the_identity(rng):
    x = rng.normal(size=(2, 4, 4, 8)).astype("float32")
    output = keras.ops.convert_to_numpy(make(data_format="channels_last")(x))
    np.testing.assert_array_equal(output, x)
