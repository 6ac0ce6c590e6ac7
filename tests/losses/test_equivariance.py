"""What the equivariance losses do at the edges: no positive, blank maps, bad input."""

import keras
import numpy as np
import pytest
from helpers import to_format, value_and_gradients
from keras import ops

from keras_condattn import losses

LAST = {"data_format": "channels_last"}


def maps(rng, *shape):
    return rng.random(shape).astype("float32")


@pytest.mark.parametrize("size", [(5,), (3, 4), (2, 3, 4)])
def test_any_number_of_axes(rng, size, data_format):
    a, b = maps(rng, 2, *size, 3), maps(rng, 2, *size, 3)
    w = np.array([0.0, 1.0], "float32")
    moved = [to_format(x, data_format) for x in (a, b)]
    value = losses.equivariance(*moved, w, data_format=data_format)
    assert float(value) == pytest.approx(np.square(a[1] - b[1]).mean() / 2, rel=1e-5)
    axes = tuple(range(1, 1 + len(size)))
    units = [x / np.sqrt(np.square(x).sum(axes, keepdims=True)) for x in (a, b)]
    expected = np.square(units[0] - units[1])[1].mean() / 2
    value = losses.cross_modality_equivariance(*moved, w, data_format=data_format)
    assert float(value) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_no_positive_is_zero_and_finite(rng, scale):
    cam = scale * maps(rng, 2, 3, 4, 1)
    none = np.zeros(2, "float32")

    def loss(a, b):
        return losses.equivariance(a, b, none, **LAST) + (
            losses.cross_modality_equivariance(a, b, none, **LAST)
        )

    value, gradients = value_and_gradients(loss, cam, maps(rng, 2, 3, 4, 1))
    assert float(value) == 0
    assert not any(g.any() for g in gradients)


def test_a_blank_map_gets_no_gradient(rng):
    target, one = maps(rng, 1, 3, 4, 1), np.ones(1, "float32")

    def loss(cam):
        p = losses.normalize_cam(cam, "channels_last")
        return losses.cross_modality_equivariance(p, target, one, **LAST)

    value, (gradient,) = value_and_gradients(loss, np.full_like(target, -1.0))
    assert float(value) == pytest.approx(1 / 12, rel=1e-5)  # the target's unit norm
    assert not gradient.any()
    value, (gradient,) = value_and_gradients(
        lambda cam: losses.cross_modality_equivariance(cam, target, one, **LAST),
        np.zeros_like(target),
    )
    assert np.isfinite(value) and not gradient.any()


def test_kl_of_far_logits_is_finite():
    far = np.array([[1e4, -1e4]], "float32")
    value, (gradient,) = value_and_gradients(
        lambda z: losses.temperature_kl(z, -far, 1.0), far
    )
    assert np.isfinite(value) and np.isfinite(gradient).all() and value > 1e4


def test_losses_are_the_functions(rng):
    a, b = maps(rng, 2, 3, 4, 2), maps(rng, 2, 3, 4, 2)
    w, true = np.array([1.0, 0.5], "float32"), {"class_activation_map": b}
    pairs = [
        (losses.Equivariance("channels_last"), true | {"positive": w},
         losses.equivariance(a, b, w, **LAST)),
        (losses.CrossModalityEquivariance("sum", "channels_last"), true | {"weight": w},
         losses.cross_modality_equivariance(a, b, w, reduction="sum", **LAST)),
    ]  # fmt: skip
    for loss, y_true, expected in pairs:
        again = type(loss).from_config(loss.get_config())
        assert again.get_config() == loss.get_config()
        assert float(again.call(y_true, a)) == pytest.approx(float(expected))
    z, t = a[:, 0, 0], b[:, 0, 0]
    loss = losses.TemperatureKL.from_config(losses.TemperatureKL(3.0).get_config())
    assert float(loss(t, z)) == pytest.approx(float(losses.temperature_kl(z, t, 3.0)))


def test_bad_input(rng):
    a, w = maps(rng, 2, 3, 4, 1), np.ones(2)
    compare = losses.cross_modality_equivariance
    with pytest.raises(ValueError, match=r"other must fit cam.*\(2, 3, 3, 1\)"):
        losses.equivariance(a, a[:, :, 1:], w, **LAST)
    with pytest.raises(ValueError, match=r"positive must fit cam.*\(1,\)"):
        losses.equivariance(a, a, w[:1], **LAST)
    with pytest.raises(ValueError, match=r"weight must have shape \(B,\).*\(2, 1\)"):
        compare(a, a, w[:, None], **LAST)
    with pytest.raises(ValueError, match="reduction must be 'mean' or 'sum', got 'su'"):
        compare(a, a, w, reduction="su", **LAST)
    with pytest.raises(ValueError, match="pixels must be"):
        losses.CrossModalityEquivariance("su")
    with pytest.raises(ValueError, match=r"cam must have shape \(B, \*S, K\)"):
        losses.normalize_cam(a[0, 0], "channels_last")
    with pytest.raises(ValueError, match="data_format.*'last'"):
        losses.normalize_cam(a, "last")
    with pytest.raises(ValueError, match="temperature must be a number above 0, got 0"):
        losses.temperature_kl(a[:, 0, 0], a[:, 0, 0], 0)
    with pytest.raises(ValueError, match=r"target_logits must fit logits"):
        losses.temperature_kl(a[:, 0, 0], a[:1, 0, 0])
    with pytest.raises(ValueError, match=r"dict of \['class_activation_map', 'weight'"):
        losses.CrossModalityEquivariance().call({"weight": w}, a)


