"""What INSIDE alone has: profiles, widths, windows of any extent."""

import keras
import numpy as np
import pytest
from helpers import from_format
from keras import ops

from keras_condattn import layers


@keras.saving.register_keras_serializable("tests")
def triangle(u):
    return ops.relu(1.0 - ops.abs(u) / 3.0)


FORMULAS = {
    "gaussian": lambda u: np.exp(-0.5 * u**2),
    "super_gaussian": lambda u: np.exp(-0.5 * u**4),
    "cauchy": lambda u: 1 / (1 + u**2),
    "sech": lambda u: 2 / (np.exp(np.abs(u)) + np.exp(-np.abs(u))),
}


def by_hand(layer, shape, z, formula):
    """The windows by their definition, in float64, one pixel at a time."""
    w = {v.path.split("/", 1)[1]: np.float64(v) for v in map(as_array, layer.weights)}
    hidden = np.tanh(z @ w["fc_1/kernel"] + w["fc_1/bias"])
    hidden = np.tanh(hidden @ w["fc_2/kernel"] + w["fc_2/bias"])
    c, axes = shape[-1], len(shape) - 2
    mu = np.tanh(hidden @ w["fc_3/kernel"] + w["fc_3/bias"])[:, 2 * c :]
    sigma = np.tanh(hidden @ w["fc_4/kernel"] + w["fc_4/bias"])
    out = np.ones(shape)
    for index in np.ndindex(*shape):
        image, *position, channel = index
        for k in range(axes):
            length = shape[1 + k]
            unit = length if layer.relative_sigma else 1
            m = mu[image, k * c + channel] * length / 2 + length / 2 - 0.5
            s = layer.max_sigma * unit * sigma[image, k * c + channel] + 1e-7
            out[index] *= formula((position[k] - m) / s)
    return out


class as_array:  # a variable's path and value, out of reach of the backend
    def __init__(self, variable):
        self.path = variable.path
        self.value = ops.convert_to_numpy(variable)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.value, dtype)


@pytest.mark.parametrize("profile", FORMULAS)
@pytest.mark.parametrize("size", [(5,), (4, 7), (3, 4, 5)])
def test_windows_by_definition(profile, size, rng, data_format):
    relative = len(size) == 2
    layer = layers.INSIDE(
        max_sigma=0.6 if relative else 3.5, profile=profile, relative_sigma=relative,
        return_attention=True, data_format=data_format,
    )  # fmt: skip
    x = np.ones((2, *size, 3), "float32")
    z = rng.normal(size=(2, 2)).astype("float32")
    if data_format == "channels_first":
        x = np.moveaxis(x, -1, 1)
    _, attention = layer(x, z)
    layer.fc_4.bias.assign(rng.normal(size=layer.fc_4.bias.shape))
    _, attention = layer(x, z)
    expected = by_hand(layer, (2, *size, 3), z, FORMULAS[profile])
    actual = from_format(attention, data_format)
    np.testing.assert_allclose(actual, expected, atol=2e-5)


@pytest.mark.parametrize("profile", [*FORMULAS, triangle])
def test_profile_is_saved(profile, tmp_path, data_format):
    shape = (6, 6, 4) if data_format == "channels_last" else (4, 6, 6)
    x, z = keras.Input(shape), keras.Input((3,))
    model = keras.Model(
        [x, z], layers.INSIDE(profile=profile, data_format=data_format)(x, z)
    )
    arrays = [np.random.normal(size=(2, *shape)), np.random.normal(size=(2, 3))]
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(
        model.predict_on_batch(arrays), loaded.predict_on_batch(arrays)
    )


def test_one_layer_serves_any_size(rng):
    shape = (None, None, 4)
    x, z = keras.Input(shape), keras.Input((3,))
    layer = layers.INSIDE(data_format="channels_last")
    model = keras.Model([x, z], layer(x, z))
    vector = rng.normal(size=(2, 3)).astype("float32")
    for size in ((6, 6), (9, 5), (4, 12)):
        image = rng.normal(size=(2, *size, 4)).astype("float32")
        expected = ops.convert_to_numpy(layer(image, vector))
        actual = model.predict([image, vector], verbose=0)
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("profile", FORMULAS)
def test_far_positions_have_a_finite_gradient(profile):
    from helpers import value_and_gradients

    layer = layers.INSIDE(profile=profile, data_format="channels_last")
    x = np.ones((1, 64, 64, 2), "float32")
    z = np.ones((1, 2), "float32")
    layer(x, z)
    # Every width at its floor: the largest normalised distances there can be.
    layer.fc_4.kernel.assign(np.zeros(layer.fc_4.kernel.shape))
    layer.fc_4.bias.assign(np.zeros(layer.fc_4.bias.shape))
    value, (_, gradient) = value_and_gradients(lambda x, z: ops.sum(layer(x, z)), x, z)
    assert np.isfinite(value) and np.isfinite(gradient).all()


def test_wide_windows_start_near_the_identity(rng):
    layer = layers.INSIDE(
        max_sigma=50, identity_start=True, data_format="channels_last"
    )
    x = rng.normal(size=(2, 8, 8, 4)).astype("float32")
    output = ops.convert_to_numpy(layer(x, rng.normal(size=(2, 3)).astype("float32")))
    np.testing.assert_allclose(output, x, rtol=0.02)


def test_penalty_is_optional():
    x, z = np.ones((1, 4, 4, 4), "float32"), np.ones((1, 2), "float32")
    layer = layers.INSIDE(penalty=0, data_format="channels_last")
    layer(x, z)
    assert layer.losses == []


def test_bad_arguments():
    with pytest.raises(ValueError, match="max_sigma must be positive, got 0"):
        layers.INSIDE(max_sigma=0)
    with pytest.raises(ValueError, match="penalty must not be negative, got -1"):
        layers.INSIDE(penalty=-1)
    with pytest.raises(ValueError, match=r"profile must be one of.*'gauss'"):
        layers.INSIDE(profile="gauss")
