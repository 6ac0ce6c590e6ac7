"""Within a modality: the map of a transformed image is the transformed map."""

from typing import Any

import keras
from keras import ops

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Tensor
from keras_condattn.losses._batch_loss import BatchLoss
from keras_condattn.losses._maps import as_map, entries, pair_of_maps, per_sample


@export
def equivariance(
    cam: Tensor,
    other: Tensor,
    positive: Tensor,
    *,
    data_format: DataFormat | None = None,
) -> Tensor:
    """Punishes two views' maps for disagreeing where the label is positive.

    ```
    L = mean over B, S and K of positive_b (cam - other)^2
    ```

    Gradients reach both maps. Samples that are not positive stay in the mean's
    denominator, so a batch without a positive one gives 0.

    Args:
        cam: (B, *S, K), e.g. T(normalize_cam(A(x))); (B, K, *S) in channels_first.
        other: the map to agree with, of that shape, e.g. normalize_cam(A(T(x))).
        positive: (B,), the weight of each sample: its label, 0 or 1.
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.

    Returns:
        A scalar, float32.

    Raises:
        ValueError: for shapes that do not fit each other.

    Example:

    >>> one, none = np.ones((2, 3, 3, 1)), np.zeros((2, 3, 3, 1))
    >>> loss = keras_condattn.losses.equivariance(
    ...     one, none, np.array([1.0, 0.0]), data_format="channels_last"
    ... )
    >>> float(loss)
    0.5

    Reference:
        arXiv 2104.02488, as released. Its configuration compares the map of the
        positive class only: pass that channel, or all of them.
    """
    first, second, _ = pair_of_maps(cam, "other", other, data_format)
    weight = per_sample("positive", positive, first)
    return ops.mean(weight * ops.square(first - second))


@export
class Equivariance(BatchLoss):
    """`equivariance` as a loss of a map, beside the other view's.

    ```
    call({"class_activation_map": M, "positive": w}, A) = equivariance(A, M, w)
    ```

    Args:
        data_format: as in `equivariance`. Defaults to None.
        name: of the loss. Defaults to "equivariance".

    Call arguments:
        y_true: a dict of `"class_activation_map"`, shaped like `y_pred`, and
            `"positive"` (B,).
        y_pred: (B, *S, K).

    Returns:
        A scalar.

    Raises:
        ValueError: as `equivariance`, and where `y_true` lacks an entry.

    Example:

    >>> loss = keras_condattn.losses.Equivariance(data_format="channels_last")
    >>> true = {"class_activation_map": np.zeros((1, 2, 2, 1)), "positive": np.ones(1)}
    >>> float(loss.call(true, np.ones((1, 2, 2, 1))))
    1.0

    Reference:
        As `equivariance`.
    """

    def __init__(
        self, data_format: DataFormat | None = None, name: str = "equivariance"
    ) -> None:
        super().__init__(name=name)
        self.data_format = data_format or keras.config.image_data_format()
        as_map("cam", ops.zeros((1, 1, 1)), self.data_format)

    def call(self, y_true: Any, y_pred: Tensor) -> Tensor:
        other, positive = entries("y_true", y_true, "class_activation_map", "positive")
        return equivariance(y_pred, other, positive, data_format=self.data_format)

    def get_config(self) -> dict[str, Any]:
        return {"data_format": self.data_format, "name": self.name}
