"""What only a GPU can show. conftest.py skips it elsewhere."""

import keras
import numpy as np
import pytest
from helpers import assert_close, from_format, to_format, value_and_gradients
from keras import ops

from benchmarks._compiled import compiled
from benchmarks._memory import peak_bytes
from benchmarks._reference import Tiled
from keras_condattn import layers
from keras_condattn.applications import InsideUNet

pytestmark = pytest.mark.gpu

MAKE = {"film": layers.FiLM, "guiding": layers.GuidingBlock, "inside": layers.INSIDE}
LARGE = (8, 256, 256, 32)


def place(tensor):
    """Where a tensor lies; every backend prints its device's kind."""
    name = str(tensor.device).lower()
    return "gpu" if "cuda" in name or "gpu" in name else "cpu"


def scale_and_shift(kind, shape, z, weights):
    """Every one of these layers is `scale * x + shift`; both in float64."""
    w, c = {name: np.float64(value) for name, value in weights.items()}, shape[-1]
    hidden = z
    for k in ("fc_1", "fc_2"):
        hidden = np.tanh(hidden @ w[f"{k}/kernel"] + w[f"{k}/bias"])
    head = hidden @ w["fc_3/kernel"] + w["fc_3/bias"]
    first, second = head[:, None, None, :c], head[:, None, None, c : 2 * c]
    if kind == "film":
        return 1 - first, second
    if kind == "guiding":
        rows, columns = np.split(head[:, 2 * c :], [shape[1]], axis=-1)
        return 1 + rows[:, :, None, None] + columns[:, None, :, None] + second, first
    sigma = 3.5 * np.tanh(hidden @ w["fc_4/kernel"] + w["fc_4/bias"]) + 1e-7
    window = 1.0
    for k, length in enumerate(shape[1:3]):
        mu = np.tanh(head[:, None, (2 + k) * c : (3 + k) * c])
        u = np.arange(length)[:, None] - mu * length / 2 - length / 2 + 0.5
        profile = np.exp(-0.5 * (u / sigma[:, None, k * c : (k + 1) * c]) ** 2)
        window = window * np.expand_dims(profile, 2 - k)
    return (1 - first) * window, second


@pytest.mark.parametrize("case", ["golden", "large"])
@pytest.mark.parametrize("kind", MAKE)
def test_layer_by_definition(kind, case, golden, rng, data_format):
    golden = golden("inside_public.npz")
    x, z, tolerance = golden["x"], golden["z"], 1e-5
    if case == "large":
        x, z = (rng.normal(size=s) for s in ((4, 96, 80, 32), (4, 5)))
        # A narrow window amplifies float32, but nowhere near what TF32 would do.
        x, z, tolerance = x.astype("float32"), z.astype("float32"), 1e-4
    features = to_format(x, data_format)
    layer = MAKE[kind](data_format=data_format)
    layer.build(features.shape, z.shape)
    names = ["/".join(weight.path.split("/")[-2:]) for weight in layer.weights]
    if case == "golden":
        layer.set_weights([golden[f"{kind}/{name}"] for name in names])
    weights = dict(zip(names, layer.get_weights(), strict=True))
    scale, shift = scale_and_shift(kind, x.shape, z, weights)
    expected = scale * x + shift
    output, vectors = layer(features, z), ops.convert_to_tensor(z)
    assert {place(t) for t in (output, *(w.value for w in layer.weights))} == {"gpu"}
    assert_close(from_format(output, data_format), expected, tolerance)
    _, (slope,) = value_and_gradients(
        lambda x: ops.mean(ops.square(layer(x, vectors))), features
    )
    slope = from_format(slope, data_format)
    assert_close(slope, 2 * expected * scale / x.size, tolerance)
    if case == "golden":
        assert_close(expected, golden[f"{kind}/output"])
        assert_close(slope, golden[f"{kind}/grad_x"])


def network(data_format):
    """A small InsideUNet, and one batch that it can learn."""
    rng = np.random.default_rng(0)
    image = to_format(rng.normal(size=(4, 16, 16, 1)), data_format).astype("float32")
    model = InsideUNet(
        image.shape[1:], 4, 1, filters=8, depth=1, data_format=data_format
    )
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    x = {"image": image, "conditioning": np.eye(4, dtype="float32")}
    return model, x, (image > 0).astype("float32")


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_trains_in_mixed_precision(policy, data_format):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model, x, y = network(data_format)
    finally:
        keras.config.set_dtype_policy(before)
    losses = model.fit(x, y, epochs=12, verbose=0).history["loss"]
    assert np.isfinite(losses).all() and losses[-1] < 0.9 * losses[0], losses
    assert np.isfinite(model.predict(x, verbose=0)).all()


def test_peak_memory_is_below_that_of_tiled_coordinates(rng, data_format):
    x = to_format(rng.normal(size=LARGE).astype("float32"), data_format)
    x, z = ops.convert_to_tensor(x), ops.convert_to_tensor(np.eye(8, dtype="float32"))
    peaks = []
    for kind in (layers.INSIDE, Tiled):
        layer = kind(data_format=data_format)
        layer.build(x.shape, z.shape)
        _, both = compiled(layer)
        plan = getattr(both, "planned_bytes", None)
        peaks.append(plan(x, z, x) if plan else peak_bytes(lambda f=both: f(x, z, x)))
    # In feature maps, of which output and gradient are two: 4 and 8 to 13 on CPUs.
    ours, tiled = (peak / (4 * np.prod(LARGE)) for peak in peaks)
    assert ours < 5 and ours < 0.7 * tiled, (ours, tiled)


def test_data_formats_agree():
    formats = ("channels_last", "channels_first")
    made = [network(data_format) for data_format in formats]
    made[1][0].set_weights(made[0][0].get_weights())
    for _ in range(3):
        last, first = (m.predict(x, verbose=0) for m, x, _ in made)
        assert_close(from_format(first, "channels_first"), last, 1e-3)
        losses = [float(model.train_on_batch(x, y)) for model, x, y in made]
        assert losses[1] == pytest.approx(losses[0], rel=1e-3)
