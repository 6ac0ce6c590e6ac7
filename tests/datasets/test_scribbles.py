"""The scribble simulator: what it promises, and the real scribbles it imitates."""

import math

import nibabel
import numpy as np
import pytest
from scipy import ndimage

from keras_condattn.datasets import simulate_scribble

pytestmark = pytest.mark.pure
EIGHT = np.ones((3, 3))
LENGTHS = (1.2, 2.0, 2.9, 2.0)


def heart(side=96):
    """A ring (2) with a blood pool (3), and beside it a crescent (1)."""
    y, x = np.mgrid[:side, :side] - side / 2
    radius = np.hypot(y, x)
    label = np.zeros((side, side), "uint8")
    label[np.hypot(y, (x + 16) * 0.9) < 20] = 1
    label[radius < 18] = 2
    label[radius < 11] = 3
    return label


def test_each_class_has_a_stroke_of_the_stated_length_and_width():
    label = heart()
    thin = simulate_scribble(label, 4, width=1)
    wide = simulate_scribble(label, 4, width=2)
    for number, length in enumerate(LENGTHS):
        wanted = round(length * np.sqrt((label == number).sum()))
        assert (label[thin == number] == number).all()
        assert (thin == number).sum() == pytest.approx(wanted, rel=0.2)
        assert (wide == number).sum() == 2 * (thin == number).sum()
    assert set(np.unique(thin)) == {0, 1, 2, 3, 4}


def test_strokes_are_connected_and_the_background_keeps_its_distance():
    label = heart()
    scribble = simulate_scribble(label, 4, jitter=0.0, distance=10, width=1)
    for number in (0, 2, 3):
        assert ndimage.label(scribble == number, EIGHT)[1] == 1
    away = ndimage.distance_transform_edt(label == 0)[scribble == 0]
    assert away.min() > 4 and away.max() < 16


def test_the_seed_decides():
    label = heart()
    one, again, other = (simulate_scribble(label, 4, seed=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_lengths_of_zero_classes_that_are_not_there_and_a_pixel():
    label = np.zeros((5, 7), "uint8")
    label[2, 3] = 2
    scribble = simulate_scribble(label, 3, length=(0, 1, 1), unlabelled=9)
    assert scribble[2, 3] == 2 and (scribble == 9).sum() == 34
    whole = simulate_scribble(np.zeros((20, 20), "uint8"), 1, length=1.0)
    assert (whole == 0).sum() == pytest.approx(28, abs=6)


@pytest.mark.parametrize("classes", [2, 5])
def test_lengths_of_any_number_of_classes(classes):
    label = np.arange(classes).repeat(20)[:, None].repeat(40, 1)
    drawn = simulate_scribble(label, classes, width=1)
    for number, share in enumerate([1.2, *[2.0] * (classes - 1)]):
        wanted = share * math.sqrt(20 * 40)
        assert (drawn == number).sum() == pytest.approx(wanted, abs=1)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"label": np.full((4, 4), 4)}, "label must hold classes from 0 to 3"),
        ({"label": np.zeros((4, 4))}, "label must hold whole numbers"),
        ({"label": np.zeros((2, 4, 4), int)}, r"\(H, W\), got int64 \(2, 4, 4\)"),
        ({"classes": 3, "length": (1, 2)}, "one for each of 3 classes"),
        ({"length": "long"}, "length must be a number from 0"),
        ({"seed": -1}, "seed must be a whole number from 0, got -1"),
        ({"length": -1.0}, "length must be a number from 0"),
        ({"width": 0.5}, "width must be a number from 1"),
        ({"jitter": float("nan")}, "jitter must be a number from 0"),
        ({"unlabelled": 2}, "unlabelled must be a number beyond the classes, 4"),
    ],
)
def test_bad_input(change, match):
    given = {"label": np.zeros((4, 4), int), "classes": 4} | change
    with pytest.raises(ValueError, match=match):
        simulate_scribble(**given)


def test_as_long_and_as_wide_as_those_of_acdc(real_data):
    """Pixels of each class over all pixels: simulated within a quarter of drawn."""
    files = sorted((real_data / "acdc").glob("*/*_scribble.nii.gz"))[::40]
    if not files:
        pytest.skip("no acdc/ among the real data")
    drawn, simulated = np.zeros(4), np.zeros(4)
    for path in files:
        scribbles, labels = (
            np.asarray(nibabel.load(str(path).replace("_scribble", kind)).dataobj)
            for kind in ("_scribble", "_gt")
        )
        for z in range(labels.shape[2]):
            mine = simulate_scribble(labels[..., z].astype("uint8"), 4, seed=z)
            for total, found in ((drawn, scribbles[..., z]), (simulated, mine)):
                total += [(found == number).sum() for number in range(4)]
    np.testing.assert_allclose(simulated / drawn, 1, atol=0.25)


def test_as_thick_strokes_cover_as_much_as_those_of_medscribble(real_data):
    """Medians over people and images of the share of object and of background."""
    files = sorted((real_data / "medscribble").glob("*.npz"))[::3]
    if not files:
        pytest.skip("no medscribble/ among the real data")
    drawn, simulated = [], []
    for path in files:
        arrays = np.load(path)
        label = (np.squeeze(arrays["seg"]) > 0.5).astype("uint8")
        sizes = (label == 1).sum(), (label == 0).sum()
        for name in (f"scribble_{i}" for i in (1, 2, 3) if f"scribble_{i}" in arrays):
            inside, outside = arrays[name] > 0
            drawn.append((inside.sum() / sizes[0], outside.sum() / sizes[1]))
        mine = simulate_scribble(label, 2, length=(2.2, 2.2), width=4.4)
        simulated.append(
            [(mine == k).sum() / n for k, n in zip((1, 0), sizes, strict=True)]
        )
    ratio = np.median(simulated, 0) / np.median(drawn, 0)
    np.testing.assert_allclose(ratio, 1, atol=0.35)
