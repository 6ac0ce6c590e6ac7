"""The gated CRF against a loop over every pair of pixels."""

import keras
import numpy as np
import pytest
from helpers import assert_close, from_format, to_format, value_and_gradients
from keras import ops

from keras_condattn import losses

WINDOW = {"radius": 2, "sigma_xy": 3.0, "sigma_image": 0.4}


def arrays(size, classes=3, channels=2, batch=2):
    rng = np.random.default_rng(sum(size))
    p = rng.dirichlet(np.ones(classes), (batch, *size)).astype("float32")
    image = rng.random((batch, *size, channels)).astype("float32")
    return p, image, rng.random((batch, *size)) < 0.6


def pairwise(p, image, unlabelled, radius, sigma_xy, sigma_image):
    """The docstring's formula, and its derivative by p, one pair after another."""
    total, slope = 0.0, np.zeros(p.shape)
    p, image = p.astype("float64"), image.astype("float64")
    for b, y, x in np.argwhere(unlabelled):
        for v, u in np.ndindex(p.shape[1:3]):
            if max(abs(v - y), abs(u - x)) > radius or (v, u) == (y, x):
                continue
            apart = ((image[b, y, x] - image[b, v, u]) ** 2).sum() / sigma_image**2
            near = ((v - y) ** 2 + (u - x) ** 2) / sigma_xy**2
            weight = np.exp(-(near + apart) / 2)
            total += weight * (1 - p[b, y, x] @ p[b, v, u])
            slope[b, y, x] -= weight * p[b, v, u]
            slope[b, v, u] -= weight * p[b, y, x]
    count = max(unlabelled.sum(), 1)
    return total / count, slope / count


# The last image is smaller than half a window.
@pytest.mark.parametrize(
    ("size", "radius"), [((5, 7), 2), ((6, 3), 1), ((1, 4), 3), ((3, 2), 9)]
)
def test_equals_the_sum_over_pairs(size, radius, data_format):
    p, image, unlabelled = arrays(size)
    window = WINDOW | {"radius": radius}

    def loss(p):
        return losses.gated_crf(
            p, to_format(image, data_format), unlabelled, data_format=data_format,
            **window,
        )  # fmt: skip

    value, (slope,) = value_and_gradients(loss, to_format(p, data_format))
    expected, expected_slope = pairwise(p, image, unlabelled, **window)
    assert float(value) == pytest.approx(expected, rel=1e-5)
    assert_close(from_format(slope, data_format), expected_slope)


def test_samples_of_a_batch_know_nothing_of_each_other():
    p, image, unlabelled = arrays((5, 4))
    every = np.ones_like(unlabelled)
    alone = [pairwise(p[i : i + 1], image[i : i + 1], every[:1], **WINDOW)[0]
             for i in (0, 1)]  # fmt: skip
    both = losses.gated_crf(p, image, data_format="channels_last", **WINDOW)
    assert alone[0] != pytest.approx(alone[1], rel=1e-3)
    assert float(both) == pytest.approx(np.mean(alone), rel=1e-5)


def test_nothing_unlabelled_is_zero_and_flat():
    p, image, unlabelled = arrays((4, 4))

    def loss(p):
        return losses.gated_crf(
            p, image, np.zeros_like(unlabelled), data_format="channels_last", **WINDOW
        )

    value, (slope,) = value_and_gradients(loss, p)
    assert float(value) == 0 and not slope.any()


@pytest.mark.parametrize("ignore", [3, 0])
def test_the_loss_knows_the_unlabelled_by_their_number(ignore, data_format):
    p, image, _ = arrays((4, 5))
    scribble = np.random.default_rng(0).integers(0, 4, (2, 4, 5))
    loss = losses.GatedCRF(ignore, data_format=data_format, **WINDOW)
    true = {"image": to_format(image, data_format), "scribble": scribble}
    expected, _ = pairwise(p, image, scribble == ignore, **WINDOW)
    logits = to_format(np.log(p) + 2, data_format)
    assert float(loss.call(true, logits)) == pytest.approx(expected, rel=1e-4)
    again = losses.GatedCRF.from_config(loss.get_config() | {"from_logits": False})
    assert again.get_config() | {"from_logits": True} == loss.get_config()
    value = again.call(true, to_format(p, data_format))
    assert float(value) == pytest.approx(expected, rel=1e-5)


def test_serialisation():
    loss = losses.GatedCRF(5, radius=3, sigma_image=0.2)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is losses.GatedCRF and again.get_config() == loss.get_config()


def test_half_precision_is_summed_in_single():
    p, image, unlabelled = arrays((6, 5))
    half = ops.cast(p, "bfloat16")
    value = losses.gated_crf(
        half, image, unlabelled, data_format="channels_last", **WINDOW
    )
    assert keras.backend.standardize_dtype(value.dtype) == "float32"
    assert float(value) == pytest.approx(
        pairwise(p, image, unlabelled, **WINDOW)[0], rel=1e-2
    )


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"radius": 0}, "radius must be a whole number from 1, got 0"),
        ({"radius": 2.0}, r"radius must be .* got 2\.0"),
        ({"sigma_xy": 0.0}, "sigma_xy must be a number above 0"),
        ({"sigma_image": float("nan")}, "sigma_image must be a number above 0"),
        ({"image": np.zeros((2, 4, 5, 1))}, r"image must lie on .*\(2, 4, 4\).*4, 5"),
        ({"unlabelled": np.zeros((1, 4, 4))}, "unlabelled must lie on the pixels"),
        ({"unlabelled": np.zeros((2, 4, 4, 1))}, r"unlabelled must .*\(2, 4, 4, 1\)"),
        ({"sigma_xy": "6"}, "sigma_xy must be a number above 0, got '6'"),
        ({"probabilities": np.zeros((4, 4, 2))}, "probabilities must have shape"),
        ({"data_format": "last"}, "data_format must be"),
    ],
)
def test_bad_input(change, match):
    given = {
        "probabilities": np.zeros((2, 4, 4, 2)), "image": np.zeros((2, 4, 4, 1)),
        "unlabelled": None, "data_format": "channels_last", **change,
    }  # fmt: skip
    with pytest.raises(ValueError, match=match):
        losses.gated_crf(**given)


def test_the_loss_names_what_is_missing():
    with pytest.raises(ValueError, match=r"y_true must be a dict of \['image', 'scri"):
        losses.GatedCRF(4).call({"image": 0}, None)
    with pytest.raises(ValueError, match=r"y_true must be a dict of \['image'\]"):
        losses.GatedCRF().call(np.zeros(3), None)
