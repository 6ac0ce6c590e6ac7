"""What FiLM, GuidingBlock and INSIDE have in common."""

import keras
import numpy as np
import pytest
from helpers import assert_layer, from_format, to_format, value_and_gradients
from keras import ops

from keras_condattn import layers

KINDS = {"film": layers.FiLM, "guiding": layers.GuidingBlock, "inside": layers.INSIDE}
SIZES = {1: (6,), 2: (6, 4), 3: (4, 6, 2)}
kinds = pytest.mark.parametrize("kind", KINDS)
axes = pytest.mark.parametrize("axes", SIZES)


def shapes(axes, data_format, channels=4):
    first = data_format == "channels_first"
    size = SIZES[axes]
    return (2, channels, *size) if first else (2, *size, channels), (2, 3)


@kinds
@axes
def test_layer_contract(kind, axes, data_format, tmp_path):
    def make():
        return KINDS[kind](data_format=data_format)

    losses = int(kind == "inside")
    assert_layer(make, shapes(axes, data_format), tmp_path, losses=losses)


@pytest.mark.parametrize("kind", ["guiding", "inside"])
def test_layer_contract_with_attention(kind, data_format, tmp_path):
    def make():
        return KINDS[kind](return_attention=True, data_format=data_format)

    losses = int(kind == "inside")
    inputs = shapes(2, data_format)
    assert_layer(make, inputs, tmp_path, losses=losses, outputs=2)


@kinds
@axes
def test_data_formats_agree_at_three_sizes(kind, axes, rng):
    for size in (SIZES[axes], tuple(s + 1 for s in SIZES[axes]), (3,) * axes):
        x = rng.normal(size=(2, *size, 4)).astype("float32")
        z = rng.normal(size=(2, 3)).astype("float32")
        last = KINDS[kind](data_format="channels_last")
        first = KINDS[kind](data_format="channels_first")
        expected = ops.convert_to_numpy(last(x, z))
        moved = to_format(x, "channels_first")
        first.build(moved.shape, z.shape)
        first.set_weights(last.get_weights())
        actual = from_format(first(moved, z), "channels_first")
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


@kinds
def test_condition_receives_its_gradient(kind, rng, data_format):
    layer = KINDS[kind](data_format=data_format)
    x_shape, z_shape = shapes(2, data_format)
    x = rng.normal(size=x_shape).astype("float32")
    z = rng.normal(size=z_shape).astype("float32")
    layer(x, z)
    loss = lambda x, z: ops.sum(ops.square(layer(x, z))[0])  # noqa: E731
    _, (_, gradient) = value_and_gradients(loss, x, z)
    assert np.abs(gradient[0]).max() > 1e-4
    np.testing.assert_array_equal(gradient[1], 0)
    step = 1e-2 * np.eye(3, dtype="float32")[0]
    nudged = [z + np.stack([s, 0 * s]) for s in (step, -step)]
    up, down = (ops.convert_to_numpy(loss(x, ops.convert_to_tensor(n))) for n in nudged)
    assert gradient[0, 0] == pytest.approx((up - down) / 2e-2, rel=2e-2, abs=1e-3)


@pytest.mark.parametrize("gain", ["one_minus_gamma", "gamma"])
def test_film_can_start_as_the_identity(gain, rng):
    layer = layers.FiLM(gain=gain, identity_start=True, data_format="channels_last")
    x = rng.normal(size=(2, 6, 4, 3)).astype("float32")
    z = rng.normal(size=(2, 3)).astype("float32")
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(x, z)), x)


def test_guiding_block_can_start_as_the_identity(rng):
    layer = layers.GuidingBlock(identity_start=True, data_format="channels_last")
    x = rng.normal(size=(2, 6, 4, 3)).astype("float32")
    z = rng.normal(size=(2, 3)).astype("float32")
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(x, z)), x)


@kinds
def test_hidden_units(kind):
    layer = KINDS[kind](hidden_units=7, data_format="channels_last")
    layer(np.ones((1, 4, 4, 6), "float32"), np.ones((1, 3), "float32"))
    assert tuple(layer.fc_1.kernel.shape) == (3, 7)
    default = KINDS[kind](data_format="channels_last")
    default(np.ones((1, 4, 4, 6), "float32"), np.ones((1, 3), "float32"))
    assert tuple(default.fc_1.kernel.shape) == (3, 3)


BAD = {
    "features rank": (((2, 4), (2, 3)), "features.*spatial"),
    "conditioning rank": (((2, 4, 4, 6), (2, 3, 1)), r"conditioning.*\(B, Z\)"),
    "one vector for all": (((2, 4, 4, 6), (1, 3)), "conditioning.*2 images.*1 vectors"),
    "channel count": (((2, 4, 4, 5), (2, 3)), "features must have 6 channels.*got 5"),
    "vector length": (((2, 4, 4, 6), (2, 4)), "conditioning must have 3 values.*got 4"),
}


@kinds
@pytest.mark.parametrize("case", BAD)
def test_bad_shapes(kind, case):
    (features, conditioning), message = BAD[case]
    layer = KINDS[kind](data_format="channels_last")
    layer(np.ones((2, 4, 4, 6), "float32"), np.ones((2, 3), "float32"))
    with pytest.raises(ValueError, match=message):
        layer(np.ones(features, "float32"), np.ones(conditioning, "float32"))


@kinds
def test_bad_shapes_are_seen_before_building(kind):
    layer = KINDS[kind](data_format="channels_last")
    with pytest.raises(ValueError, match="conditioning must hold one vector"):
        layer(np.ones((4, 4, 4, 6), "float32"), np.ones((2, 3), "float32"))
    assert not layer.weights


@kinds
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_conditioning_that_is_not_finite(kind, value):
    layer = KINDS[kind](data_format="channels_last")
    z = np.ones((3, 3), "float32")
    z[1, 2] = value
    with pytest.raises(ValueError, match=r"conditioning must be finite.*\[1\].*3"):
        layer(np.ones((3, 4, 4, 6), "float32"), z)


@kinds
def test_bad_arguments(kind):
    with pytest.raises(ValueError, match="hidden_units must be a positive integer"):
        KINDS[kind](hidden_units=0)
    with pytest.raises(ValueError, match=r"data_format.*'last'"):
        KINDS[kind](data_format="last")
    if kind != "guiding":
        with pytest.raises(ValueError, match=r"gain must be.*'plus'"):
            KINDS[kind](gain="plus")


def test_guiding_block_needs_its_size():
    layer = layers.GuidingBlock(data_format="channels_last")
    with pytest.raises(ValueError, match="known spatial sizes"):
        layer(keras.Input((None, 8, 4)), keras.Input((3,)))
    layer = layers.GuidingBlock(data_format="channels_last")
    layer(np.ones((1, 4, 4, 6), "float32"), np.ones((1, 3), "float32"))
    with pytest.raises(ValueError, match=r"spatial size \(4, 4\).*\(4, 5\)"):
        layer(np.ones((1, 4, 5, 6), "float32"), np.ones((1, 3), "float32"))
