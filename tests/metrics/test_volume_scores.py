"""Scores of a volume: those of its classes one by one, each transform made once."""

import math

import numpy as np
import pytest
from scipy import ndimage

from keras_condattn.metrics import (
    average_symmetric_surface_distance,
    hausdorff_distance_95,
    volume_scores,
)

pytestmark = pytest.mark.pure
SPACING = (8.0, 1.5, 1.25)


def volumes(rng, shape=(3, 9, 8), classes=4):
    """Labels in bands, and a prediction with some of them drawn anew."""
    true = np.broadcast_to(np.arange(shape[-1]) * classes // shape[-1], shape)
    drawn = rng.integers(0, classes, shape)
    return true, np.where(rng.uniform(size=shape) < 0.3, drawn, true)


@pytest.mark.parametrize(
    ("shape", "spacing"), [((3, 9, 8), SPACING), ((9, 8), (1.5, 1.25)), ((90,), 2.0)]
)
def test_is_what_each_measure_says_of_each_class(rng, shape, spacing):
    true, pred = volumes(rng, shape)
    found = volume_scores(true, pred, spacing, classes=4)
    assert list(found) == [1, 2, 3]
    for number, scores in found.items():
        pair = true == number, pred == number
        expected = {
            "dice": 2 * (pair[0] & pair[1]).sum() / (pair[0].sum() + pair[1].sum()),
            "hd95": hausdorff_distance_95(*pair, spacing),
            "assd": average_symmetric_surface_distance(*pair, spacing),
        }
        assert list(scores) == list(expected)
        assert all(type(value) is float for value in scores.values())
        np.testing.assert_allclose(list(scores.values()), list(expected.values()))
        assert 0 < scores["dice"] < 1 and scores["assd"] > 0


def test_each_distance_transform_is_made_once(rng, monkeypatch):
    made, transform = [], ndimage.distance_transform_edt
    monkeypatch.setattr(
        ndimage,
        "distance_transform_edt",
        lambda *a, **k: made.append(1) or transform(*a, **k),
    )
    volume_scores(*volumes(rng, classes=3), SPACING, classes=3)
    assert len(made) == 4  # two classes, there and back


def test_the_empty_rules_are_chosen():
    true, pred = np.zeros((2, 1, 4, 5), "uint8")
    true[0, :2], pred[0, :2], pred[0, 2:4] = 1, 1, 2
    found = volume_scores(true, pred, (2.0, 3.0, 1.0), classes=4)
    assert found[1] == {"dice": 1.0, "hd95": 0.0, "assd": 0.0}
    diagonal = math.hypot(9, 4)
    assert found[2] == {"dice": 0.0, "hd95": diagonal, "assd": diagonal}
    assert all(math.isnan(value) for value in found[3].values())
    other = volume_scores(true, pred, 1.0, classes=4, empty="perfect", missing=30)
    assert other[3] == {"dice": 1.0, "hd95": 0.0, "assd": 0.0}
    assert other[2] == {"dice": 0.0, "hd95": 30.0, "assd": 30.0}
    assert volume_scores(pred, true, 1.0, classes=4, missing=30)[2] == other[2]


def test_small_integers_do_not_overflow_and_nothing_is_written():
    true = np.ones((1, 20, 20), "uint8")
    true.flags.writeable = False
    assert volume_scores(true, true, 1.0, classes=2)[1]["dice"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": 1}, "classes must be a whole number of at least 2"),
        ({"classes": 2.0}, "classes must be a whole number"),
        ({"classes": True}, "classes must be a whole number"),
        ({"classes": 2}, "y_true must hold the classes 0 to 1, got .*2"),
        ({"y_pred": np.full((2, 3), 5)}, "y_pred must hold the classes 0 to 2"),
        ({"y_pred": np.full((2, 3), 0.5)}, "y_pred must hold the classes 0 to 2"),
        ({"y_pred": np.full((2, 3), np.nan)}, "y_pred must hold the classes 0 to 2"),
        ({"y_pred": np.ones((2, 2))}, "y_pred must have the shape of y_true"),
        ({"spacing": (1, 1, 1)}, "spacing must be mm above 0"),
        ({"spacing": 0}, "spacing must be mm above 0"),
        ({"empty": 1.0}, "empty must be 'nan' or 'perfect', got 1.0"),
        ({"missing": "skip"}, "missing must be 'diagonal' or a number"),
    ],
)
def test_bad_input_is_named(arguments, message):
    usual = {"y_true": [[0, 1, 2]] * 2, "y_pred": [[0, 1, 1]] * 2,
             "spacing": 1.0, "classes": 3}  # fmt: skip
    with pytest.raises(ValueError, match=message):
        volume_scores(**(usual | arguments))
