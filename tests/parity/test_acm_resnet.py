"""Whole classifiers against torchvision's geometry, written out in NumPy."""

import json
import pathlib

import numpy as np
import pytest
from helpers import assert_close, from_format, to_format
from helpers_released import fill, resnet_shapes
from keras import ops

from keras_condattn import load_official
from keras_condattn.applications import ACMResNet50
from keras_condattn.models import attention_resnet

SHAPES = pathlib.Path(__file__).parent / "acm_resnet50_shapes.json"


@pytest.fixture(scope="module")
def released():
    shapes = json.loads(SHAPES.read_text())
    return {name: fill(name, tuple(shape)) for name, shape in shapes.items()}


def values(variable):
    return np.array(ops.convert_to_numpy(variable))


def test_all_448_entries_load(released, data_format):
    shape = (3, 32, 32) if data_format == "channels_first" else (32, 32, 3)
    model = ACMResNet50(shape, 14, data_format=data_format)
    before = [values(v) for v in model.weights]
    assert len(released) == 448
    state = {"state_dict": {f"module.{n}": a for n, a in released.items()}}
    assert load_official(model, state) is model
    for variable, old in zip(model.weights, before, strict=True):
        assert not np.array_equal(values(variable), old), variable.path
    for layer, name, official in (
        ("conv1", "kernel", "conv1.weight"),
        ("layer3_0_conv2", "kernel", "layer3.0.conv2.weight"),
        ("layer2_0_downsample_0", "kernel", "layer2.0.downsample.0.weight"),
        ("classifier_conv", "kernel", "classifier_conv.weight"),
        ("classifier_conv", "bias", "classifier_conv.bias"),
        ("layer4_2_bn3", "moving_variance", "layer4.2.bn3.running_var"),
        ("layer2_0_downsample_1", "gamma", "layer2.0.downsample.1.weight"),
    ):
        array = released[official]
        expected = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array
        got = getattr(model.get_layer(layer), name)
        np.testing.assert_array_equal(values(got), expected)
    query = model.get_layer("layer4_2_module").query
    expected = released["layer4.2.module.sub_mod.map_gen.0.weight"][:, :, 0, 0]
    np.testing.assert_array_equal(values(query), expected)


def test_what_does_not_fit_is_named_and_nothing_changes(released):
    model = ACMResNet50((32, 32, 3), 14, data_format="channels_last")
    before = [values(v) for v in model.weights]
    state = dict(released)
    del state["layer3.5.bn2.bias"], state["layer1.0.module.add_mod.map_gen.0.bias"]
    state["fc.weight"] = np.ones((14, 2048), "float32")
    state["conv1.weight"] = state["conv1.weight"][:, :1]
    with pytest.raises(ValueError, match="nothing was loaded") as caught:
        load_official(model, state)
    for text in (
        "missing: layer1.0.module.add_mod.map_gen.0.bias, layer3.5.bn2.bias",
        "unexpected: fc.weight",
        "conv1.weight has shape (7, 7, 1, 64) where (7, 7, 3, 64) is needed",
    ):
        assert text in str(caught.value)
    for variable, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(values(variable), old)


# -- the forward pass by hand, channels first as in PyTorch -----------------------


