"""FiLM, GuidingBlock and INSIDE against the numbers of the released code."""

import numpy as np
import pytest
from helpers import assert_close, from_format, to_format, value_and_gradients
from keras import ops

from keras_condattn import layers

MAKE = {"film": layers.FiLM, "guiding": layers.GuidingBlock, "inside": layers.INSIDE}


def built(kind, golden, data_format, **kwargs):
    """The layer with the released parameters, written without our converter."""
    layer = MAKE[kind](data_format=data_format, **kwargs)
    layer.build(to_format(golden["x"], data_format).shape, golden["z"].shape)
    for weight in layer.weights:
        dense, variable = weight.path.split("/")[-2:]
        weight.assign(golden[f"{kind}/{dense}/{variable}"])
    return layer


@pytest.mark.parametrize("kind", MAKE)
def test_output_and_input_gradient(kind, golden, data_format):
    golden = golden("inside_public.npz")
    layer = built(kind, golden, data_format)
    x = to_format(golden["x"], data_format)
    output = from_format(layer(x, golden["z"]), data_format)
    assert_close(output, golden[f"{kind}/output"])
    _, (gradient,) = value_and_gradients(
        lambda x: ops.mean(ops.square(layer(x, ops.convert_to_tensor(golden["z"])))), x
    )
    assert_close(from_format(gradient, data_format), golden[f"{kind}/grad_x"])


@pytest.mark.parametrize("kind", ["guiding", "inside"])
def test_attention(kind, golden, data_format):
    golden = golden("inside_public.npz")
    layer = built(kind, golden, data_format, return_attention=True)
    x = to_format(golden["x"], data_format)
    output, attention = layer(x, golden["z"])
    assert_close(from_format(attention, data_format), golden[f"{kind}/attention"])
    assert_close(from_format(output, data_format), golden[f"{kind}/output"])


def test_penalty(golden):
    golden = golden("inside_public.npz")
    layer = built("inside", golden, "channels_last")
    layer(golden["x"], golden["z"])
    assert len(layer.losses) == 1
    expected = float(golden["inside/penalty"][0])
    assert ops.convert_to_numpy(layer.losses[0]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", MAKE)
def test_each_image_follows_its_own_condition(kind, golden, data_format):
    golden = golden("inside_public.npz")
    layer = built(kind, golden, data_format)
    x = to_format(golden["x"], data_format)
    together = ops.convert_to_numpy(layer(x, golden["z"]))
    for i in range(2):
        alone = ops.convert_to_numpy(layer(x[i : i + 1], golden["z"][i : i + 1]))
        np.testing.assert_allclose(together[i], alone[0], rtol=1e-5, atol=1e-6)
    swapped = ops.convert_to_numpy(layer(x, golden["z"][::-1].copy()))
    assert np.abs(swapped - together).max() > 0.1
