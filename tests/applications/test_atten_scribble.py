"""AttenScribbleUNet: geometry, weights by path, bad arguments."""

import keras
import numpy as np
import pytest
from helpers import to_format
from keras import ops

import keras_condattn
from keras_condattn.applications import AttenScribbleUNet


def network(data_format, size=(16, 8), **kwargs):
    shape = (2, *size) if data_format == "channels_first" else (*size, 2)
    arguments = {"filters": (4, 4, 8, 8), "dropout": 0.1, "similarity_radius": 1}
    return AttenScribbleUNet(shape, data_format=data_format, **(arguments | kwargs))


def test_the_released_geometry():
    model = AttenScribbleUNet(data_format="channels_last")
    shapes = {name: tuple(x.shape) for name, x in model.output.items()}
    assert shapes == {"mask": (None, 256, 256, 4), "similarity": (None, 64, 64, 121)}
    dropout = [x.rate for x in model.layers if isinstance(x, keras.layers.Dropout)]
    assert dropout == [0.05, 0.1, 0.2, 0.3, 0.5]
    # The attended features go to the next level and to the skip, x2 itself nowhere.
    attention = model.get_layer("similarity")
    users = [
        layer.name for layer in model.layers
        for node in layer._inbound_nodes
        if any(t is attention.output[0] for t in node.input_tensors)
    ]  # fmt: skip
    assert sorted(users) == ["decoder_s4_skip", "encoder_s4_down"]
    assert "AttenScribbleUNet" in keras_condattn.list_models()


def test_weights_by_path_bring_the_same_numbers(data_format, tmp_path):
    model = network(data_format)
    model.save_weights(tmp_path / "m.weights.h5")
    again = network(data_format, weights=tmp_path / "m.weights.h5")
    x = np.random.default_rng(0).normal(size=(2, 16, 8, 2)).astype("float32")
    one, other = (m.predict(to_format(x, data_format), verbose=0)
                  for m in (model, again))  # fmt: skip
    for name in ("mask", "similarity"):
        np.testing.assert_array_equal(one[name], other[name])


def test_each_sample_is_seen_on_its_own(data_format):
    model = network(data_format)
    x = np.random.default_rng(0).normal(size=(2, 16, 8, 2)).astype("float32")
    both = model(to_format(x, data_format))
    alone = model(to_format(x[1:], data_format))
    for name in both:
        one, other = (ops.convert_to_numpy(t[name]) for t in (both, alone))
        np.testing.assert_allclose(one[1:], other, atol=1e-5)
        assert np.abs(one[0] - one[1]).max() > 1e-4


def test_any_size_that_divides():
    model = network("channels_last", size=(None, None))
    for size in ((8, 16), (24, 8)):
        output = model.predict(np.zeros((1, *size, 2), "float32"), verbose=0)
        assert output["mask"].shape == (1, *size, 4)
        assert output["similarity"].shape == (1, size[0] // 4, size[1] // 4, 9)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"size": (12, 8)}, r"multiple of 8.*to \(16, 8\)"),
        ({"filters": 4}, "filters must list the channels of every level, got 4"),
        ({"filters": (4, 4)}, "filters must have at least 3 levels"),
        ({"filters": (4, 4, 0, 4)}, "filters must be positive integers"),
        ({"classes": 0}, "classes must be positive"),
        ({"dropout": (0.1, 0.2)}, "dropout must have a rate .* each of the 4"),
        ({"dropout": 1.0}, r"rate in \[0, 1\)"),
        ({"similarity_radius": 0}, "radius must be a whole number"),
        ({"weights": "acdc_scribbel"}, "weights.*acdc_scribbel"),
    ],
)
def test_bad_arguments(arguments, match):
    with pytest.raises(ValueError, match=match):
        network("channels_last", **arguments)


def test_a_shape_that_is_none():
    with pytest.raises(ValueError, match=r"input_shape must be \(H, W, C\)"):
        AttenScribbleUNet((8, 8), data_format="channels_last")
