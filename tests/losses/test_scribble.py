"""The three scribble losses under one name: terms, weights, rules, remedy."""

import keras
import numpy as np
import pytest
from helpers import to_format, value_and_gradients
from keras import ops

from keras_condattn import losses
from keras_condattn.losses._known import (
    mean_similarity,
    similarity_spread,
    single_class,
)

SMALL = {"radius": 2, "similarity_radius": 1, "sigma_image": 0.5}
IGNORE = 3


def batch(data_format, batch=3):
    """Sample 0 has two classes scribbled, 1 one class, 2 none."""
    rng = np.random.default_rng(0)
    scribble = np.full((batch, 8, 6), IGNORE)
    scribble[0, 2, 1:5], scribble[0, 5, 1:4], scribble[1, 3, :3] = 0, 2, 1
    image = rng.random((batch, 8, 6, 1)).astype("float32")
    logits = rng.normal(size=(batch, 8, 6, 3)).astype("float32")
    K = 0.5 * rng.random((batch, 4, 3, 9)).astype("float32")
    true = {
        "image": to_format(image, data_format), "scribble": scribble, "similarity": K,
    }  # fmt: skip
    return true, to_format(logits, data_format)


def test_terms_are_the_losses_and_weights_add_them(data_format):
    true, logits = batch(data_format)
    loss = losses.ScribbleLoss(
        IGNORE, 0.3, 0.7, 0.9, 2.0, data_format=data_format, **SMALL
    )
    terms = {name: float(term) for name, term in loss.terms(true, logits).items()}
    axis = 1 if data_format == "channels_first" else -1
    p = np.moveaxis(ops.convert_to_numpy(ops.softmax(logits, axis)), axis, -1)
    seen = np.argwhere(true["scribble"] != IGNORE)
    picked = [p[b, y, x, true["scribble"][b, y, x]] for b, y, x in seen]
    last = {"data_format": "channels_last"}
    image = np.moveaxis(true["image"], axis, -1)
    expected = {
        "partial_cross_entropy": -np.log(picked).mean(),
        "gated_crf": losses.gated_crf(
            p, image, true["scribble"] == IGNORE, radius=2, sigma_image=0.5, **last
        ),
        "attentive_similarity": losses.attentive_similarity(
            p, true["similarity"], radius=1,
            single_class=np.array([False, True, True]), **last,
        ),
        "similarity_floor": (1 - _mean(true["similarity"]) / 0.9) ** 2,
    }  # fmt: skip
    assert set(terms) == set(expected)
    for name, value in expected.items():
        assert terms[name] == pytest.approx(float(value), rel=1e-4), name
    total = sum(w * float(expected[n]) for n, w in
                zip(expected, (1.0, 0.3, 0.7, 2.0), strict=True))  # fmt: skip
    assert float(loss.call(true, logits)) == pytest.approx(total, rel=1e-4)


def _mean(K):
    """Of 4 x 3 pixels with windows of radius 1: 10 x 7 neighbours less 12 centres."""
    return K.sum() / (len(K) * (10 * 7 - 12))


def test_mean_similarity_counts_the_pairs_there_are():
    K = np.random.default_rng(0).random((2, 4, 3, 9)).astype("float32")
    assert float(mean_similarity(K, 1)) == pytest.approx(_mean(K), rel=1e-5)
    # A window larger than the grid: all 12 x 11 ordered pairs.
    wide = np.ones((1, 4, 3, 121), "float32")
    assert float(mean_similarity(wide, 5)) == pytest.approx(121 * 12 / 132, rel=1e-5)
    assert float(mean_similarity(np.zeros((1, 1, 1, 9)), 1)) == 0
    assert float(similarity_spread(np.zeros((1, 1, 1, 9)), 1)) == 0


@pytest.mark.parametrize("spread", [0.1, 1e-4, 0.0])
def test_the_spread_is_that_of_the_pairs_there_are(spread):
    K = np.zeros((2, 4, 3, 9), "float32")
    rng, found = np.random.default_rng(0), []
    for y, x, v, u in np.ndindex(4, 3, 3, 3):
        if 0 <= y + v - 1 < 4 and 0 <= x + u - 1 < 3 and (v, u) != (1, 1):
            K[:, y, x, 3 * v + u] = 0.5 + spread * rng.normal(size=2)
            found.append(K[:, y, x, 3 * v + u])
    assert len(found) == 10 * 7 - 12
    expected = float(np.std(np.array(found, "float64")))
    assert float(similarity_spread(K, 1)) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(("ignore", "expected"), [(3, [0, 1, 1]), (None, [0, 0, 1])])
def test_single_class_is_read_off_the_scribble(ignore, expected):
    scribble = np.full((3, 2, 2), 3)
    scribble[0, 0, :2], scribble[1, 1, 1] = (0, 2), 1
    flags = ops.convert_to_numpy(single_class(scribble, 4, ignore))
    assert flags.astype(int).tolist() == expected


def test_an_ignored_class_inside_the_range_is_no_class():
    scribble = np.array([[[0, 0, 2]], [[1, 0, 2]]])
    flags = ops.convert_to_numpy(single_class(scribble, 3, 0))
    assert flags.tolist() == [True, False]


def test_a_batch_without_scribble_or_all_of_it_is_finite(data_format):
    true, logits = batch(data_format)
    loss = losses.ScribbleLoss(IGNORE, data_format=data_format, **SMALL)
    for number in (IGNORE, 1):
        whole = true | {"scribble": np.full((3, 8, 6), number)}
        value, (slope,) = value_and_gradients(
            lambda z, whole=whole: loss.call(whole, z), logits
        )
        assert np.isfinite(value) and np.isfinite(slope).all()
        if number == IGNORE:
            assert float(loss.terms(whole, logits)["partial_cross_entropy"]) == 0
        else:
            assert float(loss.terms(whole, logits)["gated_crf"]) == 0


