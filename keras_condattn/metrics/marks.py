"""From a class map to marks, and from marks to the lesions they hit."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_condattn._export import export
from keras_condattn._optional import ndimage
from keras_condattn.metrics._marks import (
    checked_boxes,
    checked_marks,
    checked_origin,
    checked_size,
)


@export
def map_marks(
    class_map: ArrayLike,
    image_size: int | tuple[int, int],
    *,
    distance: float = 0.0,
    threshold: float | None = None,
    max_marks: int | None = None,
    origin: float | None = None,
) -> NDArray[np.float64]:
    """The marks that a class map sets on its image: its local maxima.

    ```
    peak   = a region of equal values of which all 8-neighbours outside are lower
    rating = the value of the map there
    (x, y) = (o + column W / w, o + row H / h)             # the region's middle
    ```

    Peaks are taken from the highest down, and one that lies nearer than `distance` to
    a mark already set is passed over. Single pixels are regions of one; a map that is
    the same everywhere has one peak, in the middle. The map is taken as it is, neither
    smoothed nor enlarged: enlarged bilinearly it would have its peaks in the same
    places.

    Args:
        class_map: (h, w), one class of one image.
        image_size: (H, W) of the image in pixels, or one number for both.
        distance: least distance of two marks, in image pixels. Defaults to 0.0.
        threshold: only peaks above it become marks; None lets all. Defaults to None.
        max_marks: at most so many, the highest. Defaults to None.
        origin: o, where the middle of the map's first pixel lies, in image pixels from
            the left and upper edge. None means half a map pixel, as if each were the
            mean of a cell of the image. Not so where strided layers pad on both
            sides: in torchvision's ResNets, and `attention_resnet`, pixel i looks at
            i times the stride, so take 0.5, or marks lie half a cell off; in its
            DenseNets, and `attention_densenet`, 14.5. Defaults to None.

    Returns:
        (n, 3): x (to the right), y (down), rating; the highest rating first.

    Raises:
        ValueError: for a map that has not two axes or holds NaN, or an argument out of
            its range.
        ImportError: where scipy is missing.

    Example:

    >>> heat = np.zeros((4, 4)); heat[1, 2] = 5.0; heat[3, 0] = 2.0
    >>> keras_condattn.metrics.map_marks(heat, 64).tolist()
    [[40.0, 24.0, 5.0], [8.0, 56.0, 2.0]]

    Reference:
        Ours; a mark and its rating as in Chakraborty, Academic Radiology 13, 2006.
    """
    heat = _checked_map(class_map)
    height, width = checked_size(image_size)
    step = np.array([height / heat.shape[0], width / heat.shape[1]])
    if not 0 <= distance < np.inf:
        raise ValueError(f"distance must be pixels of at least 0, got {distance!r}")
    if max_marks is not None and max_marks < 1:
        raise ValueError(f"max_marks must be None or at least 1, got {max_marks!r}")
    rows, columns, values = _peaks(heat)
    first = step / 2 if origin is None else np.full(2, checked_origin(origin))
    y, x = first[0] + rows * step[0], first[1] + columns * step[1]
    marks: list[tuple[float, float, float]] = []
    # Equal ratings in reading order, so that the result does not hang on the sort.
    for k in np.lexsort((x, y, -values)):
        below = threshold is not None and values[k] <= threshold
        if below or len(marks) == max_marks:
            break
        if all(np.hypot(x[k] - a, y[k] - b) >= distance for a, b, _ in marks):
            marks.append((float(x[k]), float(y[k]), float(values[k])))
    return checked_marks(marks)


@export
def mark_hits(
    marks: ArrayLike, boxes: ArrayLike, *, min_size: float = 0.0
) -> NDArray[np.intp]:
    """Which lesion each mark hits.

    ```
    mark (x, y) hits a box of centre (u, v), width w and height h  where
    |x - u| <= max(w, min_size) / 2   and   |y - v| <= max(h, min_size) / 2
    ```

    and, where that is so for several, the one whose centre is nearest.

    Args:
        marks: (n, 3): x, y, rating, as `map_marks` returns them.
        boxes: (m, 4): x, y of the left upper corner, width, height; or (m, 5) with a
            class before them, which is not looked at.
        min_size: pixels to which smaller boxes are enlarged about their centre,
            because a mark cannot be set more finely than the map it comes from.
            Defaults to 0.0.

    Returns:
        (n,): the number of the box, or -1 for a mark that hits none.

    Raises:
        ValueError: for arrays of another shape, or `min_size` below 0.

    Example:

    >>> marks = [[40.0, 24.0, 5.0], [8.0, 56.0, 2.0]]
    >>> keras_condattn.metrics.mark_hits(marks, [[36, 20, 10, 10]]).tolist()
    [0, -1]

    Reference:
        Ours. What is near enough is left open in Chakraborty, Academic Radiology 13,
        2006 (the acceptance radius).
    """
    found, lesions = checked_marks(marks), checked_boxes("boxes", boxes)
    if not 0 <= min_size < np.inf:
        raise ValueError(f"min_size must be pixels of at least 0, got {min_size!r}")
    if len(lesions) == 0:
        return np.full(len(found), -1, dtype=np.intp)
    away = found[:, None, :2] - (lesions[:, :2] + lesions[:, 2:] / 2)
    reach = np.maximum(lesions[:, 2:], min_size) / 2
    inside = np.all(np.abs(away) <= reach, axis=-1)
    nearness = np.where(inside, np.hypot(away[..., 0], away[..., 1]), np.inf)
    return np.where(inside.any(1), nearness.argmin(1), -1).astype(np.intp)


def _checked_map(class_map: ArrayLike) -> NDArray[np.float64]:
    heat = np.asarray(class_map, "float64")
    if heat.ndim != 2 or heat.size == 0:
        raise ValueError(f"class_map must have shape (h, w), got {heat.shape}")
    if np.isnan(heat).any():
        raise ValueError("class_map must hold ratings, got NaN in it")
    return heat


def _peaks(heat: NDArray[np.float64]) -> tuple[NDArray[Any], ...]:
    """Row, column and value of each peak; row and column are means of its pixels."""
    scipy = ndimage()
    around = np.ones((3, 3), bool)
    # -inf at the border, not its mirror image, which a peak there would tie with.
    highest = scipy.maximum_filter(heat, size=3, mode="constant", cval=-np.inf)
    regions, count = scipy.label(heat == highest, structure=around)
    rows, columns, values = [], [], []
    for number, box in enumerate(scipy.find_objects(regions, count), start=1):
        wide = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in box)
        of_region = regions[wide] == number
        value = heat[wide][of_region][0]
        # The inside of a plateau equals its neighbours even where its rim meets
        # something higher; then part of the plateau is no candidate.
        rim = scipy.binary_dilation(of_region, around) & ~of_region
        if (heat[wide][rim] < value).all():
            found = np.nonzero(of_region)
            rows.append(found[0].mean() + wide[0].start)
            columns.append(found[1].mean() + wide[1].start)
            values.append(value)
    return np.array(rows), np.array(columns), np.array(values)
