"""Frames: where a point lands, which grey level it has, and the way back."""

import math
import sys

import numpy as np
import pytest

pytest.importorskip("scipy", reason="scipy, the extra 'medical', is not installed")

from keras_condattn._frame import Frame, Pose

pytestmark = pytest.mark.pure
NATIVE = (10.0, 1.5, 1.25)
POSES = {
    "still": Pose(),
    "shift": Pose((2.0, -1.5)),
    "angle": Pose(angle=0.4),
    "scale": Pose(scale=1.6),
    "mirror": Pose(mirror=True),
    "quarter": Pose((0.3, 0.2), math.pi / 2, mirror=True),
    "all": Pose((-1.0, 2.5), -0.7, 1.3, True),
}


def native_point(y, x, shape, spacing, step, extent, pose):
    """Where on the native grid a frame's pixel lies: the formula of `Pose`, in mm."""
    down = (y - (extent[0] - 1) / 2) * step[0]
    right = (x - (extent[1] - 1) / 2) * step[1]
    if pose.mirror:
        right = -right
    cos, sin = math.cos(pose.angle), math.sin(pose.angle)
    down, right = cos * down - sin * right, sin * down + cos * right
    down = pose.shift[0] + down / pose.scale
    right = pose.shift[1] + right / pose.scale
    return (
        (shape[0] - 1) / 2 + down / spacing[1],
        (shape[1] - 1) / 2 + right / spacing[2],
    )


def at(plane, y, x, outside):
    """A pixel, or what lies beyond the border."""
    inside = 0 <= y < plane.shape[0] and 0 <= x < plane.shape[1]
    return plane[y, x] if inside else outside


def bilinear(plane, y, x, outside):
    top, left = math.floor(y), math.floor(x)
    return sum(
        (1 - abs(y - j)) * (1 - abs(x - i)) * at(plane, j, i, outside)
        for j in (top, top + 1)
        for i in (left, left + 1)
    )


def nearest(plane, y, x, outside):
    return at(plane, math.floor(y + 0.5), math.floor(x + 0.5), outside)


def brute(volume, step, extent, pose, rule, outside):
    out = np.empty((len(volume), *extent))
    for z, y, x in np.ndindex(*out.shape):
        point = native_point(y, x, volume.shape[1:], NATIVE, step, extent, pose)
        out[z, y, x] = rule(volume[z], *point, outside)
    return out


