"""The streamed layer against the dense computation, which lives here alone."""

import keras
import numpy as np
import pytest
from helpers import (
    assert_close,
    from_format,
    to_format,
    value_and_gradients,
)
from keras import ops

from keras_condattn.layers import AttentiveSimilarity, _streamed


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Several blocks, the last one not full, at sizes that test quickly."""
    monkeypatch.setattr(_streamed, "BLOCK", 8)


def dense(layer, x):
    """The docstring's formula with (N, N) matrices; one sample, channels last."""
    x = ops.convert_to_tensor(x)
    size, channels, heads = tuple(x.shape[1:3]), x.shape[-1], layer.heads
    n, width = size[0] * size[1], channels // heads
    normed = layer.attention_norm(x)
    q = layer.query(normed)
    k, v = ops.split(layer.key_value(normed), 2, axis=-1)
    q, k, v = (
        ops.moveaxis(ops.reshape(part, (n, heads, width)), 1, 0) for part in (q, k, v)
    )
    logits = ops.matmul(q, ops.moveaxis(k, 1, 2))
    out = ops.matmul(ops.softmax(logits * width**-0.5, axis=-1), v)
    out = ops.reshape(ops.moveaxis(out, 0, 1), (1, *size, channels))
    h = x + layer.projection(out)
    hidden = layer.depthwise(layer.expand(layer.mlp_norm(h)))
    y = layer.norm(h + layer.contract(ops.gelu(hidden, approximate=False)))
    if layer.similarity == "attention":
        share = ops.mean(ops.softmax(logits, axis=-1), axis=0)
        both = share + ops.transpose(share)
    else:
        share = ops.mean(ops.log_softmax(logits * width**-0.5, axis=-1), axis=0)
        both = (share + ops.transpose(share)) / 2 + np.log(n)
    weight, bias = layer.similarity_weight.value, layer.similarity_bias.value
    return y, ops.sigmoid(weight * both + bias)


def windowed(full, size, radius):
    """(N, N) as the neighbours of each pixel, by reading one entry after another."""
    window = np.zeros((*size, (2 * radius + 1) ** 2), "float32")
    steps = range(-radius, radius + 1)
    for y, x in np.ndindex(*size):
        for place, (dy, dx) in enumerate((dy, dx) for dy in steps for dx in steps):
            if 0 <= y + dy < size[0] and 0 <= x + dx < size[1] and (dy or dx):
                other = (y + dy) * size[1] + x + dx
                window[y, x, place] = full[y * size[1] + x, other]
    return window


CASES = [((4, 5), 1, 1, 4), ((6, 3), 2, 2, 8), ((7, 7), 3, 1, 4), ((3, 2), 5, 1, 4)]


@pytest.mark.parametrize("similarity", ["attention", "log_attention"])
@pytest.mark.parametrize(("size", "radius", "heads", "channels"), CASES)
def test_equals_the_dense_computation(
    size, radius, heads, channels, similarity, data_format
):
    rng = np.random.default_rng(0)
    layer = AttentiveSimilarity(
        radius, heads, similarity=similarity, data_format=data_format
    )
    x = rng.normal(size=(2, *size, channels)).astype("float32")
    layer.build(to_format(x, data_format).shape)
    for weight in layer.weights:
        # Attention with a point, and a K that follows it.
        weight.assign(rng.normal(size=weight.shape).astype("float32"))
    layer.similarity_weight.assign(3.0 if similarity == "attention" else 0.2)
    features, similarity = layer(to_format(x, data_format))
    features = from_format(features, data_format)
    pulls = rng.normal(size=features.shape).astype("float32")
    drags = rng.normal(size=similarity.shape).astype("float32")
    plain = ops.convert_to_tensor(to_format(pulls, data_format))

    def ours(x):
        y, K = layer(x)
        return ops.sum(y * plain) + ops.sum(K * ops.convert_to_tensor(drags))

    value, (gradient,) = value_and_gradients(ours, to_format(x, data_format))
    gradient = from_format(gradient, data_format)
    for i in range(2):  # each sample alone: attention must not leave its image
        y, K = (ops.convert_to_numpy(t) for t in dense(layer, x[i : i + 1]))
        assert_close(features[i], y[0])
        assert_close(similarity[i], windowed(K, size, radius))
        full = unwindowed(drags[i], size, radius)

        def dense_loss(x, i=i, full=full):
            y, K = dense(layer, x)
            return ops.sum(y * ops.convert_to_tensor(pulls[i : i + 1])) + ops.sum(
                K * ops.convert_to_tensor(full)
            )

        _, (expected,) = value_and_gradients(dense_loss, x[i : i + 1])
        assert_close(gradient[i], expected[0], 2e-5)
    assert np.isfinite(value)


