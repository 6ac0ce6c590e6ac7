"""Products within windows, entry by entry, with the gradients of both factors."""

import keras
import numpy as np
import pytest
from helpers import assert_close, value_and_gradients
from keras import ops

from keras_condattn import _window_products
from keras_condattn._window import inside, offsets, transposed
from keras_condattn._window_products import window_products

# Strips of 4 columns: two, one of them not full; one; one that is narrower.
CASES = [((4, 5), 1, 3), ((3, 12), 2, 2), ((7, 3), 2, 1), ((2, 3), 5, 4)]


@pytest.fixture(autouse=True)
def narrow_strips(monkeypatch):
    monkeypatch.setattr(_window_products, "STRIP", 4)


cases = pytest.mark.parametrize(("size", "radius", "channels"), CASES)


def pairs(size, radius):
    """Each pixel, each place of its window, and the pixel there, where there is one."""
    for y, x in np.ndindex(*size):
        for place, (dy, dx) in enumerate(offsets(radius).tolist()):
            if 0 <= y + dy < size[0] and 0 <= x + dx < size[1]:
                yield (y, x), place, (y + dy, x + dx)


@cases
def test_products_and_their_gradients(size, radius, channels, rng):
    a, b = rng.normal(size=(2, 2, *size, channels)).astype("float32")
    pull = rng.normal(size=(2, *size, (2 * radius + 1) ** 2)).astype("float32")
    found = ops.convert_to_numpy(
        window_products(*map(ops.convert_to_tensor, (a, b)), radius)
    )
    expected, to_a, to_b = np.zeros_like(pull), np.zeros_like(a), np.zeros_like(b)
    for i, place, j in pairs(size, radius):
        at, other = (slice(None), *i), (slice(None), *j)
        expected[(*at, place)] = (a[at] * b[other]).sum(-1)
        to_a[at] += pull[(*at, place)][:, None] * b[other]
        to_b[other] += pull[(*at, place)][:, None] * a[at]
    assert_close(found, expected)

    pull = ops.convert_to_tensor(pull)

    def pulled(a, b):
        return ops.sum(window_products(a, b, radius) * pull)

    _, gradients = value_and_gradients(pulled, a, b)
    assert_close(gradients[0], to_a)
    assert_close(gradients[1], to_b)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="a trap of JAX")
def test_gradients_of_what_is_compiled_or_computed_again():
    import jax

    x = np.random.default_rng(0).normal(size=(1, 4, 9, 9)).astype("float32")

    def products(x):
        return ops.sum(ops.square(transposed(window_products(x, x, 1), 1)))

    expected = jax.grad(products)(x)
    for wrapped in (jax.jit(products), jax.checkpoint(products)):
        assert_close(jax.grad(wrapped)(x), expected)


@cases
def test_transposed(size, radius, channels, rng):
    window, pull = rng.normal(size=(2, 2, *size, (2 * radius + 1) ** 2)).astype(
        "float32"
    )
    places = window.shape[-1]
    expected, gradient = np.zeros_like(window), np.zeros_like(window)
    known = np.zeros((1, *window.shape[1:]))
    for i, place, j in pairs(size, radius):
        there = (slice(None), *j, places - 1 - place)
        expected[(slice(None), *i, place)] = window[there]
        gradient[there] = pull[(slice(None), *i, place)]
        known[(0, *i, place)] = 1

    pull = ops.convert_to_tensor(pull)

    def pulled(window):
        return ops.sum(transposed(window, radius) * pull)

    assert_close(transposed(ops.convert_to_tensor(window), radius), expected, 0)
    assert_close(value_and_gradients(pulled, window)[1][0], gradient, 0)
    np.testing.assert_array_equal(ops.convert_to_numpy(inside(*size, radius)), known)