@pytest.mark.parametrize("pose", POSES.values(), ids=POSES)
@pytest.mark.parametrize("extent", [(9, 12), (4, 5), (7, 6)])
def test_frames_are_what_the_formula_says(rng, pose, extent):
    volume = rng.random((2, 7, 6), "float32")
    labels = rng.integers(0, 4, (2, 7, 6)).astype("uint8")
    # Finer than the image, so nothing is filtered; and no point between two pixels.
    step = (1.07, 0.93)
    frame = Frame(None, step, extent)
    expected = brute(volume, step, extent, pose, bilinear, volume.min())
    np.testing.assert_allclose(frame.image(volume, NATIVE, pose), expected, atol=1e-5)
    found = frame.labels(labels, NATIVE, pose, outside=9)
    expected = brute(labels, step, extent, pose, nearest, 9)
    assert found.dtype == "uint8"
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("size", [(4, 6), (7, 8), (8, 10), (12, 14)])
def test_even_steps_of_crop_and_pad_move_a_pixel_whole(size):
    """An image of 8 x 10, of 7 x 8 for the odd one; the pixel stays by the centre."""
    shape = (7, 8) if size[0] % 2 else (8, 10)
    volume = np.full((1, *shape), 3.0, "float32")
    volume[0, shape[0] // 2, shape[1] // 2 - 1] = 50
    found = Frame(size=size).image(volume, NATIVE)
    assert found.shape == (1, *size)
    assert np.argwhere(found == 50).tolist() == [[0, size[0] // 2, size[1] // 2 - 1]]
    assert (found == 3).sum() == found.size - 1  # padded with the lowest grey level


def test_odd_steps_share_a_pixel_between_neighbours():
    volume = np.zeros((1, 5, 7), "float32")
    volume[0, 2, 3] = 8
    found = Frame(size=(4, 6)).image(volume, NATIVE)[0]
    assert found[1:3, 2:4].tolist() == [[2, 2], [2, 2]] and found.sum() == 8


def test_millimetres_decide_where_a_point_lands():
    volume = np.zeros((1, 9, 7), "float32")
    volume[0, 7, 1] = 1  # 3 rows of 2 mm below the centre, 2 columns of 3 mm left
    found = Frame(None, (1.0, 1.5), (21, 15)).image(volume, (8, 2, 3))[0]
    assert np.unravel_index(found.argmax(), found.shape) == (10 + 6, 7 - 4)
    assert Frame(None, (1.0, 1.5)).image(volume, (8, 2, 3)).shape == (1, 18, 14)


def test_a_spacing_rounded_by_the_file_keeps_the_border():
    """1.4 is stored as 1.39999998: the outermost pixels stay what they are."""
    spacing = (8.0, float(np.float32(1.4)), float(np.float32(1.4)))
    labels = np.ones((1, 6, 5), "uint8")
    frame = Frame(None, (1.4, 1.4))
    np.testing.assert_array_equal(frame.labels(labels, spacing), labels)
    image = np.array([[[0, 5, 5], [5, 5, 5], [5, 5, 5]]], "float32")
    np.testing.assert_allclose(frame.image(image, spacing), image, atol=1e-4)


def test_shrinking_filters_first():
    """To a third: sigma 1, so a point spreads over neighbours by exp(-d^2 / 2)."""
    volume = np.zeros((1, 27, 27), "float32")
    volume[0, 13, 13] = 1
    found = Frame(None, (3.0, 3.0)).image(volume, (9, 1, 1))[0]
    weights = np.exp(-(np.arange(-4, 5) ** 2) / 2)
    expected = np.zeros(9)
    expected[3:6] = np.exp(-np.array([9, 0, 9]) / 2) / weights.sum()
    np.testing.assert_allclose(found, np.outer(expected, expected), atol=1e-6)
    enlarged = Frame(None, (3.0, 3.0)).image(volume, (9, 1, 1), Pose(scale=3.0))[0]
    assert enlarged[4, 4] == 1 and enlarged.sum() == 1  # nothing shrinks


def test_zscore_clips_and_counts_only_what_the_frame_shows():
    volume = np.full((2, 6, 8), 1000.0)
    volume[:, 1:5, 2:6] = np.arange(32).reshape(2, 4, 4)
    found = Frame("zscore", (1.5, 1.25), (4, 4)).image(volume, NATIVE)
    high = 0.99 * 31  # the 99th percentile of 0, 1 .. 31
    values = np.minimum(np.arange(32), high)
    expected = (values - values.mean()) / values.std()
    np.testing.assert_allclose(found.ravel(), expected, atol=1e-5)
    assert found.dtype == "float32"
    np.testing.assert_allclose(found.mean(), 0, atol=1e-6)
    whole = Frame("zscore").image(volume, NATIVE)
    np.testing.assert_allclose([whole.mean(), whole.std()], [0, 1], atol=1e-5)


def test_the_window_of_zscore_moves_with_the_shift():
    volume = np.zeros((1, 8, 8), "float32")
    volume[0, 4:, 4:] = np.arange(16).reshape(4, 4)
    pose = Pose((2 * 1.5, 2 * 1.25))
    found = Frame("zscore", None, (4, 4)).image(volume, NATIVE, pose)
    np.testing.assert_allclose([found.mean(), found.std()], [0, 1], atol=1e-5)
    far = Frame("zscore", None, (4, 4)).image(volume, NATIVE, Pose((90.0, 90.0)))
    assert np.isfinite(far).all()


def test_an_image_of_one_grey_level_gives_numbers():
    assert not Frame("zscore").image(np.full((2, 4, 4), 7), NATIVE).any()


def test_no_frame_changes_no_bit(rng):
    volume = rng.random((3, 17, 13), "float32") * 3777
    np.testing.assert_array_equal(Frame().image(volume, (9, 1.4, 1.37)), volume)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (3.0, -2.5), (0.7, 1.1)])
@pytest.mark.parametrize("size", [(40, 41), (37, 40), (42, 36)])
def test_restore_brings_labels_back_to_their_pixels(size, shift):
    """Two discs, 10 mm wide: a frame and back moves no pixel but at their edges."""
    y, x = np.indices((30, 33))
    labels = ((y - 12) ** 2 + (x - 20) ** 2 <= 16) * 1 + (
        (y - 20) ** 2 + (x - 11) ** 2 <= 16
    ) * 2
    labels = np.stack([labels, labels * 0]).astype("uint8")
    frame = Frame(None, (1.0, 1.0), size)
    scores = np.eye(3, dtype="float32")[frame.labels(labels, NATIVE, Pose(shift))]
    restored = frame.restore(scores, labels.shape, NATIVE, shift)
    assert restored.shape == (*labels.shape, 3)
    np.testing.assert_allclose(restored.sum(-1), 1, atol=1e-5)
    back = restored.argmax(-1)
    assert set(np.unique(back)) == {0, 1, 2}
    assert (back != labels).mean() < 0.01 and not back[1].any()
    for number in (1, 2):
        middle, true = (np.argwhere(a == number).mean(0) for a in (back, labels))
        np.testing.assert_allclose(middle, true, atol=0.1)


def test_restore_on_the_same_pixels_is_exact_and_background_beyond(rng):
    scores = rng.random((2, 3, 4, 2), "float32")
    found = Frame().restore(scores, (2, 3, 4), NATIVE)
    np.testing.assert_array_equal(found, scores)
    found = Frame(size=(3, 4)).restore(scores, (2, 7, 8), NATIVE, (1.5, -2.5))
    np.testing.assert_array_equal(found[:, 3:6, 0:4], scores)
    found[:, 3:6, 0:4] = [1, 0]
    assert (found == [1, 0]).all()


@pytest.mark.parametrize("size", [None, (9, 12), (6, 5)])
def test_the_affine_of_a_frame_puts_its_points_where_they_were(size):
    shape, spacing, step = (3, 10, 8), (7.0, 2.0, 3.0), (1.0, 1.2)
    affine = np.array(
        [[0.1, -2, 0, 5], [-3, 0.2, 0, 6], [0, 0, 7, -40], [0, 0, 0, 1.0]]
    )
    frame = Frame(None, step, size)
    extent = tuple(frame.extent(shape, spacing))
    moved = frame.affine(affine, shape, spacing)
    for z, y, x in ((0, 0, 0), (2, 3, 4), (1, 5, 1)):
        native = native_point(y, x, shape[1:], spacing, step, extent, Pose())
        world = affine @ [native[1], native[0], z, 1]
        np.testing.assert_allclose(moved @ [x, y, z, 1], world, atol=1e-9)


def test_a_missing_scipy_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ImportError, match=r"keras-condattn\[medical\]"):
        Frame().image(np.zeros((1, 2, 2)), NATIVE)
