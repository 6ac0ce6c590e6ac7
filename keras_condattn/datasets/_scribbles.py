"""Scribbles as a hurried expert would draw them, from dense labels."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_condattn._optional import ndimage, optional

Mask = NDArray[np.bool_]
EIGHT = np.ones((3, 3), bool)
# Of the middle of a class: where a line round it may run, the first that is enough.
DEPTHS = (0.5, 0.35, 0.2)
# Of ACDC's background, right ventricle, myocardium and left ventricle.
HEART = (1.2, 2.0, 2.9, 2.0)


def morphology() -> Any:
    """skimage.morphology."""
    return optional("skimage.morphology", "medical", "drawing scribbles")


def simulate_scribble(
    label: ArrayLike,
    classes: int,
    *,
    length: float | Sequence[float] | None = None,
    width: float = 1.4,
    jitter: float = 1.0,
    distance: float = 15.0,
    unlabelled: int | None = None,
    seed: int = 0,
) -> NDArray[np.uint8]:
    """Draws a stroke in every class of a label, and leaves the rest unlabelled.

    ```
    stroke of class c = length_c sqrt(area of c) pixels of a connected line,
                        `width` times as many pixels once it is thickened
    ```

    A class is drawn along its skeleton where that is long enough, as in a ring, and
    else along a line half as deep as its middle or less, as round a blob. The
    background's line runs round the others at a `distance`; where there are none it is
    drawn like any class. Strokes never leave their class.

    Args:
        label: (H, W), whole numbers from 0 (background) to `classes` - 1.
        classes: how many there are.
        length: of the stroke of each class over the square root of its area in
            pixels, or one number for all; 0 leaves a class out. A class with less
            room than that for a line gets as much as there is. None means what
            ACDC's real scribbles measure: (1.2, 2.0, 2.9, 2.0) for its four
            classes, else 1.2 for the background and 2.0 for all others. Defaults
            to None.
        width: mean width of the strokes in pixels, from 1. Defaults to 1.4.
        jitter: by how many pixels, at most, a smooth noise shaves a class before
            its line is found. Defaults to 1.0.
        distance: in pixels, of the background's stroke from the other classes.
            Defaults to 15.0.
        unlabelled: the number of pixels without a stroke. None means `classes`.
            Defaults to None.
        seed: of the draws; the same seed draws the same scribble. Defaults to 0.

    Returns:
        (H, W), uint8.

    Raises:
        ValueError: for a label of another shape or with other numbers, or an
            argument out of its range.
        ImportError: where scipy or scikit-image is missing.

    Example:

    >>> label = np.zeros((40, 40), "uint8")
    >>> label[12:28, 12:28] = 1
    >>> scribble = keras_condattn.datasets.simulate_scribble(label, 2, length=1.5)
    >>> np.unique(scribble).tolist()
    [0, 1, 2]

    Reference:
        ACDC's expert scribbles: Valvano et al., IEEE TMI 40(8), 2021. The simulation
        is ours; it is checked against those and MedScribble's in length and
        coverage.
    """
    array = np.asarray(label)
    empty = classes if unlabelled is None else unlabelled
    lengths = _checked(array, classes, length, empty)
    for name, value, low in (
        ("width", width, 1), ("jitter", jitter, 0), ("distance", distance, 1),
    ):  # fmt: skip
        if not isinstance(value, int | float) or not low <= value < math.inf:
            raise ValueError(f"{name} must be a number from {low}, got {value!r}")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed must be a whole number from 0, got {seed!r}")
    rng = np.random.default_rng(seed)
    scribble = np.full(array.shape, empty, "uint8")
    for number, share in enumerate(lengths):
        mask = array == number
        if not share or not mask.any():
            continue
        room = _around(mask, distance) if number == 0 else mask
        wanted = max(round(share * math.sqrt(mask.sum())), 1)
        line = _walk(_line(_shaved(room, jitter, rng), wanted), wanted, rng)
        scribble[_thickened(line, mask, width, rng)] = number
    return scribble


def _around(mask: Mask, distance: float) -> Mask:
    """A band of the background, in whose middle lies the distance from the rest."""
    if mask.all():
        return mask
    away = ndimage().distance_transform_edt(mask)
    band = mask & (away > distance / 2) & (away < 1.5 * distance)
    return band if band.any() else mask


def _shaved(mask: Mask, jitter: float, rng: np.random.Generator) -> Mask:
    noise = ndimage().gaussian_filter(rng.standard_normal(mask.shape), 3.0)
    ranks = noise.ravel().argsort().argsort().reshape(mask.shape) / mask.size
    depth = ndimage().distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    shaved = depth > 1 + jitter * ranks
    return shaved if shaved.any() else mask


def _line(mask: Mask, wanted: int) -> Mask:
    """The skeleton, or a line nearer to the border where that gives more to draw."""
    skeleton = np.asarray(morphology().skeletonize(mask), bool)
    if skeleton.sum() >= wanted:
        return skeleton
    depth = ndimage().distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    best = skeleton
    for share in DEPTHS:
        inner = depth >= max(share * depth.max(), 1)
        border = inner & ~ndimage().binary_erosion(inner)
        best = max((best, border), key=np.count_nonzero)
        if best.sum() >= wanted:
            break
    return best if best.any() else mask


def _walk(line: Mask, wanted: int, rng: np.random.Generator) -> Mask:
    """As much of a line as is wanted, connected as far as the line is."""
    left, drawn = line.copy(), np.zeros_like(line)
    while drawn.sum() < wanted and left.any():
        places = np.argwhere(left)
        queue = [tuple(places[rng.integers(len(places))])]
        left[queue[0]] = False
        for y, x in queue:
            drawn[y, x] = True
            if drawn.sum() >= wanted:
                break
            for v, u in np.argwhere(left[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]):
                place = (max(y - 1, 0) + v, max(x - 1, 0) + u)
                left[place] = False
                queue.append(place)
    return drawn


def _thickened(line: Mask, mask: Mask, width: float, rng: np.random.Generator) -> Mask:
    stroke, wanted = line & mask, round(width * line.sum())
    while stroke.sum() < wanted:
        rim = np.argwhere(ndimage().binary_dilation(stroke, EIGHT) & mask & ~stroke)
        if not len(rim):
            break
        chosen = rng.permutation(rim)[: wanted - stroke.sum()]
        stroke[tuple(chosen.T)] = True
    return stroke


def _checked(
    label: NDArray[Any], classes: int, length: Any, unlabelled: int
) -> list[float]:
    if not isinstance(classes, int) or not 1 <= classes <= 255:
        raise ValueError(f"classes must be a whole number from 1, got {classes!r}")
    if not isinstance(unlabelled, int) or not classes <= unlabelled <= 255:
        raise ValueError(
            f"unlabelled must be a number beyond the classes, {classes} to 255, got "
            f"{unlabelled!r}"
        )
    whole = label.dtype.kind in "bui"
    if label.ndim != 2 or not label.size or not whole:
        raise ValueError(
            f"label must hold whole numbers (H, W), got {label.dtype} {label.shape}"
        )
    if label.min() < 0 or label.max() >= classes:
        raise ValueError(
            f"label must hold classes from 0 to {classes - 1}, got {label.min()} to "
            f"{label.max()}"
        )
    if length is None:
        length = HEART if classes == len(HEART) else (1.2, *[2.0] * (classes - 1))
    listed = isinstance(length, Sequence | np.ndarray)
    lengths = list(length) if listed else [length] * classes
    numbers = all(isinstance(x, int | float) and 0 <= x < math.inf for x in lengths)
    if len(lengths) != classes or not numbers:
        raise ValueError(
            f"length must be a number from 0, or one for each of {classes} classes, "
            f"got {length!r}"
        )
    return [float(one) for one in lengths]
