"""AttenScribbleUNet with the released parameters' names gives the released numbers."""

import json

import keras
import numpy as np
import pytest
from conftest import PARITY
from helpers import assert_close, from_format, to_format
from helpers_released import fill
from keras import ops

from keras_condattn import load_official
from keras_condattn.applications import AttenScribbleUNet
from keras_condattn.models import AlignedUpsampling

SHAPES = json.loads((PARITY / "attenscribble_model_shapes.json").read_text())


def released():
    return {name: fill(name, shape) for name, shape in SHAPES.items()}


def network(data_format, size=(32, 48), **kwargs):
    shape = to_format(np.zeros((1, *size, 1)), data_format).shape[1:]
    return AttenScribbleUNet(
        shape, similarity_radius=2, data_format=data_format, **kwargs
    )


def test_every_released_entry_has_its_place_and_the_numbers_are_those(
    golden, data_format
):
    case = golden("atten_scribble_unet.npz")
    state = released()
    assert len(state) == 154
    state["encoder.attn_proj.weight"] = np.full((1, 1, 1, 1), case["attn_proj_weight"])
    model = load_official(
        network(data_format), {f"module.{name}": array for name, array in state.items()}
    )
    output = model.predict(to_format(case["image"], data_format), verbose=0)
    # What the parameters make of one another is rounded twice over.
    assert_close(from_format(output["mask"], data_format), case["mask"], 2e-5)
    assert_close(output["similarity"], case["similarity"], 2e-5)


def test_the_plain_network_takes_what_is_left(golden):
    plain = ("encoder.block1", "encoder.norm1", "encoder.attn_proj")
    state = {n: a for n, a in released().items() if not n.startswith(plain)}
    assert len(state) == 154 - 18
    model = load_official(network("channels_last", attention=False), state)
    assert set(model.output) == {"mask"}
    with pytest.raises(ValueError, match="unexpected: encoder.attn_proj.bias"):
        load_official(model, released())


def test_wrong_entries_are_named_and_nothing_changes():
    model = network("channels_last", filters=(4, 4, 4), dropout=0.0)
    before = [ops.convert_to_numpy(w) for w in model.weights]
    with pytest.raises(ValueError, match="state does not fit ScribbleModel") as caught:
        load_official(model, {"encoder.in_conv.conv_conv.0.weight": np.ones((4, 1, 3))})
    assert "conv_conv.0.weight has shape (4, 1, 3) where (3, 3, 1, 4)" in str(
        caught.value
    )
    for one, weight in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(one, ops.convert_to_numpy(weight))


def test_a_scribble_model_of_another_kind_is_refused():
    from keras_condattn.models import ScribbleModel

    image = keras.Input((4, 4, 1), name="image")
    model = ScribbleModel(image, {"mask": keras.layers.Dense(2)(image)})
    with pytest.raises(TypeError, match="must be an AttenScribbleUNet"):
        load_official(model, {})


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 4)])
def test_aligned_upsampling_is_linear_between_the_corners(size, data_format):
    x = np.random.default_rng(0).normal(size=(2, *size, 3)).astype("float32")
    expected = x
    for axis, n in zip((1, 2), size, strict=True):
        at = np.linspace(0, n - 1, 2 * n)
        expected = np.apply_along_axis(
            lambda row, at=at, n=n: np.interp(at, np.arange(n), row), axis, expected
        )
    layer = AlignedUpsampling(data_format)
    y = layer(to_format(x, data_format))
    assert_close(from_format(y, data_format), expected)
    spec = layer.compute_output_spec(keras.KerasTensor(to_format(x, data_format).shape))
    assert tuple(spec.shape) == tuple(y.shape)
    assert AlignedUpsampling.from_config(layer.get_config()).data_format == data_format


def test_aligned_upsampling_of_any_size():
    image = keras.Input((None, None, 2))
    model = keras.Model(image, AlignedUpsampling("channels_last")(image))
    for size in ((3, 4), (5, 2)):
        x = np.ones((1, *size, 2), "float32")
        np.testing.assert_allclose(model.predict(x, verbose=0), 1.0, rtol=1e-6)
    with pytest.raises(ValueError, match="four axes"):
        AlignedUpsampling().compute_output_shape((2, 3, 4))