def convolved(x, kernel, stride=1, pad=0, groups=1):
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    outputs, inputs, size, _ = kernel.shape
    high, wide = ((n - size) // stride + 1 for n in x.shape[2:])
    total = 0
    for i in range(size):
        for j in range(size):
            rows = slice(i, i + stride * (high - 1) + 1, stride)
            columns = slice(j, j + stride * (wide - 1) + 1, stride)
            part = x[:, :, rows, columns].reshape(len(x), groups, inputs, high, wide)
            weight = kernel[:, :, i, j].reshape(groups, outputs // groups, inputs)
            total = total + np.einsum("bgihw,goi->bgohw", part, weight)
    return total.reshape(len(x), outputs, high, wide)


def normalised(x, state, name):
    def of(part):
        return state[f"{name}.{part}"].astype("float64")[:, None, None]

    scale = of("weight") / np.sqrt(of("running_var") + 1e-5)
    return (x - of("running_mean")) * scale + of("bias")


def largest(x):
    """3-wide maxima with stride 2, padded by minus infinity."""
    x = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    high, wide = ((n - 3) // 2 + 1 for n in x.shape[2:])
    windows = [
        x[:, :, i : i + 2 * high - 1 : 2, j : j + 2 * wide - 1 : 2]
        for i in range(3)
        for j in range(3)
    ]
    return np.max(windows, axis=0)


def compared(x, state, name, groups):
    """P (x + K - Q), group by group."""
    mean = x.mean((2, 3), keepdims=True)

    def grouped(v, i):
        weight = state[f"{name}.mul_mod.feature_gen.{i}.weight"]
        bias = state[f"{name}.mul_mod.feature_gen.{i}.bias"][:, None, None]
        return convolved(v, weight, groups=groups) + bias

    def pooled(part):
        logits = convolved(
            x, state[f"{name}.{part}.map_gen.0.weight"], groups=groups
        ).reshape(len(x), groups, -1)
        maps = np.exp(logits - logits.max(-1, keepdims=True))
        maps = maps / maps.sum(-1, keepdims=True)
        flat = x.reshape(len(x), groups, -1, maps.shape[-1])
        return np.einsum("bgn,bgcn->bgc", maps, flat).reshape(mean.shape)

    gain = 1 / (1 + np.exp(-grouped(np.maximum(grouped(mean, 0), 0), 2)))
    return gain * (x + pooled("add_mod") - pooled("sub_mod"))


def forward(x, state, groups, acm_groups, stride_in_1x1):
    """Class maps of a network with one block a stage."""
    weight = {n: a.astype("float64") for n, a in state.items()}
    x = np.maximum(
        normalised(convolved(x, weight["conv1.weight"], 2, 3), weight, "bn1"), 0
    )
    x = largest(x)
    for i in range(1, 5):
        name, stride = f"layer{i}.0", 1 + (i > 1)
        strides = (stride, 1, 1) if stride_in_1x1 else (1, stride, 1)
        y = x
        for j, pad in ((1, 0), (2, 1), (3, 0)):
            kernel = weight[f"{name}.conv{j}.weight"]
            y = convolved(y, kernel, strides[j - 1], pad, groups if j == 2 else 1)
            y = normalised(y, weight, f"{name}.bn{j}")
            y = np.maximum(y, 0) if j < 3 else y
        if acm_groups:
            y = compared(y, weight, f"{name}.module", acm_groups)
        x = convolved(x, weight[f"{name}.downsample.0.weight"], stride)
        x = np.maximum(y + normalised(x, weight, f"{name}.downsample.1"), 0)
    bias = weight["classifier_conv.bias"][:, None, None]
    return convolved(x, weight["classifier_conv.weight"]) + bias


@pytest.mark.parametrize(
    ("attention", "cardinality", "stride_in_1x1"),
    [("acm", 1, False), ("acm", 4, False), (None, 1, True)],
)
def test_geometry(attention, cardinality, stride_in_1x1, data_format, rng):
    """Odd and even sizes tell symmetric padding from Keras's own."""
    planes = (4, 8, 16, 32)
    inner = [cardinality * p * (16 if cardinality == 4 else 64) // 64 for p in planes]
    groups = 4 if attention else 0
    state = {
        name: fill(name, shape)
        for name, shape in resnet_shapes(
            2, 3, planes, inner, cardinality, groups
        ).items()
    }
    model = attention_resnet(
        (2, None, None) if data_format == "channels_first" else (None, None, 2), 3,
        blocks=(1, 1, 1, 1), width=1 / 16, cardinality=cardinality,
        group_width=16 if cardinality == 4 else 64, attention=attention,
        attention_options={"groups": 4} if attention else None,
        stride_in_1x1=stride_in_1x1, return_class_maps=True, data_format=data_format,
    )  # fmt: skip
    load_official(model, state)
    for size in ((35, 62), (64, 33)):
        x = rng.normal(size=(2, 2, *size))
        expected = forward(x, state, cardinality, groups, stride_in_1x1)
        image = to_format(np.moveaxis(x, 1, -1), data_format).astype("float32")
        got = model.predict_on_batch(image)
        maps = np.moveaxis(from_format(got["class_activation_map"], data_format), -1, 1)
        assert_close(maps, expected, 1e-5)
        assert_close(got["logits"], expected.max((2, 3)), 1e-5)
