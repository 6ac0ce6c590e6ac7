"""The attentive similarity loss against a loop over every pair of pixels."""

import keras
import numpy as np
import pytest
from helpers import assert_close, from_format, to_format, value_and_gradients

from keras_condattn import losses


def arrays(size, radius, classes=3, batch=2):
    """Probabilities, and a K that is 0 where the layer's is 0."""
    rng = np.random.default_rng(sum(size) + radius)
    p = rng.dirichlet(np.ones(classes), (batch, *size)).astype("float32")
    places = (2 * radius + 1) ** 2
    K = rng.random((batch, *size, places)).astype("float32")
    for y, x, place in np.ndindex(*size, places):
        v, u = y + place // (2 * radius + 1) - radius, x + place % (2 * radius + 1)
        u -= radius
        inside = 0 <= v < size[0] and 0 <= u < size[1] and (v, u) != (y, x)
        K[:, y, x, place] *= inside
    return p, K


def pairwise(p, K, radius, sigma_xy):
    """The docstring's formula and its derivatives, one pair after another."""
    total, to_p, to_K = 0.0, np.zeros(p.shape), np.zeros(K.shape)
    p, K = p.astype("float64"), K.astype("float64")
    width, pixels = 2 * radius + 1, np.prod(p.shape[:3])
    for b, y, x, v, u in np.ndindex(*p.shape[:3], *p.shape[1:3]):
        if max(abs(v - y), abs(u - x)) > radius or (v, u) == (y, x):
            continue
        place = (v - y + radius) * width + u - x + radius
        near = np.exp(-((v - y) ** 2 + (u - x) ** 2) / (2 * sigma_xy**2))
        unlike = near * (1 - p[b, y, x] @ p[b, v, u])
        total += K[b, y, x, place] * unlike
        to_K[b, y, x, place] = unlike
        to_p[b, y, x] -= K[b, y, x, place] * near * p[b, v, u]
        to_p[b, v, u] -= K[b, y, x, place] * near * p[b, y, x]
    return total / pixels, to_p / pixels, to_K / pixels


@pytest.mark.parametrize(("size", "radius"), [((5, 4), 2), ((3, 6), 1), ((2, 3), 7)])
def test_equals_the_sum_over_pairs(size, radius, data_format):
    p, K = arrays(size, radius)

    def loss(p, K):
        return losses.attentive_similarity(
            p, K, radius=radius, sigma_xy=2.0, data_format=data_format
        )

    value, (to_p, to_K) = value_and_gradients(loss, to_format(p, data_format), K)
    expected, expected_p, expected_K = pairwise(p, K, radius, 2.0)
    assert float(value) == pytest.approx(expected, rel=1e-5)
    assert_close(from_format(to_p, data_format), expected_p)
    assert_close(to_K, expected_K)


def test_probabilities_come_to_the_grid_of_the_similarity(data_format):
    p, K = arrays((3, 2), 1)
    fine = np.repeat(np.repeat(p, 2, 1), 2, 2)  # halved bilinearly it is p again
    value = losses.attentive_similarity(
        to_format(fine, data_format), K, radius=1, sigma_xy=2.0,
        data_format=data_format,
    )  # fmt: skip
    assert float(value) == pytest.approx(pairwise(p, K, 1, 2.0)[0], rel=1e-5)


def test_single_class_samples_count_below_and_not_above():
    p, K = arrays((4, 3), 1)
    given = {"radius": 1, "sigma_xy": 2.0, "data_format": "channels_last"}
    for flags in ([True, False], [False, True], [True, True], [2, 0]):
        kept = K * ~np.array(flags, bool)[:, None, None, None]
        value = losses.attentive_similarity(p, K, single_class=np.array(flags), **given)
        assert float(value) == pytest.approx(pairwise(p, kept, 1, 2.0)[0], abs=1e-6)


def test_the_loss_and_its_config(data_format):
    p, K = arrays((4, 3), 1)
    loss = losses.AttentiveSimilarityLoss(1, 2.0, data_format=data_format)
    true = {"similarity": K, "single_class": np.array([True, False])}
    kept = K * np.array([0, 1]).reshape(2, 1, 1, 1)
    value = loss.call(true, to_format(np.log(p) - 1, data_format))
    assert float(value) == pytest.approx(pairwise(p, kept, 1, 2.0)[0], rel=1e-4)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is type(loss) and again.get_config() == loss.get_config()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"radius": 0}, "radius must be a whole number from 1"),
        ({"sigma_xy": -1.0}, "sigma_xy must be a number above 0"),
        ({"radius": 2}, r"similarity must have shape \(B, h, w, 25\).*\(2, 4, 4, 9\)"),
        ({"similarity": np.zeros((3, 4, 4, 9))}, "hold the 2 samples .* got 3"),
        ({"single_class": np.zeros((2, 4))}, "single_class must hold one flag"),
        ({"probabilities": np.zeros((4, 4, 2))}, "probabilities must have shape"),
    ],
)
def test_bad_input(change, match):
    given = {
        "probabilities": np.zeros((2, 4, 4, 2)), "similarity": np.zeros((2, 4, 4, 9)),
        "radius": 1, "data_format": "channels_last", **change,
    }  # fmt: skip
    with pytest.raises(ValueError, match=match):
        losses.attentive_similarity(**given)


def test_the_loss_names_what_is_missing():
    with pytest.raises(ValueError, match="y_true must be a dict with 'similarity'"):
        losses.AttentiveSimilarityLoss().call({"scribble": 0}, None)
