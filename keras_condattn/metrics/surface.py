"""Distances between the surfaces of two masks, in mm."""

from collections.abc import Sequence

from numpy.typing import ArrayLike

from keras_condattn._export import export
from keras_condattn.metrics._surfaces import (
    Distances,
    check_missing,
    checked_empty,
    checked_masks,
    checked_steps,
    mean_of,
    percentile_of,
    surface_distances,
)


@export
def hausdorff_distance_95(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    spacing: float | Sequence[float] = 1.0,
    *,
    percentile: float = 95.0,
    pooled: bool = True,
    empty: float | None = None,
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
    has its surface there, and along an axis of length 1 all of it is surface: drop
    that axis where in-plane contours are meant. Distances are exact Euclidean
    distance transforms between pixel centres.

    Args:
        y_true: mask, any number of axes; what exceeds 0 is in it.
        y_pred: mask of the same shape.
        spacing: mm a pixel, one number or one an axis, e.g. (slices, rows, columns).
            Defaults to 1.0.
        percentile: 100 makes it the Hausdorff distance. Defaults to 95.0.
        pooled: as above: True as MedPy does, with which most tables on ACDC are
            made, False as MONAI and (weighing by area) DeepMind's surface-distance
            do. Defaults to True.
        empty: the result where both masks are empty. None means NaN: there is
            nothing to measure. Defaults to None.
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
    return percentile_of(found, percentile, pooled)


@export
def average_symmetric_surface_distance(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    spacing: float | Sequence[float] = 1.0,
    *,
    empty: float | None = None,
    missing: float | str = "diagonal",
) -> float:
    """The mean distance between two masks' surfaces (ASSD), in mm.

    ```
    ASSD = (sum d(true, pred) + sum d(pred, true)) / (|S(true)| + |S(pred)|)
    ```

    with S and d as in `hausdorff_distance_95`. MedPy's `assd` is this since 0.5; up to
    0.4 it was the mean of the two means, which differs where the surfaces' sizes do.

    Args:
        y_true: mask, any number of axes; what exceeds 0 is in it.
        y_pred: mask of the same shape.
        spacing: mm a pixel, one number or one an axis. Defaults to 1.0.
        empty: the result where both masks are empty. None means NaN. Defaults to
            None.
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
    return mean_of(_distances(y_true, y_pred, spacing, empty, missing))


def _distances(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    spacing: float | Sequence[float],
    empty: float | None,
    missing: float | str,
) -> Distances:
    true, pred = checked_masks(y_true, y_pred)
    steps = checked_steps(spacing, true.ndim)
    check_missing(missing)
    return surface_distances(true, pred, steps, checked_empty(empty), missing)
