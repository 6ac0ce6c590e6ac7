"""What a segmented volume is worth, class by class."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_condattn._export import export
from keras_condattn.metrics._checks import check_labels
from keras_condattn.metrics._surfaces import (
    check_missing,
    check_same_shape,
    checked_steps,
    mean_of,
    percentile_of,
    surface_distances,
)

Empty = Literal["nan", "perfect"]


@export
def volume_scores(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    spacing: float | Sequence[float],
    *,
    classes: int,
    empty: Empty = "nan",
    missing: float | str = "diagonal",
) -> dict[int, dict[str, float]]:
    """Dice, HD95 and ASSD of each class but 0 in one volume of class numbers.

    ```
    Dice(c) = 2 |true == c and pred == c| / (|true == c| + |pred == c|)
    ```

    over all pixels of the volume at once (3-D Dice, hard); HD95 and ASSD in mm as in
    `hausdorff_distance_95` (pooled) and `average_symmetric_surface_distance`.

    Empty masks: where both have no pixel of a class, all three are 0/0, and `empty`
    says what stands there. Where only one has none, the class was missed or made up:
    Dice is 0, and `missing` says what the distances are.

    Args:
        y_true: class numbers, any number of axes, e.g. (D, H, W).
        y_pred: class numbers, of the same shape.
        spacing: mm a pixel, one number or one an axis, e.g. (slices, rows, columns).
        classes: how many there are, class 0, the background, included.
        empty: `"nan"`, to be left out of means (`np.nanmean`), or `"perfect"`, Dice
            1 and 0 mm. Defaults to "nan".
        missing: `"diagonal"`, the volume's diagonal in mm, or a number. Defaults to
            "diagonal".

    Returns:
        class number -> `{"dice": ..., "hd95": ..., "assd": ...}`.

    Raises:
        ValueError: for volumes that differ in shape or hold other numbers than
            classes, or an argument out of its range.
        ImportError: where scipy is missing.

    Example:

    >>> true = np.zeros((1, 8, 8), "uint8"); true[0, 2:5, 2:5] = 1
    >>> pred = np.roll(true, 1, axis=2)
    >>> found = keras_condattn.metrics.volume_scores(
    ...     true, pred, (10.0, 1.5, 1.5), classes=3
    ... )
    >>> found[1]
    {'dice': 0.6666666666666666, 'hd95': 1.5, 'assd': 0.5}
    >>> found[2]["dice"]
    nan

    Reference:
        The published evaluation on ACDC is per volume, in 3-D: Bernard et al., IEEE
        TMI 37(11), 2018.
    """
    if isinstance(classes, bool) or not isinstance(classes, int) or classes < 2:
        raise ValueError(
            "classes must be a whole number of at least 2, the background included, "
            f"got {classes!r}"
        )
    if empty not in ("nan", "perfect"):
        raise ValueError(f"empty must be 'nan' or 'perfect', got {empty!r}")
    check_missing(missing)
    true, pred = np.asarray(y_true), np.asarray(y_pred)
    check_same_shape(true, pred)
    steps = checked_steps(spacing, true.ndim)
    for name, labels in (("y_true", true), ("y_pred", pred)):
        check_labels(name, labels, classes)
    return {c: _scores(true == c, pred == c, steps, empty, missing)
            for c in range(1, classes)}  # fmt: skip


def _scores(
    true: NDArray[Any],
    pred: NDArray[Any],
    steps: NDArray[np.float64],
    empty: Empty,
    missing: float | str,
) -> dict[str, float]:
    perfect = empty == "perfect"
    found = surface_distances(true, pred, steps, 0.0 if perfect else math.nan, missing)
    total = int(true.sum()) + int(pred.sum())
    absent = 1.0 if perfect else math.nan
    return {
        "dice": 2 * int((true & pred).sum()) / total if total else absent,
        "hd95": percentile_of(found, 95.0, pooled=True),
        "assd": mean_of(found),
    }
