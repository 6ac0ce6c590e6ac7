"""JAFROC against its published example, a double loop, and the area under AFROC."""

import itertools
import math

import numpy as np
import pytest

from keras_condattn.metrics import jafroc, jafroc_from_maps

pytestmark = pytest.mark.pure
inf = np.inf
NORMAL = [-inf, 0.5, 0.7, -0.3]
LESIONS = [0.9, -0.2, 1.6, -inf, 3, 2, 1, 2.5, 1]


def brute(normal, lesions):
    psi = [(z > f) + (z == f) / 2 for f in normal for z in lesions]
    return sum(psi) / len(psi)


def area(normal, lesions):
    """Trapezia under (share of normals marked, share of lesions found)."""
    points = [(0.0, 0.0)]
    for t in sorted({*normal, *lesions} - {-inf}, reverse=True):
        points.append((np.mean(np.array(normal) >= t), np.mean(np.array(lesions) >= t)))
    points.append((1.0, 1.0))
    return sum(
        (x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in itertools.pairwise(points)
    )


def test_the_book_s_example():
    assert jafroc(NORMAL, LESIONS) == pytest.approx(0.8472222, abs=1e-7)
    assert area(NORMAL, LESIONS) == pytest.approx(0.8472222, abs=1e-7)


def test_pairs_counted_one_by_one_with_ties_and_unmarked_ones(rng):
    for _ in range(20):
        normal = rng.integers(0, 5, rng.integers(1, 12)).astype(float)
        lesions = rng.integers(0, 6, rng.integers(1, 12)).astype(float)
        normal[normal == 0], lesions[lesions == 0] = -inf, -inf
        assert jafroc(normal, lesions) == pytest.approx(brute(normal, lesions))
        assert jafroc(normal, lesions) == pytest.approx(area(normal, lesions))


def test_extremes():
    assert jafroc([-inf, -inf], [0.1]) == 1.0
    assert jafroc([2.0], [1.0, -inf]) == 0.0
    assert jafroc([-inf], [-inf]) == 0.5
    assert math.isnan(jafroc([], [1.0])) and math.isnan(jafroc([1.0], []))


def test_only_the_order_counts(rng):
    normal, lesions = rng.normal(size=30), rng.normal(0.5, size=40)
    assert jafroc(normal, lesions) == jafroc(np.exp(normal), np.exp(lesions))
    assert jafroc(normal[::-1], rng.permutation(lesions)) == jafroc(normal, lesions)


def test_many_ratings_take_no_table_of_all_pairs(rng):
    # 2e5 x 2e5 pairs are 40 GB of booleans.
    normal, lesions = rng.normal(size=200_000), rng.normal(size=200_000) + 1
    assert jafroc(normal, lesions) == pytest.approx(0.7602, abs=3e-3)


@pytest.mark.parametrize(
    ("normal", "lesions", "message"),
    [
        ([np.nan], [1.0], "false_positives must be ratings, got NaN"),
        ([1.0], [1.0, np.nan], "lesions must be ratings, got NaN"),
        ([[1.0]], [1.0], r"false_positives must be ratings \(n,\)"),
        (1.0, [1.0], r"false_positives must be ratings \(n,\)"),
    ],
)
def test_what_is_no_rating_is_refused(normal, lesions, message):
    with pytest.raises(ValueError, match=message):
        jafroc(normal, lesions)


def scene():
    """Four images of 64 pixels with maps of 4 x 4: two normal, three lesions."""
    maps = np.zeros((4, 4, 4))
    maps[0, 1, 1], maps[0, 3, 3] = 3.0, 9.0  # hits; the other mark is not counted
    maps[1, 2, 2] = 1.0  # normal, falsely marked
    maps[2, 0, 3] = 2.0  # one of two lesions
    boxes = [[[20, 22, 16, 14]], [], [[52, 4, 8, 8], [4, 50, 6, 6]], np.zeros((0, 4))]
    return maps, boxes


def test_from_maps_and_boxes():
    maps, boxes = scene()
    maps[0, 3, 3] = 0.0
    # normals: 1 and the flat map's 0; lesions: 3, 2 and one unmarked
    assert jafroc_from_maps(maps, boxes, 64) == jafroc([1, 0], [3, 2, -inf])


def test_a_mark_beside_the_lesion_of_an_image_that_has_one_is_not_counted():
    maps, boxes = scene()
    assert jafroc_from_maps(maps, boxes, (64, 64)) == jafroc([1, 0], [3, 2, -inf])
    assert jafroc_from_maps(maps, boxes, 64, max_marks=1) == jafroc(
        [1, 0], [-inf, 2, -inf]
    )


def test_one_class_of_several_in_both_data_formats():
    maps, boxes = scene()
    other = np.random.default_rng(0).normal(size=maps.shape)
    both = np.stack([other, maps], axis=-1)
    tagged = [
        np.array([[1, *box] for box in found] + [[0, 1, 1, 60, 60]]) for found in boxes
    ]
    expected = jafroc_from_maps(maps, boxes, 64)
    found = jafroc_from_maps(
        both, tagged, 64, class_index=1, data_format="channels_last"
    )
    assert found == expected
    first = np.moveaxis(both, -1, 1)
    found = jafroc_from_maps(
        first, tagged, 64, class_index=1, data_format="channels_first"
    )
    assert found == expected


def test_a_small_lesion_is_hit_by_the_peak_of_the_map_pixel_that_holds_it():
    boxes = [[[17.0, 29.0, 2.0, 2.0]], []]  # in pixel (1, 1) of 4, near its corner
    maps = np.zeros((2, 4, 4))
    maps[0, 1, 1] = 1.0
    assert jafroc_from_maps(maps, boxes, 64) == 1.0
    assert jafroc_from_maps(maps, boxes, 64, min_size=0.0) == 0.0
    assert jafroc_from_maps(maps, boxes, 64, origin=40.0) == 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"boxes": [[]]}, "boxes must be one array a map, so 4, got 1"),
        ({"class_maps": np.zeros((4, 4))}, r"class_maps must have shape \(B, h, w\)"),
        ({"class_maps": np.zeros((4, 4, 4, 2)), "class_index": 2}, "class_index must"),
        (
            {"class_maps": np.zeros((4, 4, 4, 2))},
            r"boxes\[0\] must have shape \(n, 5\)",
        ),
        ({"image_size": 0}, "image_size must be"),
        ({"image_size": (4.5, 4)}, "image_size must be"),
        ({"boxes": [[[1, 2, 0, 3]], [], [], []]}, "width and height above 0"),
        ({"boxes": [[], [], [], [1, 2, 3, 4]]}, r"boxes\[3\] must have shape"),
        ({"class_maps": np.full((4, 4, 4), np.nan)}, "got NaN in it"),
    ],
)
def test_what_does_not_fit_is_named(arguments, message):
    maps, boxes = scene()
    given = {"class_maps": maps, "boxes": boxes, "image_size": 64, **arguments}
    with pytest.raises(ValueError, match=message):
        jafroc_from_maps(**given, data_format="channels_last")
