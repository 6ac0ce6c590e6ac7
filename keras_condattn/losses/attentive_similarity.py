"""The attentive similarity loss: look-alikes by attention share their class."""

from typing import Any

from keras import ops

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Tensor
from keras_condattn._window import closeness, inside
from keras_condattn._window_products import window_products
from keras_condattn.losses._batch_loss import BatchLoss
from keras_condattn.losses._checks import (
    as_channels_last,
    check_window,
    format_of,
    probabilities_of,
)


@export
def attentive_similarity(
    probabilities: Tensor,
    similarity: Tensor,
    *,
    radius: int = 5,
    sigma_xy: float = 6.0,
    single_class: Tensor | None = None,
    data_format: DataFormat | None = None,
) -> Tensor:
    """Punishes neighbours for other classes than what attention finds similar has.

    ```
    L    = 1 / (B h w) sum_i sum_{j in window(i), j != i} K_ij G_ij (1 - p_i . p_j)
    G_ij = exp(-|xy_i - xy_j|^2 / (2 sigma_xy^2))
    p    = probabilities, resized bilinearly to the grid (h, w) of K
    ```

    Nothing rewards a large K: K = 0 minimises L whatever p is. Watch the mean of K
    in training.

    Gradients reach both p and K; as in `gated_crf` they are collected in a loop that
    nothing is differentiated through. Second derivatives are not those of the
    formula.

    Args:
        probabilities: (B, H, W, C), not logits.
        similarity: (B, h, w, (2 radius + 1)^2), K of each pixel and its neighbours,
            rows outermost, as `layers.AttentiveSimilarity` emits it: always
            channels-last, 0 outside the image and at the centre.
        radius: of that window, in pixels of the grid of K. Defaults to 5.
        sigma_xy: likewise. Defaults to 6.0.
        single_class: (B,), True for samples whose K counts as 0 (they stay in the
            denominator): those of which only one class is known. None means no
            such sample. Defaults to None.
        data_format: of `probabilities`. None means
            `keras.config.image_data_format()`. Defaults to None.

    Returns:
        A scalar, float32.

    Raises:
        ValueError: for shapes that do not fit each other or `radius`.

    Example:

    >>> flat = np.full((1, 4, 4, 2), 0.5)
    >>> similar = np.zeros((1, 2, 2, 9))
    >>> similar[0, 0, 0, 5] = 1.0  # the first pixel and its neighbour on the right
    >>> loss = keras_condattn.losses.attentive_similarity(
    ...     flat, similar, radius=1, data_format="channels_last"
    ... )
    >>> round(float(loss), 4)  # exp(-1 / 72) / 2 / 4 pixels
    0.1233

    Reference:
        AttenScribble, arXiv 2312.06614. The released code holds K and G as (h w)^2
        matrices; the numbers are the same.
    """
    check_window(radius, sigma_xy=sigma_xy)
    p = as_channels_last("probabilities", probabilities, data_format)
    K = ops.cast(ops.convert_to_tensor(similarity), "float32")
    _check_similarity(p, K, radius)
    p = _resized(p, K)
    if single_class is not None:
        counted = 1.0 - _flags(single_class, p)
        K = K * counted[:, None, None, None]
    near = ops.convert_to_tensor(closeness(radius, sigma_xy), "float32")
    _, height, width, _ = ops.shape(K)
    known = inside(height, width, radius)
    unlike = near * (known - window_products(p, p, radius))
    pixels = ops.cast(ops.prod(ops.shape(K)[:3]), "float32")
    return ops.sum(K * unlike) / pixels


def _resized(p: Tensor, K: Tensor) -> Tensor:
    """p on the grid of K, bilinearly."""
    sizes = (*p.shape[1:3], *K.shape[1:3])
    if None not in sizes:
        if sizes[:2] == sizes[2:]:
            return p
        return ops.image.resize(p, sizes[2:], "bilinear", data_format="channels_last")
    # Keras resizes to known sizes only. Pixels are squares: theirs are the centres.
    for axis in (1, 2):
        old, new = ops.shape(p)[axis], ops.shape(K)[axis]
        step = ops.cast(old, "float32") / ops.cast(new, "float32")
        at = (ops.cast(ops.arange(new), "float32") + 0.5) * step - 0.5
        at = ops.clip(at, 0.0, ops.cast(old - 1, "float32"))[:, None]
        apart = ops.abs(at - ops.cast(ops.arange(old), "float32"))
        weights = ops.maximum(1.0 - apart, 0.0)
        p = ops.einsum("no,bowc->bnwc" if axis == 1 else "no,bhoc->bhnc", weights, p)
    return p