def unwindowed(window, size, radius):
    """The reverse of `windowed`, zero where no neighbour is."""
    full = np.zeros((size[0] * size[1],) * 2, "float32")
    numbers = windowed(np.arange(full.size).reshape(full.shape) + 1.0, size, radius)
    inside = numbers > 0
    full.reshape(-1)[numbers[inside].astype(int) - 1] = window[inside]
    return full


def test_gradients_reach_every_weight():
    layer = AttentiveSimilarity(1, data_format="channels_last")
    image = keras.Input((5, 4, 6))
    features, similarity = layer(image)
    model = keras.Model(image, [features, similarity])
    model.compile("sgd", ["mse", "mse"])
    before = [ops.convert_to_numpy(w) for w in model.trainable_weights]
    x = np.random.default_rng(0).normal(size=(3, 5, 4, 6)).astype("float32")
    model.fit(x, [x, np.ones((3, 5, 4, 9))], verbose=0)
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert not np.array_equal(ops.convert_to_numpy(weight), old), weight.path


def test_layer_contract(tmp_path, data_format):
    def make():
        return AttentiveSimilarity(
            1, 2, similarity="log_attention", data_format=data_format
        )

    shape = to_format(np.zeros((2, 5, 4, 6)), data_format).shape
    layer = make()
    assert layer.get_config()["heads"] == 2
    assert layer.get_config()["similarity"] == "log_attention"
    # The features alone say nothing of the similarity's two parameters.
    inputs = np.random.default_rng(1).normal(size=shape).astype("float32")
    image = keras.Input(shape[1:])
    model = keras.Model(image, layer(image))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for one, other in zip(model(inputs), loaded(inputs), strict=True):
        np.testing.assert_array_equal(
            ops.convert_to_numpy(one), ops.convert_to_numpy(other)
        )


def test_any_size_of_image():
    image = keras.Input((None, None, 4))
    layer = AttentiveSimilarity(2, data_format="channels_last")
    model = keras.Model(image, layer(image))
    for size in ((5, 4), (3, 7)):
        x = np.random.default_rng(0).normal(size=(2, *size, 4)).astype("float32")
        features, similarity = model.predict(x, verbose=0)
        assert features.shape == x.shape and similarity.shape == (2, *size, 25)
        for one, other in zip(layer(x), (features, similarity), strict=True):
            assert_close(one, other, 1e-5)


@pytest.mark.parametrize(
    ("arguments", "shape", "match"),
    [
        ({"radius": 0}, (1, 4, 4, 4), "radius must be a whole number from 1, got 0"),
        ({"heads": 3}, (1, 4, 4, 4), "heads=3 divides"),
        ({"epsilon": -1}, (1, 4, 4, 4), "epsilon must be a number above 0, got -1"),
        ({}, (1, 4, 4), "two spatial axes"),
        ({"similarity": "log"}, (1, 4, 4, 4), "similarity must be one of .*got 'log'"),
    ],
)
def test_bad_input(arguments, shape, match):
    with pytest.raises(ValueError, match=match):
        AttentiveSimilarity(**arguments, data_format="channels_last").build(shape)
