"""Between modalities: the map of one is the transformed map of another."""

from typing import Any

import keras
from keras import ops

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Tensor
from keras_condattn.losses._batch_loss import BatchLoss
from keras_condattn.losses._maps import as_map, entries, pair_of_maps, per_sample

REDUCTIONS = ("mean", "sum")
# The smallest normal number of float32: whether smaller ones are 0 is the device's.
TINY = 1.1754944e-38


@export
def cross_modality_equivariance(
    cam: Tensor,
    target: Tensor,
    weight: Tensor,
    *,
    reduction: str = "mean",
    data_format: DataFormat | None = None,
) -> Tensor:
    """Pulls the shape of a map to that of another modality's map.

    ```
    L = mean over B, S and K of weight_b (cam / |cam| - target / |target|)^2
    ```

    with norms over the pixels of each sample and class, and no gradient into the
    target. `reduction="sum"` adds over the pixels in place of the mean.

    Unit vectors without negative entries are at most sqrt(2) apart, so the mean form
    is at most 2 / (number of pixels): 3.5e-5 at 240 x 240, and of little effect
    beside other terms. The sum form is at most 2 whatever the size.

    Args:
        cam: (B, *S, K), not negative; (B, K, *S) in channels_first.
        target: the other modality's map, of that shape.
        weight: (B,): 1 where the label is positive and the other modality's network
            says so, else 0.
        reduction: `"mean"` over the pixels, as released, or `"sum"`. Defaults to
            `"mean"`.
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.

    Returns:
        A scalar, float32; 0 where every weight is 0.

    Raises:
        ValueError: for shapes that do not fit each other, or another reduction.

    Example:

    >>> left, right = np.eye(2).reshape((2, 1, 1, 2, 1))
    >>> loss = keras_condattn.losses.cross_modality_equivariance(
    ...     left, right, np.ones(1), reduction="sum", data_format="channels_last"
    ... )
    >>> float(loss)
    2.0

    Reference:
        arXiv 2104.02488, as released. A map of zeros has no shape: here it is 0
        and gets no gradient, where the release divides by a norm of 1e-12. Which
        reduction the paper's tables used is not known.
    """
    _check_reduction(reduction)
    first, second, axes = pair_of_maps(cam, "target", target, data_format)
    w = per_sample("weight", weight, first)
    apart = _unit(first, axes) - _unit(ops.stop_gradient(second), axes)
    squares = w * ops.square(apart)
    if reduction == "mean":
        return ops.mean(squares)
    return ops.mean(ops.sum(squares, axis=axes))


def _unit(p: Tensor, axes: list[int]) -> Tensor:
    # Over the maximum first, or the squares of a faint map would be 0. A unit vector
    # does not depend on it, so neither does the gradient.
    top = ops.stop_gradient(ops.max(ops.abs(p), axis=axes, keepdims=True))
    blank = top < TINY
    # Twice `where`: the branch not taken would put NaN into the gradient.
    scaled = p / ops.where(blank, ops.ones_like(top), top)
    squared = ops.sum(ops.square(scaled), axis=axes, keepdims=True)
    norm = ops.sqrt(ops.where(blank, ops.ones_like(squared), squared))
    # 0 p in place of 0: NaN stays NaN, which the maximum of XLA may lose.
    return ops.where(blank, 0.0 * p, scaled / norm)


def _check_reduction(reduction: str) -> None:
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be 'mean' or 'sum', got {reduction!r}")


@export
class CrossModalityEquivariance(BatchLoss):
    """`cross_modality_equivariance` as a loss of a map, beside its target.

    ```
    call({"class_activation_map": M, "weight": w}, A)
        = cross_modality_equivariance(A, M, w)
    ```

    Args:
        pixels: the reduction over pixels, `"mean"` or `"sum"`. Defaults to `"mean"`.
        data_format: as in `cross_modality_equivariance`. Defaults to None.
        name: of the loss. Defaults to "cross_modality_equivariance".

    Call arguments:
        y_true: a dict of `"class_activation_map"`, shaped like `y_pred`, and
            `"weight"` (B,).
        y_pred: (B, *S, K).

    Returns:
        A scalar.

    Raises:
        ValueError: as `cross_modality_equivariance`, and where `y_true` lacks an
            entry.

    Example:

    >>> loss = keras_condattn.losses.CrossModalityEquivariance(
    ...     data_format="channels_last"
    ... )
    >>> true = {"class_activation_map": np.ones((1, 2, 2, 1)), "weight": np.ones(1)}
    >>> float(loss.call(true, 3 * np.ones((1, 2, 2, 1))))
    0.0

    Reference:
        As `cross_modality_equivariance`.
    """

    def __init__(
        self,
        pixels: str = "mean",
        data_format: DataFormat | None = None,
        name: str = "cross_modality_equivariance",
    ) -> None:
        super().__init__(name=name)
        if pixels not in REDUCTIONS:
            raise ValueError(f"pixels must be 'mean' or 'sum', got {pixels!r}")
        self.pixels = pixels
        self.data_format = data_format or keras.config.image_data_format()
        as_map("cam", ops.zeros((1, 1, 1)), self.data_format)

    def call(self, y_true: Any, y_pred: Tensor) -> Tensor:
        target, weight = entries("y_true", y_true, "class_activation_map", "weight")
        return cross_modality_equivariance(
            y_pred, target, weight, reduction=self.pixels, data_format=self.data_format
        )

    def get_config(self) -> dict[str, Any]:
        names = ("pixels", "data_format", "name")
        return {name: getattr(self, name) for name in names}
