"""attention_resnet and attention_densenet: places, outputs, training, bad arguments."""

import keras
import numpy as np
import pytest
from helpers import from_format, to_format

from keras_condattn import layers
from keras_condattn.models import (
    ClassMapClassifier,
    attention_densenet,
    attention_resnet,
)
from keras_condattn.models.attention import ATTENTION

BLOCKS = ("layer1_0", "layer1_1", "layer2_0", "layer3_0", "layer4_0")


def shape(size, channels, data_format):
    first = data_format == "channels_first"
    return (channels, *size) if first else (*size, channels)


def resnet(data_format="channels_last", size=(16, 16), **kwargs):
    arguments = {"blocks": (2, 1, 1, 1), "width": 0.25, "data_format": data_format}
    return attention_resnet(shape(size, 1, data_format), 2, **arguments | kwargs)


def densenet(data_format="channels_last", size=(32, 32), **kwargs):
    arguments = {"blocks": (1, 1, 1, 1), "data_format": data_format}
    return attention_densenet(shape(size, 1, data_format), 2, **arguments | kwargs)


def modules(model):
    return [x.name.removesuffix("_module") for x in model.layers if "_module" in x.name]


@pytest.mark.parametrize("make", [resnet, densenet])
def test_trains_saves_and_loads(make, data_format, tmp_path):
    options = {"groups": 2}  # the channels of a small DenseNet are odd ones
    model = make(data_format, attention_options=options, return_class_maps=True)
    image = model.input_shape[1:]
    x = np.random.default_rng(0).normal(size=(4, *image)).astype("float32")
    target = np.eye(2, dtype="float32")[[0, 1, 1, 0]]
    bce = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile("sgd", {"logits": bce})
    maps = np.zeros((4, *model.output["class_activation_map"].shape[1:]), "float32")
    y = {"logits": target, "class_activation_map": maps}
    model.fit(x, y, verbose=0)
    model(x)  # on JAX, training leaves no losses behind
    assert len(model.losses) == len(modules(model)) > 0
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert type(loaded) is ClassMapClassifier
    got, expected = loaded.predict_on_batch(x), model.predict_on_batch(x)
    for name in ("logits", "class_activation_map"):
        np.testing.assert_array_equal(got[name], expected[name])


@pytest.mark.parametrize("attention", ATTENTION)
def test_every_attention_by_name(attention, data_format):
    model = resnet(data_format, attention=attention)
    assert modules(model) == list(BLOCKS)
    module = model.get_layer("layer4_0_module")
    assert type(module) is ATTENTION[attention]
    before, after = model.get_layer("layer4_0_bn3"), model.get_layer("layer4_0_add")
    assert tuple(module.output.shape) == tuple(before.output.shape)
    assert after.input[0] is module.output
    assert model.output_shape == (None, 2)


@pytest.mark.parametrize(
    ("at", "places"),
    [
        ("all", BLOCKS),
        ("last", ("layer1_1", "layer2_0", "layer3_0", "layer4_0")),
        (("layer1", "layer3_0"), ("layer1_0", "layer1_1", "layer3_0")),
    ],
)
def test_places(at, places):
    assert modules(resnet(attention="se", attention_at=at)) == list(places)


def test_places_of_a_densenet():
    places = ["transition1", "transition2", "transition3", "norm5"]
    assert modules(densenet(attention="se")) == places
    assert modules(densenet(attention="se", attention_at="norm5")) == ["norm5"]
    model = densenet(attention="se")
    assert model.get_layer("transition2_relu").input is (
        model.get_layer("transition2_module").output
    )


def test_own_layers():
    assert modules(resnet(attention=None)) == []
    se = layers.SqueezeExcitation(4, data_format="channels_last")
    model = resnet(attention=se)
    got = [model.get_layer(f"{b}_module") for b in BLOCKS]
    assert {x.reduction for x in got} == {4} and se not in got
    made = resnet(attention=lambda: layers.SRM(data_format="channels_last"))
    assert sum(isinstance(x, layers.SRM) for x in made.layers) == 5


def test_average_pooling_and_maps(data_format):
    x = np.random.default_rng(0).normal(size=(2, 64, 40, 1)).astype("float32")
    for pooling, reduce in (("max", np.max), ("average", np.mean)):
        model = resnet(
            data_format, (None, None), attention="se", pooling=pooling,
            return_class_maps=True, classifier_activation="sigmoid",
        )  # fmt: skip
        got = model.predict_on_batch(to_format(x, data_format))
        axes = (2, 3) if data_format == "channels_first" else (1, 2)
        scores = reduce(got["class_activation_map"], axis=axes)
        expected = 1 / (1 + np.exp(-scores))
        np.testing.assert_allclose(got["logits"], expected, atol=1e-6)


