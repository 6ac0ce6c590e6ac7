"""Peaks of a map against a search by hand, and which box a mark hits."""

import sys

import numpy as np
import pytest

from keras_condattn.metrics import map_marks, mark_hits

pytestmark = pytest.mark.pure


def brute_peaks(heat):
    """Pixels above all of their neighbours, as (x, y, rating), highest first."""
    padded = np.pad(heat, 1, constant_values=-np.inf)
    found = []
    for i, j in np.ndindex(heat.shape):
        around = padded[i : i + 3, j : j + 3].ravel()
        if heat[i, j] > np.delete(around, 4).max():
            found.append((j + 0.5, i + 0.5, heat[i, j]))
    return sorted(found, key=lambda mark: -mark[2])


def test_peaks_are_the_pixels_above_all_their_neighbours(rng):
    for shape in ((9, 9), (5, 12), (1, 7)):
        heat = rng.normal(size=shape)
        marks = map_marks(heat, shape)
        assert len(marks) >= 1
        np.testing.assert_allclose(marks, brute_peaks(heat))


def test_places_are_in_pixels_of_the_image_right_and_down():
    heat = np.zeros((4, 8))
    heat[1, 6] = 2.0
    np.testing.assert_allclose(map_marks(heat, (64, 32)), [[26.0, 24.0, 2.0]])


def test_origin_is_where_the_first_pixel_looks():
    heat = np.zeros((4, 8))
    heat[1, 6] = 2.0
    marks = map_marks(heat, (64, 32), origin=0.5)
    np.testing.assert_allclose(marks, [[24.5, 16.5, 2.0]])
    for wrong in ("0", True, np.inf):
        with pytest.raises(ValueError, match="origin must be"):
            map_marks(heat, 8, origin=wrong)


def test_a_plateau_is_one_mark_in_its_middle():
    np.testing.assert_allclose(map_marks(np.zeros((4, 6)), (4, 6)), [[3.0, 2.0, 0.0]])
    heat = np.zeros((7, 7))
    heat[2:4, 1:5] = 1.0
    np.testing.assert_allclose(map_marks(heat, 7), [[3.0, 3.0, 1.0]])


def test_a_plateau_beside_something_higher_is_none():
    heat = np.zeros((8, 8))
    heat[1:7, 1:6] = 1.0  # wide enough that its inside sees nothing else
    heat[3, 6] = 2.0
    np.testing.assert_allclose(map_marks(heat, 8), [[6.5, 3.5, 2.0]])


def test_a_peak_at_the_border_is_one():
    heat = np.zeros((5, 5))
    heat[0, 0], heat[4, 4] = 1.0, -1.0
    np.testing.assert_allclose(map_marks(heat, 5), [[0.5, 0.5, 1.0]])


def test_lower_peaks_nearby_are_passed_over():
    heat = np.zeros((3, 12))
    heat[1, [1, 4, 9]] = 3.0, 2.0, 1.0
    assert map_marks(heat, (3, 12))[:, 2].tolist() == [3.0, 2.0, 1.0]
    assert map_marks(heat, (3, 12), distance=3.1)[:, 2].tolist() == [3.0, 1.0]
    assert map_marks(heat, (3, 12), distance=20)[:, 2].tolist() == [3.0]
    assert map_marks(heat, (3, 12), max_marks=2)[:, 2].tolist() == [3.0, 2.0]
    assert map_marks(heat, (3, 12), threshold=1.0)[:, 2].tolist() == [3.0, 2.0]
    assert map_marks(heat, (3, 12), threshold=9.0).shape == (0, 3)


def test_a_mark_hits_the_box_it_lies_in_border_included():
    boxes = [[10, 20, 4, 8], [50, 50, 2, 2]]
    marks = [[10, 24, 1], [14, 28, 1], [14.1, 24, 1], [12, 19.9, 1], [51, 51, 1]]
    assert mark_hits(marks, boxes).tolist() == [0, 0, -1, -1, 1]
    assert mark_hits(marks, [[3, *box] for box in boxes]).tolist() == [0, 0, -1, -1, 1]


def test_small_boxes_are_enlarged_about_their_centre():
    marks = [[45.5, 51, 1], [45.9, 56.5, 1], [12, 19.5, 1]]
    boxes = [[50, 50, 2, 2], [10, 20, 4, 16]]
    assert mark_hits(marks, boxes, min_size=11).tolist() == [0, 0, -1]
    assert mark_hits(marks, boxes, min_size=10).tolist() == [-1, -1, -1]


def test_of_two_boxes_the_one_whose_centre_is_nearest():
    boxes = [[0, 0, 20, 20], [8, 8, 6, 6]]
    assert mark_hits([[10, 10, 1], [12, 12, 1], [2, 2, 1]], boxes).tolist() == [0, 1, 0]


def test_without_boxes_or_marks():
    assert mark_hits([[1, 2, 3]], []).tolist() == [-1]
    assert mark_hits([], [[1, 2, 3, 4]]).shape == (0,)
    assert mark_hits([], np.zeros((0, 5))).shape == (0,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: map_marks(np.zeros((2, 2, 2)), 4), r"class_map must have shape"),
        (lambda: map_marks(np.full((2, 2), np.nan), 4), "class_map must hold ratings"),
        (lambda: map_marks(np.zeros((2, 2)), 4, distance=-1), "distance must be"),
        (lambda: map_marks(np.zeros((2, 2)), 4, max_marks=0), "max_marks must be"),
        (
            lambda: mark_hits([[1, 2]], [[1, 2, 3, 4]]),
            r"marks must have shape \(n, 3\)",
        ),
        (lambda: mark_hits([], [[1, 2, 3]]), r"boxes must have shape"),
        (lambda: mark_hits([], [[1, 2, -3, 4]]), "above 0, got"),
        (lambda: mark_hits([], [], min_size=-1), "min_size must be"),
    ],
)
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_missing_scipy_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ImportError, match=r"keras-condattn\[medical\]"):
        map_marks(np.zeros((3, 3)), 3)
