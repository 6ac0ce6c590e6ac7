"""Where an object is: polygons or run lengths, checked, and drawn by pycocotools."""

import reprlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_condattn._optional import optional

# Polygons of (x, y); or the lengths of runs, outside first, by columns.
Outline = tuple[NDArray[np.float64], ...] | NDArray[np.uint32]
Shape = tuple[int, int]
# The letters of a compressed list of runs carry six bits each, from "0" on: five of
# the number, and whether more of them follow.
FIRST, BITS, MORE, SIGN = 48, 5, 32, 16
LONGEST_NUMBER = 60
POINTS = 3
# Of a polygon, in pixels; pycocotools counts five places a pixel in 32 bits.
LONGEST_LINE = 2**24


def numbers(value: Any, largest: float) -> bool:
    """Whether a value is a list of numbers between -largest and largest."""
    return isinstance(value, list) and all(
        type(v) in (int, float) and -largest <= v <= largest for v in value
    )


def pycocotools() -> Any:
    """The module that draws them."""
    return optional("pycocotools.mask", "coco", "masks=True")


def outline_of(value: Any, shape: Shape) -> Outline:
    """The outline that `"segmentation"` holds, on a picture of this shape (H, W).

    All of it is checked here: pycocotools shows foreign memory where runs end before
    the picture does, and allots it for as long a line as a polygon asks for.

    Raises:
        ValueError: saying what is wrong with it.
    """
    if isinstance(value, dict):
        return _runs(value, shape)
    farthest = 2 * max(shape)
    if not isinstance(value, list):
        raise ValueError(
            "'segmentation' must be a list of polygons or run lengths (an object with "
            f"'size' and 'counts'), got {reprlib.repr(value)}"
        )
    polygons = tuple(_polygon(points, farthest) for points in value)
    # Fewer than three points enclose nothing.
    return tuple(polygon for polygon in polygons if len(polygon) >= POINTS)


def drawn(outline: Outline, shape: Shape) -> NDArray[np.uint8]:
    """The mask (H, W) of an outline: 1 inside, else 0."""
    module = pycocotools()
    if isinstance(outline, np.ndarray):
        runs = {"size": list(shape), "counts": outline.tolist()}
        encoded = module.frPyObjects(runs, *shape)
    elif outline:
        polygons = [polygon.ravel().tolist() for polygon in outline]
        encoded = module.merge(module.frPyObjects(polygons, *shape))
    else:
        return np.zeros(shape, "uint8")
    mask: NDArray[np.uint8] = module.decode(encoded)
    return mask


def _polygon(value: Any, farthest: int) -> NDArray[np.float64]:
    if numbers(value, farthest) and len(value) % 2 == 0:
        points = np.array(value, "float64").reshape(-1, 2)
        if np.abs(np.diff(points, axis=0)).sum() <= LONGEST_LINE:
            return points
    raise ValueError(
        "a polygon must be [x, y, x, y, ...] in pixels, not far outside of the "
        f"picture, got {reprlib.repr(value)}"
    )


def _runs(value: dict[str, Any], shape: Shape) -> NDArray[np.uint32]:
    size, counts = value.get("size"), value.get("counts")
    if size != list(shape):
        raise ValueError(
            f"the 'size' of its run lengths must be that of the image, {list(shape)} "
            f"(height, width), got {reprlib.repr(size)}"
        )
    pixels = shape[0] * shape[1]
    runs: Any = _unpacked(counts) if isinstance(counts, str) else counts
    whole = isinstance(runs, list) and all(type(v) is int and v >= 0 for v in runs)
    if not whole or sum(runs) != pixels:
        raise ValueError(
            "the 'counts' of its run lengths must be whole numbers that sum to "
            f"{pixels}, the pixels of the image, got {reprlib.repr(counts)}"
        )
    return np.array(runs, "uint32")


def _unpacked(text: str) -> list[int]:
    """The numbers of a compressed list of runs; [-1] for a text that is none.

    From the fourth on, each is written as the difference to the last but one.
    """
    runs: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - FIRST
        if not 0 <= bits < 2 * MORE or shift > LONGEST_NUMBER:
            return [-1]
        value |= (bits % MORE) << shift
        shift += BITS
        if not bits & MORE:
            value -= (1 << shift) if bits & SIGN else 0
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    return [-1] if shift else runs