def test_attention_maps(data_format):
    model = resnet(data_format, (32, 32), return_attention=True, attention_at="layer1")
    x = np.ones((2, *model.input_shape[1:]), "float32")
    got = model.predict_on_batch(x)
    assert set(got) == {"logits", "attention_layer1_0", "attention_layer1_1"}
    key, query = got["attention_layer1_0"]
    assert key.shape == query.shape == (2, *shape((8, 8), 32, data_format))
    axes = (2, 3) if data_format == "channels_first" else (1, 2)
    np.testing.assert_allclose(key.sum(axes), 1, atol=1e-5)


def test_one_and_three_axes(data_format):
    for size in ((40,), (9, 16, 12)):
        model = resnet(data_format, size, blocks=(1, 1, 1, 1), attention_at="layer4")
        x = np.ones((1, *model.input_shape[1:]), "float32")
        assert model.predict_on_batch(x).shape == (1, 2)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"attention": "amc"}, "attention must be one of.*'amc'"),
        ({"attention": 3}, "attention must be one of.*got 3"),
        ({"attention": lambda: 3}, "must return a keras layer, got 3"),
        ({"attention_at": "layer5"}, "attention_at must be.*'layer5'"),
        ({"attention_at": ()}, "attention_at must name at least one"),
        ({"attention": None, "attention_options": {"groups": 2}}, "attention_options"),
        ({"attention": "se", "return_attention": True}, "'se' gives no maps"),
        ({"attention_options": {"groups": 7}}, "groups that would do: 1, 2, 4"),
        ({"attention": layers.SRM(data_format="channels_first")}, "is channels_first"),
        ({"pooling": "mean"}, "pooling must be one of.*'mean'"),
        ({"blocks": (1, 1)}, "blocks must be four"),
        ({"width": 0}, "width must be a positive number, got 0"),
        ({"width": 1e-3}, "leaves no channels"),
        ({"size": (16, 16, 16, 16)}, "input_shape must be"),
    ],
)
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        resnet(**kwargs)


def test_a_densenet_needs_29_pixels():
    with pytest.raises(ValueError, match="at least 29.*28"):
        densenet(size=(28, 64))
    assert densenet(size=(29, 30), attention=None).output_shape == (None, 2)


@pytest.mark.parametrize(("make", "first"), [(resnet, 0), (densenet, 14)])
def test_where_the_first_pixel_of_the_map_looks(make, first):
    """`metrics.map_marks(origin=first + 0.5)`: one dot, seen where it is."""
    side = 288
    model = make(size=(side, side), attention=None, return_class_maps=True)
    rng = np.random.default_rng(0)
    # Kernels that average: the map is then a smooth bump around the dot.
    for weight in model.weights:
        if weight.path.endswith("kernel"):
            weight.assign(np.abs(rng.normal(size=weight.shape)).mean() + 0 * weight)
    image = np.zeros((2, side, side, 1), "float32")
    at = first + 4 * 32  # pixel 4 in the map of 9
    image[1, at, at] = 1e3
    maps = model.predict_on_batch(image)["class_activation_map"][..., 0]
    bump = np.abs(maps[1] - maps[0])
    assert bump.shape == (9, 9)
    assert np.unravel_index(bump.argmax(), bump.shape) == (4, 4)
    np.testing.assert_allclose(
        bump, bump[::-1, ::-1], rtol=0.01, atol=0.01 * bump.max()
    )


@pytest.mark.parametrize(("output_stride", "every"), [(16, 2), (8, 4)])
@pytest.mark.parametrize("options", [{}, {"cardinality": 2, "stride_in_1x1": True}])
def test_finer_maps_hold_the_coarse_ones(output_stride, every, options, data_format):
    blocks = {"blocks": (1, 1, 2, 2), "size": (72, 64), "return_class_maps": True}
    coarse, fine = (
        resnet(data_format, attention=None, output_stride=step, **blocks, **options)
        for step in (32, output_stride)
    )
    fine.set_weights(coarse.get_weights())
    x = np.random.default_rng(0).normal(size=(2, *coarse.input_shape[1:]))
    expected, actual = (
        from_format(model.predict_on_batch(x)["class_activation_map"], data_format)
        for model in (coarse, fine)
    )
    assert actual.shape[1:3] == (-(-72 // output_stride), 64 // output_stride)
    np.testing.assert_allclose(
        actual[:, ::every, ::every], expected, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("wrong", [4, 64, 16.5, True, None])
def test_output_stride_is_named(wrong):
    with pytest.raises(ValueError, match=r"output_stride must be 8, 16 or 32, got"):
        resnet(output_stride=wrong)
