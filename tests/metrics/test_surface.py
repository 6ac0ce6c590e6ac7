"""Surface distances against loops over all pairs of surface pixels."""

import itertools
import math
import sys

import numpy as np
import pytest

from keras_condattn.metrics import (
    average_symmetric_surface_distance,
    hausdorff_distance_95,
)

pytestmark = pytest.mark.pure
BOTH = pytest.mark.parametrize(
    "measure", [hausdorff_distance_95, average_symmetric_surface_distance]
)


def surface(mask):
    """Pixels with a neighbour along an axis that is not in the mask."""
    found = []
    for pixel in np.argwhere(mask):
        for axis, step in itertools.product(range(mask.ndim), (-1, 1)):
            other = pixel.copy()
            other[axis] += step
            inside = 0 <= other[axis] < mask.shape[axis]
            if not inside or not mask[tuple(other)]:
                found.append(pixel)
                break
    return found


def one_way(a, b, steps):
    return [
        min(math.dist(p * steps, q * steps) for q in surface(b)) for p in surface(a)
    ]


def brute(a, b, steps):
    steps = np.broadcast_to(steps, a.ndim)
    return one_way(a, b, steps), one_way(b, a, steps)


def blobs(rng, shape):
    """A thick mask, with holes, that touches the border, and a smaller one."""
    a = np.zeros(shape, bool)
    a[tuple(slice(0, max(n - 2, 1)) for n in shape)] = True
    a &= rng.uniform(size=shape) < 0.9
    b = np.zeros(shape, bool)
    b[tuple(slice(n // 3, n) for n in shape)] = True
    return a, b & (rng.uniform(size=shape) < 0.8)


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [
        ((17,), 0.7),
        ((9, 8), (1.0, 1.0)),
        ((9, 8), (3.0, 0.5)),
        ((4, 7, 6), (10.0, 1.4, 1.25)),
        ((1, 7, 6), (10.0, 1.4, 1.25)),
        ((4, 7, 6), np.float32(1.5)),
    ],
)
def test_equals_all_pairs_of_surface_pixels(rng, shape, spacing):
    true, pred = blobs(rng, shape)
    there, back = brute(true, pred, spacing)
    both = there + back
    assert len(set(there)) > 1 and np.mean(there) != np.mean(back)
    for percentile in (100, 95, 50):
        found = hausdorff_distance_95(true, pred, spacing, percentile=percentile)
        np.testing.assert_allclose(found, np.percentile(both, percentile), rtol=1e-12)
        apart = hausdorff_distance_95(
            true, pred, spacing, percentile=percentile, pooled=False
        )
        larger = max(np.percentile(d, percentile) for d in (there, back))
        np.testing.assert_allclose(apart, larger, rtol=1e-12)
    found = average_symmetric_surface_distance(true, pred, spacing)
    np.testing.assert_allclose(found, np.mean(both), rtol=1e-12)
    np.testing.assert_allclose(
        found, average_symmetric_surface_distance(pred, true, spacing), rtol=1e-12
    )


def test_pooled_and_apart_differ_where_the_surfaces_do():
    true, pred = np.zeros((2, 40), bool)
    true[0] = True
    pred[[0, *range(30, 40)]] = True
    assert hausdorff_distance_95(true, true) == 0
    there, back = one_way(true, pred, 1.0), one_way(pred, true, 1.0)
    assert (len(there), len(back)) == (1, 3)
    assert hausdorff_distance_95(true, pred, 2.0) == pytest.approx(
        np.percentile([0, 0, 60, 78], 95)
    )
    assert hausdorff_distance_95(true, pred, 2.0, pooled=False) == pytest.approx(
        np.percentile([0, 60, 78], 95)
    )


def test_single_pixels_are_as_far_apart_as_their_centres():
    true, pred = np.zeros((2, 3, 9, 9))
    true[0, 8, 0], pred[2, 5, 4] = 1, 1
    expected = math.dist((0, 12, 0), (20, 7.5, 2))
    for value in (
        hausdorff_distance_95(true, pred, (10, 1.5, 0.5)),
        hausdorff_distance_95(true, pred, (10, 1.5, 0.5), pooled=False),
        average_symmetric_surface_distance(true, pred, (10, 1.5, 0.5)),
    ):
        assert type(value) is float
        np.testing.assert_allclose(value, expected, rtol=1e-12)


def test_a_full_mask_has_its_surface_at_the_border():
    full, centre = np.ones((2, 5, 5), bool)
    centre[:] = False
    centre[2, 2] = True
    there = one_way(full, centre, np.ones(2))
    assert len(there) == 16
    value = average_symmetric_surface_distance(full, centre)
    np.testing.assert_allclose(value, (sum(there) + 2.0) / 17)


@BOTH
@pytest.mark.parametrize("dtype", ["bool", "uint8", "float32", "int64"])
def test_equal_masks_are_0_apart_whatever_their_kind(rng, measure, dtype):
    true, _ = blobs(rng, (3, 6, 6))
    assert measure(true, (true * 3).astype(dtype), 1.5) == 0
    assert measure(true.tolist(), true.astype(dtype).tolist(), [1, 2, 3]) == 0


@BOTH
def test_the_empty_rule_is_chosen(measure):
    empty, full = np.zeros((4, 5)), np.ones((4, 5))
    assert math.isnan(measure(empty, empty))
    assert measure(empty, empty, empty=0.0) == 0
    assert measure(full, full, empty=7.0, missing=7.0) == 0
    for pair in ((empty, full), (full, empty)):
        assert measure(*pair, (3.0, 1.0)) == pytest.approx(math.hypot(9, 4))
        assert measure(*pair, (3.0, 1.0), empty=2.0, missing=50) == 50
        assert math.isnan(measure(*pair, missing=math.nan))


@BOTH
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y_pred": np.ones((4, 4))}, r"y_pred .* of y_true, \(4, 5\), got \(4, 4\)"),
        ({"y_true": 1.0, "y_pred": 1.0}, "y_true must be .* at least one axis"),
        ({"y_true": [["a"] * 5] * 4}, "y_true must be a mask of numbers"),
        ({"y_pred": np.full((4, 5), np.nan)}, "y_pred must be a mask, got NaN"),
        ({"spacing": 0.0}, "spacing must be mm above 0"),
        ({"spacing": (1.0, -1.0)}, "spacing must be mm above 0"),
        ({"spacing": (1.0, math.nan)}, "spacing must be mm above 0"),
        ({"spacing": (1.0, 1.0, 1.0)}, "each of the 2 axes"),
        ({"spacing": "wide"}, "spacing must be mm above 0.*'wide'"),
        ({"spacing": None}, "spacing must be mm above 0.*None"),
        ({"missing": "skip"}, "missing must be 'diagonal' or a number, got 'skip'"),
        ({"missing": None}, "missing must be 'diagonal' or a number, got None"),
        ({"empty": "skip"}, "empty must be None or a number, got 'skip'"),
    ],
)
def test_bad_input_is_named(measure, arguments, message):
    with pytest.raises(ValueError, match=message):
        measure(**{"y_true": np.ones((4, 5)), "y_pred": np.ones((4, 5)), **arguments})


@pytest.mark.parametrize("percentile", [0, -5, 100.1, math.nan])
def test_a_percentile_out_of_range_is_named(percentile):
    with pytest.raises(ValueError, match="percentile must be in"):
        hausdorff_distance_95([1], [1], percentile=percentile)


@BOTH
def test_a_missing_scipy_is_named_with_its_extra(measure, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ImportError, match=r"scipy.*keras-condattn\[medical\]"):
        measure([0, 1, 1], [1, 1, 0])
