"""Windows on a radiograph, the boxes in them, and the paper's augmentation."""

import numpy as np
import pytest

pytest.importorskip("PIL", reason="Pillow, the extra 'images', is not installed")
from keras_condattn.datasets._view import View, central_view
from keras_condattn.datasets.chest_xray14 import CropAndJitter

pytestmark = pytest.mark.pure
SHAPE = (50, 80)


def ramp():
    """Grey that says where it is: rises to the right and down."""
    y, x = (np.indices(SHAPE) + 0.5) / 200
    return (x + y).astype("float32")


def test_the_test_view_is_the_middle_of_the_resized_image():
    view = central_view((100, 140), 40, 1.25)  # the shorter side becomes 50
    np.testing.assert_allclose(
        (view.left, view.top, view.width, view.height), (30, 10, 80, 80)
    )
    view = central_view((1024, 1024), 448, 1.05)
    np.testing.assert_allclose(view.width, 1024 * 448 / 470)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_box_and_the_grey_under_it_arrive_in_the_same_place(mirrored):
    view = View(10.0, 5.0, 60.0, 30.0, mirrored, 30)
    image = np.zeros(SHAPE, "float32")
    image[14:20, 30:42] = 1.0
    frame, boxes = view.image(image), view.boxes(np.array([[3.0, 30, 14, 12, 6]]))
    (kind, x, y, w, h) = boxes[0]
    assert kind == 3
    np.testing.assert_allclose((y, w, h), (9, 6, 6), atol=1e-6)
    np.testing.assert_allclose(x, 30 - 10 - 6 if mirrored else 10, atol=1e-6)
    rows, columns = np.nonzero(frame > 0.5)
    assert (columns.min(), columns.max() + 1) == (x, x + w)
    assert (rows.min(), rows.max() + 1) == (y, y + h)


def test_a_window_shows_what_lies_under_it():
    frame = View(20.0, 10.0, 40.0, 20.0, size=20).image(ramp())
    # The middle of frame pixel (i, j) is at (10 + i + 1/2, 20 + 2 j + 1).
    expected = ((20 + 2 * np.arange(20) + 1) + (10 + 10 + 0.5)) / 200
    np.testing.assert_allclose(frame[10, 2:-2], expected[2:-2], atol=1e-3)


def test_boxes_less_than_half_in_view_are_left_out_others_cut():
    view = View(10.0, 10.0, 20.0, 20.0, size=20)
    boxes = np.array([[0, 6, 12, 8, 4], [1, 5, 12, 8, 4], [2, 40, 12, 8, 4.0]])
    np.testing.assert_allclose(view.boxes(boxes), [[0, 0, 2, 4, 4]])


def test_windows_are_drawn_from_the_ranges_and_stay_inside(rng):
    ways = CropAndJitter()
    views = [ways.view((100, 100), 32, rng) for _ in range(300)]
    areas = np.array([v.width * v.height for v in views]) / 1e4
    ratios = np.array([v.width / v.height for v in views])
    assert 0.8 <= areas.min() < 0.82 and 0.95 < areas.max() <= 1
    assert 0.75 <= ratios.min() < 0.85 and 1.15 < ratios.max() <= 1.334
    for v in views:
        assert v.left >= 0 and v.left + v.width <= 100 + 1e-9
        assert v.top >= 0 and v.top + v.height <= 100 + 1e-9
    assert 0.4 < np.mean([v.mirrored for v in views]) < 0.6
    assert np.std([v.left / max(100 - v.width, 1e-9) for v in views]) > 0.2


def test_where_nothing_fits_the_largest_central_window_is_taken(rng):
    view = CropAndJitter(flip=0.0, scale=(1.0, 1.0)).view((50, 200), 32, rng)
    expected = (50 * 1.333, 50)
    np.testing.assert_allclose((view.width, view.height), expected)
    np.testing.assert_allclose((view.left, view.top), ((200 - expected[0]) / 2, 0))


def test_levels_change_brightness_and_contrast_within_their_ranges(rng):
    image = np.linspace(0.3, 0.5, 64, dtype="float32").reshape(8, 8)
    slopes, means = [], []
    for _ in range(200):
        out = CropAndJitter().levels(image, rng)
        slopes.append((out.max() - out.min()) / 0.2)
        means.append(out.mean() / 0.4)
        # A line of the input: nothing is bent.
        np.testing.assert_allclose(np.diff(out.ravel(), 2), 0, atol=1e-5)
    assert 0.8 <= min(means) < 0.84 and 1.16 < max(means) <= 1.2001
    assert 0.64 <= min(slopes) < 0.75 and 1.25 < max(slopes) <= 1.4401
    still = CropAndJitter(brightness=0.0, contrast=0.0)
    np.testing.assert_allclose(still.levels(image, rng), image, atol=1e-6)
    bright = CropAndJitter(brightness=1.0).levels(np.ones((2, 2), "float32"), rng)
    assert bright.max() <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"flip": 1.5}, "flip must be in"),
        ({"contrast": -0.1}, "contrast must be in"),
        ({"scale": (0.8, 1.2)}, "scale must be a range"),
        ({"scale": 0.8}, "scale must be a range"),
        ({"ratio": (0.0, 1.0)}, "ratio must be a range"),
        ({"ratio": (2.0, 1.0)}, "ratio must be a range"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        CropAndJitter(**arguments)
