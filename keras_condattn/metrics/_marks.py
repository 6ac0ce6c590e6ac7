"""What marks and boxes must look like."""

import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def checked_size(size: Any) -> tuple[int, int]:
    """(H, W) of an image, given as such or as one number for both."""
    pair = tuple(size) if isinstance(size, tuple | list) else (size, size)
    try:
        whole = tuple(operator.index(n) for n in pair)
    except TypeError:
        whole = ()
    if len(whole) != 2 or min(whole) < 1:
        raise ValueError(
            f"image_size must be (H, W) in pixels, or one number for both, got {size!r}"
        )
    return whole[0], whole[1]


def checked_boxes(
    name: str, boxes: ArrayLike, class_index: int | None = None
) -> NDArray[np.float64]:
    """Boxes as (n, 4): x, y, width, height.

    Args:
        name: what to call them in an error.
        boxes: (n, 4), or (n, 5) with the class first; what is empty is (0, 4).
        class_index: keep this class only, for which the boxes must say theirs.

    Raises:
        ValueError: for another shape, a side that is not positive, or NaN.
    """
    array = np.asarray(boxes, "float64")
    if array.size == 0:
        return np.zeros((0, 4))
    widths = (4, 5) if class_index is None else (5,)
    if array.ndim != 2 or array.shape[1] not in widths:
        shapes = " or ".join(f"(n, {w})" for w in widths)
        raise ValueError(
            f"{name} must have shape {shapes}: {'class, ' * (4 not in widths)}x, y, "
            f"width, height; got shape {array.shape}"
        )
    sides = array[:, -2:]
    if not np.isfinite(array).all() or (sides <= 0).any():
        raise ValueError(
            f"{name} must be finite with a width and height above 0, got "
            f"{array[~(np.isfinite(array).all(1) & (sides > 0).all(1))][0].tolist()}"
        )
    if class_index is not None:
        array = array[array[:, 0] == class_index]
    return array[:, -4:]


def checked_marks(marks: ArrayLike) -> NDArray[np.float64]:
    """Marks as (n, 3): x, y, rating."""
    array = np.asarray(marks, "float64")
    if array.size == 0:
        return np.zeros((0, 3))
    if array.ndim != 2 or array.shape[1] != 3:
        raise ValueError(
            f"marks must have shape (n, 3): x, y, rating; got shape {array.shape}"
        )
    return array


def checked_origin(origin: Any) -> float:
    """A finite number of pixels."""
    if isinstance(origin, bool) or not isinstance(origin, int | float | np.number):
        raise ValueError(f"origin must be a number of pixels or None, got {origin!r}")
    if not np.isfinite(origin):
        raise ValueError(f"origin must be finite, got {origin!r}")
    return float(origin)