def test_objective(rng):
    label = np.array([1, 0, 1])
    logits = tuple({m: rng.normal(size=(3, 2)) for m in "abc"} for _ in range(2))
    views = tuple({m: rng.random((3, 4, 5, 1)) for m in "abc"} for _ in range(2))
    terms = losses.CrossModalityLoss(**LAST).terms(label, logits, views)
    expected = dict.fromkeys(terms, 0.0)
    for m in "abc":
        expected["equivariance"] += float(
            losses.equivariance(views[0][m], views[1][m], label, **LAST)
        )
        for v in (0, 1):
            z = logits[v][m]
            picked = z[np.arange(3), label] - np.log(np.exp(z).sum(-1))
            expected["classification"] -= picked.mean() / 2
            for j in set("abc") - {m}:
                peer = logits[1 - v][j]
                weight = (label == 1) & (peer.argmax(-1) == 1)
                expected["cross_modality"] += (
                    float(
                        losses.cross_modality_equivariance(
                            views[v][m], views[1 - v][j], weight, **LAST
                        )
                    )
                    / 4
                )
                expected["kl"] += float(losses.temperature_kl(z, logits[v][j])) / 4
    assert set(terms) == {"classification", "equivariance", "cross_modality", "kl"}
    for name, value in terms.items():
        assert float(value) == pytest.approx(expected[name], rel=1e-4), name
    loss = losses.CrossModalityLoss(2.0, 3.0, 4.0, 5.0, **LAST)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    total = again.call(label, {"logits": logits, "maps": views})
    weighted = np.dot([2.0, 3.0, 4.0, 5.0], [expected[name] for name in terms])
    assert float(total) == pytest.approx(weighted, rel=1e-4)


def test_objective_of_one_modality(rng):
    logits, views = {"a": rng.normal(size=(2, 2))}, {"a": rng.random((2, 4, 5, 1))}
    label, pair = np.ones(2, "int32"), ((logits, logits), (views, views))
    alone = losses.CrossModalityLoss(cross_modality=0.0, kl=0.0, **LAST)
    terms = alone.terms(label, *pair)
    assert set(terms) == {"classification", "equivariance"}
    assert float(terms["equivariance"]) == 0 < float(ops.sum(terms["classification"]))
    with pytest.raises(ValueError, match="cross_modality and kl compare.*only a"):
        losses.CrossModalityLoss(**LAST).terms(label, *pair)
    with pytest.raises(ValueError, match="kl must be a number of at least 0, got -1"):
        losses.CrossModalityLoss(kl=-1)
    with pytest.raises(ValueError, match="one weight at least must be above 0"):
        losses.CrossModalityLoss(0.0, 0, 0.0, 0.0)
    with pytest.raises(
        ValueError, match=r"y_pred must be a dict of \['logits', 'maps'"
    ):
        losses.CrossModalityLoss(**LAST).call(label, logits)


def test_numbers_of_numpy_are_numbers(rng):
    loss = losses.CrossModalityLoss(np.float32(0.5), kl=np.int64(2), **LAST)
    assert loss.classification == 0.5 and loss.kl == 2
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.get_config() == loss.get_config()
    z = rng.normal(size=(2, 3)).astype("float32")
    value = losses.temperature_kl(z, -z, np.float32(2))
    assert float(value) == pytest.approx(float(losses.temperature_kl(z, -z, 2.0)))


@pytest.mark.parametrize("scale", [1e-30, 1e-7, 1e12])
def test_the_scale_of_a_map_does_not_matter(rng, scale):
    cam, target, one = maps(rng, 2, 3, 4, 2), maps(rng, 2, 3, 4, 2), np.ones(2)
    target[1, ..., 0] = 0

    def loss(a, b):
        # Both are arguments: XLA reorders what it does with constants. The zero keeps
        # the target in the graph, for frameworks that insist.
        found = losses.cross_modality_equivariance(a, b, one, **LAST)
        return found + 0 * ops.sum(b)

    by = np.float32(scale)
    expected, (slope, _) = value_and_gradients(loss, cam, target)
    value, (gradient, _) = value_and_gradients(loss, by * cam, by * target)
    assert float(value) == pytest.approx(float(expected), rel=1e-4)
    np.testing.assert_allclose(gradient * by, slope, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("lost", [slice(0, 1), slice(None)])
def test_nan_stays_nan(rng, lost):
    cam, one = maps(rng, 1, 3, 4, 1), np.ones(1)
    cam[0, :, lost] = np.nan
    for pair in ((cam, np.ones_like(cam)), (np.ones_like(cam), cam)):
        value = losses.cross_modality_equivariance(*pair, one, **LAST)
        assert np.isnan(float(value))
