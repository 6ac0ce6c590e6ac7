"""Surfaces of masks, and how far each of two lies from the other."""

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_condattn._optional import ndimage

Mask: TypeAlias = NDArray[np.bool_]
Steps: TypeAlias = NDArray[np.float64]
# From truth to prediction and back; or the number that stands for them.
Distances: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]] | float


def surface_distances(
    true: Mask, pred: Mask, steps: Steps, empty: float, missing: float | str
) -> Distances:
    """For each surface pixel of either mask: mm to the nearest one of the other.

    Args:
        true: mask.
        pred: mask of the same shape.
        steps: mm a pixel along each axis.
        empty: what stands for them where both masks are empty.
        missing: what stands for them where one is; `"diagonal"`, or a number.

    Returns:
        (from true to pred, from pred to true), or a number.
    """
    if not (true.any() or pred.any()):
        return float(empty)
    if not (true.any() and pred.any()):
        extent = (np.array(true.shape) - 1) * steps
        return float(np.linalg.norm(extent) if missing == "diagonal" else missing)
    box = _box(true | pred)
    surfaces = _surface(true[box]), _surface(pred[box])
    return _to(*surfaces, steps), _to(*surfaces[::-1], steps)


def percentile_of(found: Distances, percentile: float, pooled: bool) -> float:
    """The percentile of all distances, or the larger of the two sides'."""
    if isinstance(found, float):
        return found
    sides = [np.concatenate(found)] if pooled else found
    return float(max(np.percentile(side, percentile) for side in sides))


def mean_of(found: Distances) -> float:
    """The mean of all distances."""
    return found if isinstance(found, float) else float(np.concatenate(found).mean())


def checked_masks(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Mask, Mask]:
    """Both as masks; raises ValueError where they are none or differ in shape."""
    true, pred = _mask("y_true", y_true), _mask("y_pred", y_pred)
    check_same_shape(true, pred)
    return true, pred


def check_same_shape(true: NDArray[Any], pred: NDArray[Any]) -> None:
    """Raises ValueError where two arrays do not lie on the same pixels."""
    if true.shape != pred.shape:
        raise ValueError(
            f"y_pred must have the shape of y_true, {true.shape}, got {pred.shape}"
        )


def checked_steps(spacing: float | Sequence[float], axes: int) -> Steps:
    """mm a pixel along each axis; raises ValueError for what is none."""
    try:
        steps = np.asarray(spacing, "float64")
    except (TypeError, ValueError):
        steps = np.array(np.nan)
    fits = steps.ndim == 0 or steps.shape == (axes,)
    if not fits or not (np.isfinite(steps) & (steps > 0)).all():
        raise ValueError(
            "spacing must be mm above 0, one number or one for each of the "
            f"{axes} axes, got {spacing!r}"
        )
    return np.broadcast_to(steps, (axes,))


def check_missing(missing: object) -> None:
    """Raises ValueError where `missing` is neither the diagonal nor a number."""
    number = isinstance(missing, int | float | np.number)
    if not number and missing != "diagonal":
        raise ValueError(f"missing must be 'diagonal' or a number, got {missing!r}")


def checked_empty(empty: object) -> float:
    """NaN for None, else the number; raises ValueError for what is neither."""
    if empty is None:
        return math.nan
    if not isinstance(empty, int | float | np.number):
        raise ValueError(f"empty must be None or a number, got {empty!r}")
    return float(empty)


def _mask(name: str, values: ArrayLike) -> Mask:
    array = np.asarray(values)
    if array.ndim == 0 or array.dtype.kind not in "biuf":
        raise ValueError(
            f"{name} must be a mask of numbers with at least one axis, got shape "
            f"{array.shape} of {array.dtype}"
        )
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise ValueError(f"{name} must be a mask, got NaN in it")
    return array > 0


def _box(mask: Mask) -> tuple[slice, ...]:
    """The smallest box around both masks: no nearest surface lies outside it."""
    return tuple(
        slice(int(found.min()), int(found.max()) + 1) for found in np.nonzero(mask)
    )


def _surface(mask: Mask) -> Mask:
    return np.asarray(mask & ~ndimage().binary_erosion(mask))


def _to(here: Mask, there: Mask, steps: Steps) -> NDArray[np.float64]:
    distance = ndimage().distance_transform_edt(~there, sampling=steps)
    return np.asarray(distance[here])
