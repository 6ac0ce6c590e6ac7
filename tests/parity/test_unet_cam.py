"""UNetCAM holds every released parameter, and computes with it as it should."""

import json
import pathlib

import numpy as np
import pytest
from helpers import from_format, to_format
from helpers_released import fill

from keras_condattn import load_official
from keras_condattn.applications import UNetCAM
from keras_condattn.weights.converters import slots_of

SHAPES = json.loads((pathlib.Path(__file__).parent / "unetcam_shapes.json").read_text())


@pytest.fixture
def state():
    return {name: fill(f"unetcam.{name}", shape) for name, shape in SHAPES.items()}


def make(data_format, size=(16, 24)):
    shape = to_format(np.zeros((1, *size, 1)), data_format).shape[1:]
    return UNetCAM(shape, filters=16, data_format=data_format)


def convolved(x, kernel, bias=0.0):
    """(B, H, W, I) by PyTorch's (O, I, k, k)."""
    k = kernel.shape[-1] // 2
    padded = np.pad(x, ((0, 0), (k, k), (k, k), (0, 0)))
    views = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[2:], (1, 2))
    return np.einsum("bhwiyx,oiyx->bhwo", views, kernel, optimize=True) + bias


def unit(x, state, convolution, norm):
    """Convolution, batch normalisation at inference, ReLU."""
    x = convolved(x, state[f"{convolution}.weight"], state[f"{convolution}.bias"])
    x = (x - state[f"{norm}.running_mean"]) / np.sqrt(
        state[f"{norm}.running_var"] + 1e-5
    )
    return np.maximum(x * state[f"{norm}.weight"] + state[f"{norm}.bias"], 0)


def by_hand(x, state):
    """The network in float64 from the released names alone."""

    def pair(x, name):
        x = unit(x, state, f"{name}.0", f"{name}.1")
        return unit(x, state, f"{name}.3", f"{name}.4")

    skips = [pair(x, "inc.conv.conv")]
    halvings = sum(name.endswith("mpconv.1.conv.0.weight") for name in state)
    for i in range(1, halvings + 1):
        b, h, w, c = skips[-1].shape
        pooled = skips[-1].reshape(b, h // 2, 2, w // 2, 2, c).max((2, 4))
        skips.append(pair(pooled, f"down{i}.mpconv.1.conv"))
    x = skips.pop()
    for i in range(1, halvings + 1):
        x = x.repeat(2, axis=1).repeat(2, axis=2)
        x = pair(np.concatenate([skips.pop(), x], -1), f"up{i}.conv.conv")
    return convolved(unit(x, state, "backbone.0", "backbone.1"),
                     state["classifier.weight"])  # fmt: skip


def compare(model, state, data_format, rng):
    x = rng.normal(size=(2, 16, 24, 1)).astype("float32")
    output = model.predict_on_batch(to_format(x, data_format))
    exact = {name: np.asarray(v, "float64") for name, v in state.items()}
    expected = by_hand(x.astype("float64"), exact)
    cam = from_format(output["class_activation_map"], data_format)
    scale = np.abs(expected).max()
    assert np.abs(cam - expected).max() <= 2e-5 * scale
    assert np.abs(output["logits"] - expected.mean((1, 2))).max() <= 1e-5 * scale


def test_released_parameters(state, data_format, rng):
    model = make(data_format)
    assert load_official(model, {f"module.{k}": v for k, v in state.items()}) is model
    compare(model, state, data_format, rng)


@pytest.mark.parametrize("filters", [(5,), (4, 6), (3, 4, 5)])
def test_fewer_blocks(filters, rng):
    """What the released names hold of a shallower network computes the same."""
    model = UNetCAM((16, 24, 1), filters=filters, data_format="channels_last")
    slots = slots_of(model)
    held = {id(slot.variable) for slot in slots.values()}
    assert held >= {id(w) for w in model.weights}
    wanted = {name: released(slot) for name, slot in slots.items()}
    state = {name: fill(f"unetcam.{name}", shape) for name, shape in wanted.items()}
    load_official(model, state)
    compare(model, state, "channels_last", rng)


def released(slot):
    shape = tuple(slot.variable.shape)
    return (shape[3], shape[2], *shape[:2]) if len(shape) == 4 else shape


def test_the_released_network_has_four_blocks(state):
    model = UNetCAM((16, 16, 1), filters=(16, 32, 64), data_format="channels_last")
    with pytest.raises(ValueError, match=r"unexpected: down3\.mpconv"):
        load_official(model, state)
    alike = UNetCAM((16, 16, 1), filters=(16, 32, 64, 64), data_format="channels_last")
    assert load_official(alike, state) is alike


@pytest.mark.parametrize(("blocks", "across"), [(1, 7), (2, 20), (3, 46), (4, 98)])
def test_field_of_view(blocks, across):
    """How far from a pixel the maps change with it, as the docstring has it."""
    model = UNetCAM((144, 8, 1), filters=(2,) * blocks, data_format="channels_last")
    for kernel in (w for w in model.trainable_weights if w.name == "kernel"):
        kernel.assign(np.full(kernel.shape, 0.1))
    x = np.zeros((2, 144, 8, 1), "float32")
    x[1, 71] = 1.0
    plain, touched = model.predict_on_batch(x)["class_activation_map"]
    rows = np.flatnonzero((plain != touched).any((1, 2)))
    assert rows[-1] - rows[0] + 1 == pytest.approx(across, abs=blocks)


def test_a_wrong_entry_changes_nothing(state):
    model = make("channels_last")
    before = model.get_weights()
    state["classifier.bias"] = np.zeros(2, "float32")
    del state["backbone.0.bias"]
    message = "missing: backbone.0.bias; unexpected: classifier.bias"
    with pytest.raises(ValueError, match=message):
        load_official(model, state)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("filters", "count"), [(64, 3_398_144), (16, 213_632)])
def test_released_size(filters, count):
    model = UNetCAM((8, 8, 1), filters=filters, data_format="channels_last")
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == count
