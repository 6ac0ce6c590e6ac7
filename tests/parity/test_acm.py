"""ACM against the numbers of the released code."""

import numpy as np
import pytest
from helpers import assert_close, from_format, to_format, value_and_gradients
from keras import ops

from keras_condattn import layers, load_official

# ACM does not care how positions are arranged, so one golden serves every rank.
SIZES = {1: (48,), 2: (8, 6), 3: (2, 4, 6)}
axes = pytest.mark.parametrize("axes", SIZES)


@pytest.fixture
def released(golden):
    return golden("acm_public.npz")


def arranged(array, axes):
    """(B, 8, 6, C) with as many spatial axes as asked for."""
    return array.reshape(array.shape[0], *SIZES[axes], array.shape[-1])


def state(released):
    return {n.removeprefix("state/"): a for n, a in released.items() if "/" in n}


def by_hand(layer, released):
    """The released parameters, written without our converter."""
    groups, channels = int(released["groups"]), released["x"].shape[-1]
    weights = state(released)
    layer.key.assign(weights["add_mod.map_gen.0.weight"][:, :, 0, 0])
    layer.query.assign(weights["sub_mod.map_gen.0.weight"][:, :, 0, 0])
    for i, name in ((0, "squeeze"), (2, "expand")):
        kernel = weights[f"mul_mod.feature_gen.{i}.weight"][:, :, 0, 0]
        stacked = np.split(kernel, groups)
        getattr(layer, f"{name}_kernel").assign(np.stack([k.T for k in stacked]))
        bias = weights[f"mul_mod.feature_gen.{i}.bias"]
        getattr(layer, f"{name}_bias").assign(bias.reshape(groups, -1))
    assert layer.channels == channels
    return layer


def built(released, axes, data_format, **kwargs):
    layer = layers.ACM(int(released["groups"]), data_format=data_format, **kwargs)
    x = to_format(arranged(released["x"], axes), data_format)
    layer.build(x.shape)
    return by_hand(layer, released), x


@axes
def test_output_and_attention(released, axes, data_format):
    layer, x = built(released, axes, data_format, return_attention=True)
    output, (key, query) = layer(x)
    expected = arranged(released["output"], axes)
    assert_close(from_format(output, data_format), expected)
    maps = arranged(released["attention_k"], axes)
    assert_close(from_format(key, data_format), maps)
    # The release gives no map of Q: with its kernel in K's place, it is K's.
    layer.key.assign(layer.query)
    assert_close(
        from_format(layer(x)[1][0], data_format), from_format(query, data_format)
    )


@axes
@pytest.mark.parametrize("training", [False, True])
def test_input_gradient(released, axes, training, data_format):
    layer, x = built(released, axes, data_format, orthogonality="signed")

    def loss(x):
        return ops.mean(ops.square(layer(x, training=training))) + layer.losses[0]

    _, (gradient,) = value_and_gradients(loss, x)
    expected = arranged(released["grad_x"], axes)
    assert_close(from_format(gradient, data_format), expected)


@axes
@pytest.mark.parametrize("form", ["signed", "absolute"])
def test_orthogonality(released, axes, form, data_format):
    layer, x = built(released, axes, data_format, orthogonality=form)
    layer(x)
    (loss,) = layer.losses
    mean = released["orthogonality"].mean()
    assert mean < 0  # so that the two forms differ
    expected = 0.1 * (mean if form == "signed" else abs(mean))
    assert ops.convert_to_numpy(loss) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("wrapped", [False, True])
def test_official_parameters_load(released, wrapped, data_format):
    layer, x = built(released, 2, data_format)
    expected = [np.array(ops.convert_to_numpy(w)) for w in layer.weights]
    fresh = layers.ACM(int(released["groups"]), data_format=data_format)
    fresh.build(x.shape)
    weights = state(released)
    if wrapped:
        weights = {"state_dict": {f"module.{n}": a for n, a in weights.items()}}
    assert load_official(fresh, weights) is fresh
    for weight, array in zip(fresh.weights, expected, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(weight), array)


def test_official_parameters_that_do_not_fit(released):
    layer = layers.ACM(int(released["groups"]), data_format="channels_last")
    layer.build((None, 8, 6, 16))
    before = [np.array(ops.convert_to_numpy(w)) for w in layer.weights]
    weights = state(released)
    weights["mul_mod.feature_gen.2.weight"] = np.ones((16, 3, 1, 1), "float32")
    weights["add_mod.map_gen.0.bias"] = np.ones(5, "float32")
    del weights["sub_mod.map_gen.0.weight"]
    with pytest.raises(ValueError, match="nothing was loaded") as error:
        load_official(layer, weights)
    for part in (
        "missing: sub_mod.map_gen.0.weight",
        r"add_mod.map_gen.0.bias has shape (5,)",
        r"mul_mod.feature_gen.2.weight has shape (16, 3, 1, 1)",
    ):
        assert part in str(error.value)
    for weight, array in zip(layer.weights, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(weight), array)
