"""AUC against all pairs, with ties, classes without one, and what is refused."""

import math

import numpy as np
import pytest

from keras_condattn.metrics import mean_auc

pytestmark = pytest.mark.pure


def brute(truth, score):
    pairs = [
        (p > n) + (p == n) / 2 for p in score[truth == 1] for n in score[truth == 0]
    ]
    return np.mean(pairs)


def test_pairs_counted_one_by_one_with_ties(rng):
    truth, score = rng.integers(0, 2, (40, 3)), rng.integers(0, 6, (40, 3)) / 6
    each = [brute(truth[:, k], score[:, k]) for k in range(3)]
    np.testing.assert_allclose(mean_auc(truth, score, per_class=True), each)
    assert mean_auc(truth, score) == pytest.approx(np.mean(each))


def test_scores_crowded_between_two_thresholds_are_told_apart(rng):
    truth = rng.integers(0, 2, 200)
    score = 1e-4 * (truth + 0.5 * rng.random(200))
    assert mean_auc(truth, score) == 1.0
    assert mean_auc(truth, np.log(score)) == 1.0
    assert mean_auc(truth.astype(bool), -score) == 0.0


def test_a_class_with_one_value_only_has_none_and_is_left_out(rng):
    truth = np.array([[0, 1, 0], [1, 1, 0], [0, 1, 0]])
    score = np.array([[0.1, 0.2, 0.3], [0.9, 0.1, 0.2], [0.4, 0.5, 0.1]])
    np.testing.assert_array_equal(
        mean_auc(truth, score, per_class=True), [1.0, np.nan, np.nan]
    )
    assert mean_auc(truth, score) == 1.0
    assert math.isnan(mean_auc(truth[:, 1:], score[:, 1:]))
    assert math.isnan(mean_auc(np.zeros((0, 2)), np.zeros((0, 2))))


@pytest.mark.parametrize(
    ("truth", "score", "message"),
    [
        ([0, 1], [[0.1, 0.2]], "one shape"),
        (np.zeros((2, 2, 2)), np.zeros((2, 2, 2)), "one shape"),
        ([0, 2], [0.1, 0.2], "y_true must hold 0 and 1, got"),
        ([0, -1], [0.1, 0.2], "y_true must hold 0 and 1, got"),
        ([0.0, np.nan], [0.1, 0.2], "y_true must hold 0 and 1, got"),
        ([0, 1], [0.1, np.nan], "y_pred must be scores, got NaN"),
    ],
)
def test_what_does_not_fit_is_named(truth, score, message):
    with pytest.raises(ValueError, match=message):
        mean_auc(truth, score)
