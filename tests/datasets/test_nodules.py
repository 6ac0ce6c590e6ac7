"""Simulated nodules: where they lie, what they add, what their box is."""

import math

import numpy as np
import pytest

from keras_condattn.datasets.nodules import Nodules, lung_field
from keras_condattn.datasets.nodules._draw import _erf, _Outline
from keras_condattn.datasets.nodules._field import lung_spread

pytestmark = pytest.mark.pure
SURE = {"share": 1.0, "most": 1}


def film(height=96, width=96):
    """Bright, with dark lungs that fill the prior's ellipses in part."""
    y, x = (np.indices((height, width)) + 0.5) / [[[height]], [[width]]]
    lungs = np.minimum(abs(x - 0.31), abs(x - 0.69)) / 0.12
    dark = lungs**2 + ((y - 0.45) / 0.25) ** 2 < 1
    return np.where(dark, 0.2, 0.7).astype("float32")


def ellipse(x, y, grow=0.0):
    """Whether fractions (x, y) lie in one of the two ellipses."""
    return any(
        ((x - c) / (0.14 + grow)) ** 2 + ((y - 0.45) / (0.28 + grow)) ** 2 <= 1
        for c in (0.31, 0.69)
    )


def test_the_field_is_the_darker_part_of_the_ellipses():
    field = lung_field(film())
    rows, columns = np.nonzero(field)
    y, x = (rows + 0.5) / 48, (columns + 0.5) / 48
    assert all(ellipse(a, b) for a, b in zip(x, y, strict=True))
    lungs = np.minimum(abs(x - 0.31), abs(x - 0.69)) / 0.12
    inside = lungs**2 + ((y - 0.45) / 0.25) ** 2 < 1.15
    assert inside.mean() > 0.95 and (x < 0.5).any() and (x > 0.5).any()
    shrunk = film()[::2, ::2]
    np.testing.assert_array_equal(shrunk.shape, (48, 48))
    assert (lung_field(shrunk) == field).mean() > 0.98


def test_cells_are_means_also_where_they_are_uneven():
    image = film(131, 200)
    field = lung_field(image)
    assert field.shape == (48, 48) and 0.58 < field.sum() / 576 < 0.62
    assert lung_spread(image) == pytest.approx(0.5, abs=0.02)
    assert lung_field(np.full((48, 48), 0.5, "float32")).sum() == field.sum()


def test_an_opaque_lung_keeps_its_darkest_quarter():
    image = film()
    image[:, 48:] = 0.7 + 0.1 * np.linspace(0, 1, 96, dtype="float32")[:, None]
    field = lung_field(image)
    assert 0.18 < field[:, 24:].sum() / field[:, :24].sum() / 0.6 < 0.6
    assert np.nonzero(field[:, 24:])[0].max() < 20  # its top, the darkest


def test_outlines_lie_in_the_ellipses_and_centres_in_the_field(rng):
    image, field = film(), lung_field(film())
    wide = Nodules(share=1.0, most=4, diameter=(0.03, 0.12), elongation=(1.0, 2.0))
    for _ in range(60):
        _, boxes = wide.draw(image, rng)
        assert 1 <= len(boxes) <= 4
        for x, y, w, h in boxes / 96:
            assert field[int((y + h / 2) * 48), int((x + w / 2) * 48)]
            for px, py in ((x, y + h / 2), (x + w, y + h / 2), (x + w / 2, y),
                           (x + w / 2, y + h)):  # fmt: skip
                assert ellipse(px, py, grow=1e-6)
        centres = boxes[:, :2] + boxes[:, 2:] / 2
        for i in range(len(boxes)):
            for j in range(i):
                reach = boxes[[i, j], 2:].min(axis=1).sum() / 2
                assert np.hypot(*(centres[i] - centres[j])) > reach


