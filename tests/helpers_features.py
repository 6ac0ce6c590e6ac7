"""What the tests of layers from features to features share."""

import keras
import numpy as np
import pytest
from helpers import (
    assert_close,
    assert_layer,
    from_format,
    to_format,
    value_and_gradients,
)
from keras import ops

# By number of spatial axes: three sizes each, no two axes alike.
SIZES = {
    1: [(5,), (1,), (8,)],
    2: [(3, 4), (1, 2), (5, 3)],
    3: [(2, 3, 4), (1, 2, 1), (3, 2, 2)],
}
CHANNELS = 8


def weights_of(layer):
    """Name within the layer -> value in float64."""
    return {
        w.path.split("/", 1)[1]: ops.convert_to_numpy(w).astype("float64")
        for w in layer.weights
    }


def randomise(layer, rng):
    """Values under which nothing cancels and no gate is half open by chance."""
    for weight in layer.weights:
        value = 0.5 * rng.normal(size=weight.shape)
        if "variance" in weight.path:
            value = 0.5 + np.abs(value)
        weight.assign(value)


def softmax(logits, axis):
    exps = np.exp(logits - logits.max(axis, keepdims=True))
    return exps / exps.sum(axis, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def batch_norm(x, weights, training, prefix="normalization"):
    """Normalises all axes but the last."""
    axes = tuple(range(x.ndim - 1))
    mean, variance = x.mean(axes), x.var(axes)
    if not training:
        mean = weights[f"{prefix}/moving_mean"]
        variance = weights[f"{prefix}/moving_variance"]
    x = (x - mean) / np.sqrt(variance + 1e-5)
    return x * weights[f"{prefix}/gamma"] + weights[f"{prefix}/beta"]


def assert_gradient(gradient, function, x, rng, step=1e-6):
    """Against central differences of a float64 formula, along random directions."""
    scale = np.linalg.norm(gradient)
    for _ in range(4):
        way = rng.normal(size=x.shape)
        slope = (function(x + step * way) - function(x - step * way)) / (2 * step)
        assert abs((gradient * way).sum() - slope) <= 1e-4 * scale


def assert_formula(make, formula, data_format, rng, axes=2, **call):
    """Values and input gradients at three sizes; the images of a batch differ."""
    layer = make(data_format=data_format)
    for i, size in enumerate(SIZES[axes]):
        x = rng.normal(size=(3, *size, CHANNELS)).astype("float32")
        moved = to_format(x, data_format)
        if i == 0:
            layer.build(moved.shape)
            randomise(layer, rng)
        # Before the call: in training it moves the averages.
        weights = weights_of(layer)
        expected = formula(x.astype("float64"), weights)
        output = from_format(layer(moved, **call), data_format)
        assert_close(output, expected)
        seed = rng.normal(size=x.shape).astype("float32")
        weighted = ops.convert_to_tensor(to_format(seed, data_format))

        def loss(tensor, weighted=weighted):
            # Averages moved under a trace would be tracers for ever after in JAX.
            with keras.StatelessScope():
                return ops.sum(layer(tensor, **call) * weighted)

        _, (gradient,) = value_and_gradients(loss, moved)
        assert_gradient(
            from_format(gradient, data_format),
            lambda a, s=seed, w=weights: (formula(a, w) * s).sum(),
            x.astype("float64"),
            rng,
        )


def assert_contract(make, data_format, tmp_path, axes, **expected):
    shape = (2, *SIZES[axes][0], CHANNELS)
    moved = to_format(np.zeros(shape), data_format).shape
    assert_layer(lambda: make(data_format=data_format), [moved], tmp_path, **expected)


def assert_any_size(make, rng, axes=2):
    """One symbolic model of unknown sizes serves them all."""
    layer = make(data_format="channels_last")
    inputs = keras.Input((*(None,) * axes, CHANNELS))
    model = keras.Model(inputs, layer(inputs))
    assert model.output_shape == (None, *(None,) * axes, CHANNELS)
    randomise(layer, rng)
    for size in SIZES[axes]:
        x = rng.normal(size=(2, *size, CHANNELS)).astype("float32")
        expected = ops.convert_to_numpy(layer(x))
        actual = model.predict(x, verbose=0)
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def assert_bad_shapes(make):
    layer = make(data_format="channels_last")
    with pytest.raises(ValueError, match=r"features must have shape \(B, \*S, C\)"):
        layer(np.ones((2, CHANNELS), "float32"))
    with pytest.raises(ValueError, match="known number of channels"):
        layer(keras.Input((4, 4, None)))
    layer(np.ones((2, 4, 4, CHANNELS), "float32"))
    with pytest.raises(ValueError, match=rf"must have {CHANNELS} channels.*got 6"):
        layer(np.ones((2, 4, 4, 6), "float32"))
    with pytest.raises(ValueError, match=r"data_format.*'last'"):
        make(data_format="last")
