"""The equivariance losses against the numbers of the released code."""

import numpy as np
import pytest
from helpers import assert_close, from_format, to_format, value_and_gradients
from helpers_features import assert_gradient
from keras import ops

from keras_condattn import losses


@pytest.fixture
def case(golden, data_format):
    """The golden, and its normalised maps of class 1 as (B, H, W, 1)."""
    case = dict(golden("cmer_public.npz"))
    for i in range(4):
        case[f"map_{i}"] = case[f"cam_{i}_normalized"][..., 1:]
    return case


def normalized(cam):
    p = np.maximum(cam, 0)
    low, high = p.min((1, 2), keepdims=True), p.max((1, 2), keepdims=True)
    return np.maximum(p - low - 1e-8, 0) / (high - low + 1e-8)


def unit(p):
    return p / np.sqrt(np.square(p + 1e-12).sum((1, 2), keepdims=True))


def log_softmax(z):
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def kl(logits, target):
    q, p = log_softmax(logits / 10), log_softmax(target / 10)
    return 100 * (np.exp(p) * (p - q)).sum() / len(p)


@pytest.mark.parametrize("i", range(4))
def test_normalize_cam(case, data_format, rng, i):
    cam = to_format(case[f"cam_{i}"], data_format)
    actual = from_format(losses.normalize_cam(cam, data_format), data_format)
    assert_close(actual, case[f"cam_{i}_normalized"])
    seed = rng.normal(size=case["cam_0"].shape).astype("float32")
    moved = ops.convert_to_tensor(to_format(seed, data_format))
    _, (gradient,) = value_and_gradients(
        lambda x: ops.sum(losses.normalize_cam(x, data_format) * moved), cam
    )
    exact = case[f"cam_{i}"].astype("float64")
    assert_gradient(
        from_format(gradient, data_format),
        lambda x: (normalized(x) * seed).sum(), exact, rng,
    )  # fmt: skip


def test_within_modality(case, data_format, rng):
    label = case["label"].astype("float32")
    pair = [to_format(case[f"map_{i}"], data_format) for i in (0, 1)]
    value, gradients = value_and_gradients(
        lambda a, b: losses.equivariance(a, b, label, data_format=data_format), *pair
    )
    assert float(value) == pytest.approx(float(case["within_modality"]), rel=1e-5)
    weight = label[:, None, None, None] / case["map_0"].size
    expected = 2 * weight * (case["map_0"] - case["map_1"])
    for gradient, sign in zip(gradients, (1, -1), strict=True):
        assert_close(from_format(gradient, data_format), sign * expected)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_cross_modality(case, data_format, rng, reduction):
    weight = case["label_mask"]
    pair = [to_format(case[f"map_{i}"], data_format) for i in (0, 3)]
    value, (gradient, into_target) = value_and_gradients(
        # The zero keeps the target in the graph, for frameworks that insist.
        lambda a, b: 0 * ops.sum(b) + losses.cross_modality_equivariance(
            a, b, weight, reduction=reduction, data_format=data_format
        ), *pair,
    )  # fmt: skip
    pixels = 9 * 7 if reduction == "sum" else 1
    expected = pixels * float(case["cross_modality"])
    assert float(value) == pytest.approx(expected, rel=1e-5)
    assert not into_target.any()
    target, w = unit(case["map_3"].astype("float64")), weight[:, None, None, None]
    assert_gradient(
        from_format(gradient, data_format),
        lambda a: pixels * np.mean(w * np.square(unit(a) - target)),
        case["map_0"].astype("float64"), rng,
    )  # fmt: skip


def test_temperature_kl(case, rng):
    logits, target = case["logits_1"], case["logits_2"]
    value, (gradient, into_target) = value_and_gradients(
        lambda a, b: 0 * ops.sum(b) + losses.temperature_kl(a, b, 10.0), logits, target
    )
    assert float(value) == pytest.approx(float(case["kl"]), rel=1e-5)
    assert not into_target.any()
    exact = target.astype("float64")
    assert_gradient(gradient, lambda z: kl(z, exact), logits.astype("float64"), rng)