def test_terms_of_no_weight_are_left_out_with_what_they_need(data_format):
    true, logits = batch(data_format)
    loss = losses.ScribbleLoss(IGNORE, 0.0, 0.0, data_format=data_format)
    assert set(loss.terms({"scribble": true["scribble"]}, logits)) == {
        "partial_cross_entropy"
    }
    default = losses.ScribbleLoss(IGNORE, data_format=data_format)
    assert "similarity_floor" not in default.weights  # the remedy is off
    with pytest.raises(ValueError, match="y_true must be a dict of .*'image', 'scri"):
        default.terms({"scribble": true["scribble"]}, logits)


def test_the_floor_lifts_a_similarity_that_sinks():
    """The loss always gains by a smaller K; below the floor, by a larger one."""
    p = np.random.default_rng(0).dirichlet(np.ones(3), (1, 4, 3)).astype("float32")
    scribble = np.full((1, 4, 3), IGNORE)
    scribble[:, 1], scribble[:, 3] = 0, 1
    inside = np.zeros((4, 3, 3, 3), "float32")
    for y, x, v, u in np.ndindex(4, 3, 3, 3):
        inside[y, x, v, u] = (
            0 <= y + v - 1 < 4 and 0 <= x + u - 1 < 3 and (v, u) != (1, 1)
        )

    def slope(mean, floor):
        loss = losses.ScribbleLoss(
            IGNORE, 0.0, 0.1, floor, similarity_radius=1, data_format="channels_last"
        )

        def of(mean):
            K = mean * ops.convert_to_tensor(inside.reshape(1, 4, 3, 9))
            return loss.call({"scribble": scribble, "similarity": K}, np.log(p))

        return float(value_and_gradients(of, np.float32(mean))[1][0])

    assert slope(0.1, 0.0) > 0
    assert slope(0.1, 0.4) == pytest.approx(slope(0.1, 0.0) - 2 / 0.4 * 0.75, rel=1e-4)
    assert slope(0.1, 0.4) < 0 < slope(0.6, 0.4) == pytest.approx(slope(0.6, 0.0))


def test_serialisation():
    loss = losses.ScribbleLoss(4, 0.2, 0.3, 0.4, 0.5, 3, 2, 4.0, 0.2)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is type(loss) and again.get_config() == loss.get_config()
    assert loss.get_config()["similarity_radius"] == 2


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"crf_weight": -0.1}, "crf_weight must be a number from 0"),
        ({"similarity_weight": float("nan")}, "similarity_weight must be"),
        ({"similarity_floor": 1.0}, "similarity_floor must be below 1"),
        ({"floor_weight": "1"}, "floor_weight must be a number"),
        ({"radius": 0}, "radius must be a whole number"),
        ({"sigma_xy": "6"}, "sigma_xy must be a number above 0, got '6'"),
        ({"ignore_class": 4.5}, r"ignore_class must be a whole number .* got 4\.5"),
        ({"data_format": "last"}, "data_format must be 'channels_last' or"),
        ({"similarity_radius": 1.5}, "must be a whole number from 1, got 1.5"),
    ],
)
def test_bad_arguments(arguments, match):
    with pytest.raises(ValueError, match=match):
        losses.ScribbleLoss(**{"ignore_class": 4} | arguments)


@pytest.mark.parametrize(("number", "ignore"), [(4, 3), (-1, 3), (3, None)])
def test_numbers_that_are_no_class(number, ignore):
    true, logits = batch("channels_last")
    true["scribble"] = np.minimum(true["scribble"], 2)
    true["scribble"][1, 2, 3] = number
    loss = losses.ScribbleLoss(ignore, data_format="channels_last", **SMALL)
    with pytest.raises(ValueError, match=rf"scribble must hold .* got \[{number}\]"):
        loss.call(true, logits)
    if keras.backend.backend() == "jax":
        import jax

        assert np.isnan(jax.jit(loss.call)(true, logits))
        true["scribble"][1, 2, 3] = 0
        assert np.isfinite(jax.jit(loss.call)(true, logits))


def test_weights_of_samples_are_refused():
    true, logits = batch("channels_last")
    given = {"data_format": "channels_last"}
    for loss in (losses.ScribbleLoss(IGNORE, **given, **SMALL),
                 losses.GatedCRF(IGNORE, **given),
                 losses.AttentiveSimilarityLoss(1, **given)):  # fmt: skip
        assert float(loss(true, logits)) > 0
        with pytest.raises(ValueError, match=f"{loss.name}: sample_weight is not"):
            loss(true, logits, sample_weight=[1, 0, 1])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"scribble": np.zeros((3, 8, 5))}, "scribble must lie on the pixels"),
        (
            {"scribble": np.zeros((3, 8, 6, 1))},
            r"scribble must lie on .* \(3, 8, 6, 1\)",
        ),
        ({"similarity": np.zeros((3, 4, 3, 25))}, "similarity must have shape"),
        ({"image": np.zeros((3, 4, 6, 1))}, "image must lie on the pixels"),
    ],
)
def test_shapes_that_do_not_fit(change, match):
    true, logits = batch("channels_last")
    loss = losses.ScribbleLoss(IGNORE, data_format="channels_last", **SMALL)
    with pytest.raises(ValueError, match=match):
        loss.call(true | change, logits)
