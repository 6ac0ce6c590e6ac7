"""One view for all, the same on every backend; exact where pixels meet pixels."""

import keras
import numpy as np
import pytest
from helpers import from_format, to_format
from keras import ops

from keras_condattn.layers import RandomView
from keras_condattn.layers._views import mixed

LAST = {"data_format": "channels_last"}
# Of seed 5, draw 2, counters 0 to 2: they must never change.
WORDS = [13657, 23077, 60457, 39982, 63190, 17]


def pose(**given):
    names = ("rows", "columns", "quarters", "down", "right", "zoom")
    return [float(given.get(name, name == "zoom")) for name in names]


def shown(images, poses, data_format="channels_last"):
    layer = RandomView(data_format=data_format)
    moved = to_format(np.asarray(images, "float32"), data_format)
    seen, valid = layer.apply(moved, ops.convert_to_tensor(poses, "float32"))
    return from_format(seen, data_format), from_format(valid, data_format)


@pytest.mark.parametrize("side", [5, 6])
def test_exact_kinds(rng, side, data_format):
    x = rng.normal(size=(6, side, side, 2)).astype("float32")
    poses = [pose(), pose(rows=1), pose(columns=1)]
    poses += [pose(quarters=k) for k in (1, 2, 3)]
    seen, valid = shown(x, poses, data_format)
    expected = [x[0], x[1][::-1], x[2][:, ::-1]]
    expected += [np.rot90(x[2 + k], k) for k in (1, 2, 3)]
    np.testing.assert_array_equal(seen, expected)
    assert valid.all()


def test_turns_of_what_is_not_square(rng):
    x = rng.normal(size=(2, 4, 7, 1)).astype("float32")
    seen, valid = shown(x, [pose(quarters=1), pose(quarters=2)])
    np.testing.assert_array_equal(seen, x[:, ::-1, ::-1])
    assert valid.all()


def test_shift_and_what_is_valid(rng, data_format):
    x = 1 + rng.random((2, 10, 5, 1)).astype("float32")
    poses = [pose(down=0.3, right=-0.2), pose(down=-0.1)]
    seen, valid = shown(x, poses, data_format)
    expected = np.zeros_like(x)
    expected[0, 3:, :-1] = x[0, :-3, 1:]
    expected[1, :-1] = x[1, 1:]
    np.testing.assert_array_equal(seen, expected)
    np.testing.assert_array_equal(valid, expected > 0)


@pytest.mark.parametrize("zoom", [0.5, 2.0])
def test_zoom_interpolates(zoom):
    row, column = np.mgrid[:9, :9].astype("float32")
    x = (2 * row + 3 * column)[None, ..., None]
    seen, valid = shown(x, [pose(zoom=zoom)])
    expected = 20 + (x - 20) / zoom  # a plane, about its centre
    inside = (abs(row - 4) <= 4 * zoom) & (abs(column - 4) <= 4 * zoom)
    np.testing.assert_array_equal(valid[0, ..., 0], inside)
    np.testing.assert_allclose(seen[0][inside], expected[0][inside], atol=1e-4)


def test_draws_are_whole_number_arithmetic():
    """What NumPy computes is what the backend computes, to the last bit."""
    sample = np.arange(300, dtype="int32")
    tensor = ops.convert_to_tensor(sample)
    for seed, step in ((0, 0), (7, 3), (2**31 - 1, 2**31 - 1)):
        for a, b in zip(mixed(seed, step, sample), mixed(seed, step, tensor),
                        strict=True):  # fmt: skip
            np.testing.assert_array_equal(a, ops.convert_to_numpy(b))
    left, right = mixed(5, 2, np.arange(3, dtype="int32"))
    assert left.tolist() + right.tolist() == WORDS


def test_draws_spread_out():
    layer = RandomView(seed=3, **LAST)
    poses = np.concatenate([ops.convert_to_numpy(layer.draw(50)) for _ in range(40)])
    assert int(layer.draws.value) == 40
    kinds = poses[:, :3] > 0
    kinds = [kinds[:, 0] | kinds[:, 1], kinds[:, 2], poses[:, 3] != 0, poses[:, 5] != 1]
    assert np.sum(kinds, axis=0).max() == 1  # one kind a sample
    for kind in kinds:
        assert 0.2 < kind.mean() < 0.3
    shifts = poses[kinds[2], 3:5]
    assert abs(shifts.mean()) < 0.03 and 0.28 < np.abs(shifts).max() <= 0.3
    assert abs(np.corrcoef(shifts.T)[0, 1]) < 0.15
    assert 0.8 <= poses[:, 5].min() < 0.82 and 1.18 < poses[:, 5].max() <= 1.2
    other = ops.convert_to_numpy(RandomView(seed=4, **LAST).draw(50))
    assert not np.array_equal(other, poses[:50])


def test_modalities_share_the_view(rng, data_format):
    x = to_format(rng.random((4, 8, 8, 1)).astype("float32"), data_format)
    layer = RandomView(return_valid=True, seed=2, data_format=data_format)
    seen, valid = layer({"a": x, "b": 2 * x})
    np.testing.assert_allclose(2 * ops.convert_to_numpy(seen["a"]), seen["b"])
    assert valid.shape == x.shape
    again = RandomView.from_config(layer.get_config())
    np.testing.assert_array_equal(again({"a": x, "b": x})[0]["a"], seen["a"])
    assert not np.array_equal(layer({"a": x, "b": x})[0]["a"], seen["a"])


def test_in_a_model(rng, tmp_path):
    """Draws in fit alone, counts on after loading."""
    inputs = keras.Input((8, 8, 1))
    view = RandomView(name="view", **LAST)
    model = keras.Model(inputs, keras.layers.Conv2D(1, 1, **LAST)(view(inputs)))
    model.compile("sgd", "mse")
    x = rng.random((4, 8, 8, 1)).astype("float32")
    still = model.predict(x, verbose=0)
    np.testing.assert_array_equal(model.predict(x, verbose=0), still)
    model.fit(x, x, batch_size=2, verbose=0)
    assert int(view.draws.value) == 2
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert int(loaded.get_layer("view").draws.value) == 2


@pytest.mark.parametrize("training", [False, 0, np.False_])
def test_what_does_not_train_stands_still(rng, training):
    x = rng.random((4, 8, 8, 1)).astype("float32")
    layer = RandomView(("flip",), **LAST)
    np.testing.assert_array_equal(layer(x, training=training), x)
    assert int(layer.draws.value) == 0
    assert not np.array_equal(layer(x, training=1), x)


def test_bad_arguments():
    for argument, value in {
        "kinds": ("flop",), "shift": 1.5, "zoom": 1.0, "seed": -1
    }.items():  # fmt: skip
        with pytest.raises(ValueError, match=f"{argument} must be"):
            RandomView(**{argument: value})
    layer = RandomView(**LAST)
    for argument, value in {
        "kinds": None, "shift": "0.1", "zoom": None
    }.items():  # fmt: skip
        with pytest.raises(ValueError, match=f"{argument} must be"):
            RandomView(**{argument: value})
    with pytest.raises(ValueError, match=r"shape \(B, H, W, C\)"):
        layer(np.ones((4, 4, 1)))
    with pytest.raises(ValueError, match="share batch, height and width"):
        layer({"a": np.ones((1, 4, 4, 1)), "b": np.ones((1, 4, 5, 1))})