def test_what_is_added_is_the_formula():
    image = film()
    round_one = Nodules(
        **SURE, diameter=(0.1, 0.1), contrast=(0.3, 0.3), blur=(0.25, 0.25),
        elongation=(1.0, 1.0),
    )  # fmt: skip
    drawn, boxes = round_one.draw(image, np.random.default_rng(4))
    (x, y, w, h) = boxes[0]
    np.testing.assert_allclose((w, h), 9.6, atol=1e-4)
    rows, columns = np.indices(image.shape) + 0.5
    r = np.hypot(columns - x - w / 2, rows - y - h / 2)
    g = [
        (1 - math.erf((v / 4.8 - 1) / (math.sqrt(2) * 0.25))) / 2
        for v in r.ravel()
    ]  # fmt: skip
    expected = 0.3 * lung_spread(image) * np.reshape(g, r.shape)
    np.testing.assert_allclose(drawn - image, expected, atol=2e-5)
    assert (drawn - image)[r > 4.8 * 2.1].max() < 1e-4


def test_the_box_holds_the_half_height_of_a_turned_ellipse():
    image = np.zeros((80, 80), "float32")
    outline = _Outline((40.0, 36.0), (16.0, 6.0), 0.6)
    outline.add_to(image, 1.0, 0.05)
    rows, columns = np.nonzero(image > 0.5)
    found = columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1
    np.testing.assert_allclose(outline.box, found, atol=1.1)


def test_a_nodule_at_the_border_is_cut_there_and_levels_stay_at_most_1():
    image = np.full((40, 60), 0.9, "float32")
    _Outline((58.0, 1.0), (6.0, 6.0), 0.0).add_to(image, 0.5, 0.2)
    assert image.max() == 1.0 and image[0, 59] == 1.0
    assert image[39, 0] == np.float32(0.9)


def test_share_and_number_are_as_asked(rng):
    image = film(64, 64)
    counts = [len(Nodules(most=3).draw(image, rng)[1]) for _ in range(300)]
    share = np.mean(np.array(counts) > 0)
    assert 0.42 < share < 0.58
    assert [0.09 < np.mean(np.array(counts) == n) < 0.26 for n in (1, 2, 3)] == [
        True
    ] * 3
    assert all(len(Nodules(share=0.0).draw(image, rng)[1]) == 0 for _ in range(5))


def test_the_same_draw_is_the_same_and_the_image_stays_the_caller_s():
    image = film()
    before = image.copy()
    one, two = (Nodules(**SURE).draw(image, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])
    np.testing.assert_array_equal(image, before)
    none, boxes = Nodules(share=0.0).draw(image, np.random.default_rng(3))
    assert none is not image and boxes.shape == (0, 4) and boxes.dtype == "float32"


def test_the_largest_nodules_still_find_a_place(rng):
    largest = Nodules(**SURE, diameter=(0.15, 0.15), elongation=(2.0, 2.0))
    for shape in ((48, 48), (60, 120), (120, 60)):
        assert len(largest.draw(film(*shape), rng)[1]) == 1


def test_the_error_function_is_python_s():
    x = np.linspace(-5, 5, 401)
    np.testing.assert_allclose(_erf(x), [math.erf(v) for v in x], atol=2e-7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"share": 1.5}, "share must be in"),
        ({"most": 0}, "most must be at least 1"),
        ({"most": 2.0}, "most must be a whole number"),
        ({"diameter": (0.0, 0.1)}, "diameter must be above 0"),
        ({"diameter": (0.05, 0.3)}, "diameter must be a range .* to 0.15"),
        ({"diameter": 0.05}, "diameter must be a range"),
        ({"blur": (0.0, 0.1)}, "blur must be above 0"),
        ({"contrast": (0.3, 0.1)}, "contrast must be a range"),
        ({"contrast": (0.1, math.inf)}, "contrast must be a range"),
        ({"elongation": (0.5, 1.0)}, "elongation must be a range"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Nodules(**arguments)


def test_images_too_small_or_of_another_shape_are_refused(rng):
    for shape in ((40, 96), (96, 96, 1)):
        with pytest.raises(ValueError, match=r"image must be \(H, W\) of at least 48"):
            Nodules().draw(np.zeros(shape, "float32"), rng)