def _check_similarity(p: Tensor, K: Tensor, radius: int) -> None:
    places = (2 * radius + 1) ** 2
    if len(K.shape) != 4 or K.shape[-1] != places:
        raise ValueError(
            f"similarity must have shape (B, h, w, {places}), the places of a window "
            f"of radius {radius}, got {tuple(K.shape)}"
        )
    if None not in (K.shape[0], p.shape[0]) and K.shape[0] != p.shape[0]:
        raise ValueError(
            f"similarity must hold the {p.shape[0]} samples of probabilities, got "
            f"{K.shape[0]}"
        )


def _flags(single_class: Tensor, p: Tensor) -> Tensor:
    flags = ops.convert_to_tensor(single_class)
    if len(flags.shape) != 1 or flags.shape[0] not in (None, p.shape[0]):
        raise ValueError(
            f"single_class must hold one flag a sample, shape ({p.shape[0]},), got "
            f"{tuple(flags.shape)}"
        )
    return ops.cast(ops.not_equal(ops.cast(flags, "float32"), 0.0), "float32")


@export
class AttentiveSimilarityLoss(BatchLoss):
    """`attentive_similarity` as a loss of logits, beside the similarity.

    ```
    call({"similarity": K, "single_class": s}, logits)
        = attentive_similarity(softmax(logits), K, single_class=s)
    ```

    Args:
        radius: as in `attentive_similarity`. Defaults to 5.
        sigma_xy: as in `attentive_similarity`. Defaults to 6.0.
        from_logits: whether predictions are logits. Defaults to True.
        data_format: as in `attentive_similarity`. Defaults to None.
        name: of the loss. Defaults to "attentive_similarity".

    Call arguments:
        y_true: a dict of `"similarity"` (B, h, w, (2 radius + 1)^2) and, where
            wanted, `"single_class"` (B,). Gradients reach the similarity.
        y_pred: (B, H, W, C).

    Returns:
        A scalar.

    Raises:
        ValueError: as `attentive_similarity`, and where `y_true` has no similarity.

    Example:

    >>> loss = keras_condattn.losses.AttentiveSimilarityLoss(
    ...     1, data_format="channels_last"
    ... )
    >>> float(loss.call({"similarity": np.zeros((1, 2, 2, 9))}, np.zeros((1, 4, 4, 2))))
    0.0

    Reference:
        As `attentive_similarity`.
    """

    def __init__(
        self,
        radius: int = 5,
        sigma_xy: float = 6.0,
        from_logits: bool = True,
        data_format: DataFormat | None = None,
        name: str = "attentive_similarity",
    ) -> None:
        super().__init__(name=name)
        check_window(radius, sigma_xy=sigma_xy)
        self.radius, self.sigma_xy, self.from_logits = radius, sigma_xy, from_logits
        self.data_format = format_of(data_format)

    def call(self, y_true: Any, y_pred: Tensor) -> Tensor:
        if not isinstance(y_true, dict) or "similarity" not in y_true:
            raise ValueError(
                "y_true must be a dict with 'similarity', got "
                f"{sorted(y_true) if isinstance(y_true, dict) else type(y_true)}"
            )
        return attentive_similarity(
            probabilities_of(y_pred, self.from_logits, self.data_format),
            y_true["similarity"], radius=self.radius, sigma_xy=self.sigma_xy,
            single_class=y_true.get("single_class"), data_format=self.data_format,
        )  # fmt: skip

    def get_config(self) -> dict[str, Any]:
        names = ("radius", "sigma_xy", "from_logits", "data_format", "name")
        return {name: getattr(self, name) for name in names}
