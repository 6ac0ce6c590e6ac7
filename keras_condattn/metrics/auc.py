"""The area under the ROC curve, exactly, of each class and on average."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_condattn._export import export
from keras_condattn.metrics._ranks import exceeding


@export
def mean_auc(
    y_true: ArrayLike, y_pred: ArrayLike, *, per_class: bool = False
) -> float | NDArray[np.float64]:
    """The mean over classes of the area under the ROC curve.

    ```
    AUC_k = P(p > n) + P(p = n) / 2     # p, n: scores of a positive and a negative
    mean  = the mean of AUC_k over the classes that have one
    ```

    This is the Mann-Whitney statistic, exact for any scores: logits and probabilities
    give the same. (`keras.metrics.AUC` counts at thresholds, 200 evenly spaced in
    [0, 1] by default, so scores that fall between two of them become ties: for a rare
    finding, whose probabilities are all small, that is most of them.)

    A class that is positive in no image, or in all, has no AUC: NaN, left out of the
    mean. Compare means only where the same classes count.

    Args:
        y_true: (B, K), 0 or 1; or (B,) for one class.
        y_pred: scores of the same shape, the higher the more positive.
        per_class: return each class instead of the mean. Defaults to False.

    Returns:
        The mean, NaN where no class has an AUC; or with `per_class` (K,).

    Raises:
        ValueError: for shapes that differ, labels other than 0 and 1, or NaN scores.

    Example:

    >>> truth = np.array([[0, 1], [1, 1], [0, 1], [1, 1]])
    >>> score = np.array([[0.1, 0.3], [0.9, 0.2], [0.2, 0.1], [0.2, 0.5]])
    >>> keras_condattn.metrics.mean_auc(truth, score)  # of class 0: (1+1+1+1/2) / 4
    0.875
    >>> keras_condattn.metrics.mean_auc(truth, score, per_class=True).tolist()
    [0.875, nan]

    Reference:
        Hanley and McNeil, "The meaning and use of the area under a receiver operating
        characteristic (ROC) curve", Radiology 143, 1982.
    """
    truth, score = _checked(np.asarray(y_true), np.asarray(y_pred))
    each = np.array(
        [
            exceeding(s[~positive], s[positive])
            for positive, s in zip(truth.T, score.T, strict=True)
        ]
    )
    if per_class:
        return each
    known = each[~np.isnan(each)]
    return float(known.mean()) if known.size else float("nan")


def _checked(
    truth: NDArray[Any], score: NDArray[Any]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Both as (B, K)."""
    if truth.shape != score.shape or truth.ndim not in (1, 2):
        raise ValueError(
            "y_true and y_pred must have one shape, (B, K) or (B,), got "
            f"{truth.shape} and {score.shape}"
        )
    wrong = truth[(truth != 0) & (truth != 1)]
    if wrong.size:
        raise ValueError(f"y_true must hold 0 and 1, got {np.unique(wrong)[:5]}")
    score = np.asarray(score, "float64")
    if np.isnan(score).any():
        raise ValueError("y_pred must be scores, got NaN in it")
    columns = (len(truth), -1) if truth.ndim == 1 else truth.shape
    return truth.reshape(columns) == 1, score.reshape(columns)
