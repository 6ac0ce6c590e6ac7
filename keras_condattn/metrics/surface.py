"""Distances between the surfaces of two masks, in mm."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_condattn._export import export

Mask = NDArray[np.bool_]


@export
def hausdorff_distance_95(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    spacing: float | Sequence[float] = 1.0,
    *,
    percentile: float = 95.0,
    pooled: bool = True,
    empty: float = math.nan,
    missing: float | str = "diagonal",
) -> float:
    """The 95th percentile of the distances between two masks' surfaces, in mm.

    ```
    S(m)    = pixels of m with a neighbour (along an axis) that is not in m
    d(a, b) = for each pixel of S(a): distance in mm to the nearest one of S(b)
    HD95    = P95(d(true, pred) and d(pred, true) together)        # pooled
            = max(P95(d(true, pred)), P95(d(pred, true)))          # pooled=False
    ```

    What lies outside the array is not in the mask, so a mask that touches the border
    has its surface there. Distances are exact Euclidean distance transforms between
    pixel centres.

    Args:
        y_true: mask, any number of axes; what exceeds 0 is in it.
        y_pred: mask of the same shape.
        spacing: mm a pixel, one number or one an axis, e.g. (slices, rows, columns).
            Defaults to 1.0.
        percentile: 100 makes it the Hausdorff distance. Defaults to 95.0.
        pooled: as above: True as MedPy and most tables on ACDC do, False as
            DeepMind's surface-distance and the nnU-Net line do. Defaults to True.
        empty: the result where both masks are empty: there is nothing to measure.
            Defaults to `math.nan`.
        missing: the result where one of them is empty: `"diagonal"`, the array's
            diagonal in mm, the largest distance there could be, or a number.
            (Leaving such cases out, or 0 for them, flatters a network that misses
            structures.) Defaults to "diagonal".

    Returns:
        mm.

    Raises:
        ValueError: for masks that differ in shape or hold NaN, or an argument out of
            its range.
        ImportError: where scipy is missing.

    Example:

    >>> true = np.zeros((1, 8, 8)); true[0, 2:5, 2:5] = 1
    >>> pred = np.roll(true, 1, axis=2)
    >>> keras_condattn.metrics.hausdorff_distance_95(true, pred, (10.0, 1.5, 1.5))
    1.5

    Reference:
        Huttenlocher et al., "Comparing Images Using the Hausdorff Distance", IEEE
        TPAMI 15(9), 1993; the percentile after Menze et al. (BraTS), IEEE TMI
        34(10), 2015.
    """
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile must be in (0, 100], got {percentile!r}")
    found = _distances(y_true, y_pred, spacing, empty, missing)
    if isinstance(found, float):
        return found
    there, back = found
    if pooled:
        return float(np.percentile(np.concatenate([there, back]), percentile))
    return float(max(np.percentile(d, percentile) for d in (there, back)))


@export
def average_symmetric_surface_distance(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    spacing: float | Sequence[float] = 1.0,
    *,
    empty: float = math.nan,
    missing: float | str = "diagonal",
) -> float:
    """The mean distance between two masks' surfaces (ASSD), in mm.

    ```
    ASSD = (sum d(true, pred) + sum d(pred, true)) / (|S(true)| + |S(pred)|)
    ```

    with S and d as in `hausdorff_distance_95`. (MedPy's `assd` is the mean of the two
    means; where the surfaces differ in size, so do the two.)

    Args:
        y_true: mask, any number of axes; what exceeds 0 is in it.
        y_pred: mask of the same shape.
        spacing: mm a pixel, one number or one an axis. Defaults to 1.0.
        empty: the result where both masks are empty. Defaults to `math.nan`.
        missing: the result where one of them is empty: `"diagonal"`, the array's
            diagonal in mm, or a number. Defaults to "diagonal".

    Returns:
        mm.

    Raises:
        ValueError: for masks that differ in shape or hold NaN, or an argument out of
            its range.
        ImportError: where scipy is missing.

    Example:

    >>> true = np.zeros((4, 4)); true[1, 1] = 1
    >>> pred = np.zeros((4, 4)); pred[1, 3] = 1
    >>> keras_condattn.metrics.average_symmetric_surface_distance(true, pred, 1.5)
    3.0

    Reference:
        Heimann et al., "Comparison and Evaluation of Methods for Liver Segmentation
        From CT Datasets", IEEE TMI 28(8), 2009.
    """
    found = _distances(y_true, y_pred, spacing, empty, missing)
    return found if isinstance(found, float) else float(np.concatenate(found).mean())


def _distances(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    spacing: float | Sequence[float],
    empty: float,
    missing: float | str,
) -> tuple[NDArray[Any], NDArray[Any]] | float:
    """From truth to prediction and back; or the number that stands for them."""
    true, pred = _mask("y_true", y_true), _mask("y_pred", y_pred)
    if true.shape != pred.shape:
        raise ValueError(
            f"y_pred must have the shape of y_true, {true.shape}, got {pred.shape}"
        )
    steps = _steps(spacing, true.ndim)
    if isinstance(missing, str) and missing != "diagonal":
        raise ValueError(f"missing must be 'diagonal' or a number, got {missing!r}")
    if not (true.any() or pred.any()):
        return float(empty)
    if not (true.any() and pred.any()):
        extent = (np.array(true.shape) - 1) * steps
        return float(np.linalg.norm(extent) if missing == "diagonal" else missing)
    box = _box(true | pred)
    surfaces = _surface(true[box]), _surface(pred[box])
    return _to(*surfaces, steps), _to(*surfaces[::-1], steps)


def _mask(name: str, values: ArrayLike) -> Mask:
    array = np.asarray(values)
    if array.ndim == 0:
        raise ValueError(f"{name} must be a mask with at least one axis, got a scalar")
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise ValueError(f"{name} must be a mask, got NaN in it")
    return array > 0


def _steps(spacing: float | Sequence[float], axes: int) -> NDArray[np.float64]:
    steps = np.asarray(spacing, "float64")
    fits = steps.ndim == 0 or steps.shape == (axes,)
    if not fits or not (np.isfinite(steps) & (steps > 0)).all():
        raise ValueError(
            f"spacing must be mm above 0, one number or {axes}, got {spacing!r}"
        )
    return np.broadcast_to(steps, (axes,))


def _box(mask: Mask) -> tuple[slice, ...]:
    """The smallest box around both masks: no nearest surface lies outside it."""
    return tuple(
        slice(int(found.min()), int(found.max()) + 1) for found in np.nonzero(mask)
    )


def _surface(mask: Mask) -> Mask:
    from scipy import ndimage

    return np.asarray(mask & ~ndimage.binary_erosion(mask))


def _to(here: Mask, there: Mask, steps: NDArray[np.float64]) -> NDArray[Any]:
    from scipy import ndimage

    distance = ndimage.distance_transform_edt(~there, sampling=steps)
    return np.asarray(distance[here])
