"""The gated conditional random field loss of scribble supervision."""

from typing import Any

from keras import ops

from keras_condattn._export import export
from keras_condattn._loop import serial_loop
from keras_condattn._types import DataFormat, Tensor
from keras_condattn._window import closeness
from keras_condattn.losses._batch_loss import BatchLoss
from keras_condattn.losses._checks import (
    as_channels_last,
    check_grids,
    check_ignored,
    check_window,
    format_of,
    probabilities_of,
)


@export
def gated_crf(
    probabilities: Tensor,
    image: Tensor,
    unlabelled: Tensor | None = None,
    *,
    radius: int = 5,
    sigma_xy: float = 6.0,
    sigma_image: float = 0.1,
    data_format: DataFormat | None = None,
) -> Tensor:
    """Punishes a pixel for another class than its look-alikes nearby have.

    ```
    L    = sum_{i unlabelled} sum_{j in window(i), j != i} k_ij (1 - p_i . p_j)
           / max(number of unlabelled i, 1)
    k_ij = exp(-|xy_i - xy_j|^2 / (2 sigma_xy^2) - |I_i - I_j|^2 / (2 sigma_image^2))
    ```

    Windows are (2 radius + 1)^2 pixels; neighbours outside the image are left out.

    The loss is quadratic in p, so its gradient -sum_j (k_ij m_i + k_ji m_j) p_j is
    collected in the forward pass, in a loop over the offsets that nothing is
    differentiated through: memory is a few images whatever the radius, and the
    backward pass costs one multiplication. No gradient reaches the image, and second
    derivatives are not those of the formula.

    Args:
        probabilities: (B, H, W, K), not logits.
        image: (B, H, W, M), any number of channels, in the units of `sigma_image`.
        unlabelled: (B, H, W), the pixels i of the sum: True or above 0. None means
            all of them. Defaults to None.
        radius: of the window in pixels; larger than the image is allowed. Defaults
            to 5.
        sigma_xy: in pixels. Defaults to 6.0.
        sigma_image: in the image's units. Defaults to 0.1.
        data_format: `"channels_last"` or `"channels_first"`, of `probabilities` and
            `image`. None means `keras.config.image_data_format()`. Defaults to None.

    Returns:
        A scalar, float32; 0 where no pixel is unlabelled.

    Raises:
        ValueError: for shapes that do not fit each other, or an argument out of its
            range.

    Example:

    >>> flat = np.full((1, 4, 4, 2), 0.5)
    >>> loss = keras_condattn.losses.gated_crf(
    ...     flat, np.zeros((1, 4, 4, 1)), radius=1, data_format="channels_last"
    ... )
    >>> round(float(loss), 3)  # 84 pairs of 16 pixels, each (1 - 1/2) k
    2.573

    Reference:
        Obukhov et al., "Gated CRF Loss for Weakly Supervised Semantic Image
        Segmentation", arXiv 1906.04651; masked as in AttenScribble (arXiv
        2312.06614). The released code pads with zeros and so counts neighbours
        beyond the border, at the origin and of no class: a constant without
        gradient, which is left out here.
    """
    check_window(radius, sigma_xy=sigma_xy, sigma_image=sigma_image)
    p = as_channels_last("probabilities", probabilities, data_format)
    features = as_channels_last("image", image, data_format)
    check_grids(p, image=features, unlabelled=unlabelled)
    mask = _mask(unlabelled, p)
    total, message = _filtered(
        ops.stop_gradient(p), ops.stop_gradient(features) / sigma_image, mask,
        radius, sigma_xy,
    )  # fmt: skip
    # Worth total - sum(p message) / 2, with the gradient -message.
    agreement = ops.sum(p * message)
    value = total - agreement + ops.stop_gradient(agreement) / 2
    return value / ops.maximum(ops.sum(mask), 1.0)


def _mask(unlabelled: Tensor | None, p: Tensor) -> Tensor:
    if unlabelled is None:
        return ops.ones_like(p[..., :1])
    mask = ops.convert_to_tensor(unlabelled)
    return ops.cast(ops.cast(mask, "float32") > 0, "float32")[..., None]


def _filtered(
    p: Tensor, features: Tensor, mask: Tensor, radius: int, sigma_xy: float
) -> tuple[Tensor, Tensor]:
    """sum_ij w_ij / 2 and sum_j w_ij p_j, where w_ij = k_ij (m_i + m_j).

    A loop over the places of the window, so that one shifted copy lives at a time.
    """
    near = ops.convert_to_tensor(closeness(radius, sigma_xy), "float32")
    side, channels = 2 * radius + 1, features.shape[-1]
    # Whole planes in front: w_ij times a few classes that lie beside each other costs
    # TensorFlow three times as much.
    p, features, mask = (ops.moveaxis(x, -1, 0) for x in (p, features, mask))
    # What is outside the image has no weight: 1 inside, in a plane of its own.
    planes = ops.concatenate([features, ops.ones_like(mask), mask, p], axis=0)
    around = ops.pad(planes, [(0, 0), (0, 0), (radius, radius), (radius, radius)])
    shape = ops.shape(planes)

    def body(place: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        there = ops.slice(around, (0, 0, place // side, place % side), shape)
        apart = ops.sum(ops.square(features - there[:channels]), axis=0)
        inside, other = there[channels], there[channels + 1 :]
        weight = near[place] * ops.exp(-0.5 * apart) * inside * (mask[0] + other[0])
        return state[0] + ops.sum(weight), state[1] + weight * other[1:]

    start = (ops.zeros((), "float32"), ops.zeros_like(p))
    total, message = serial_loop(side * side, body, start)
    message = ops.moveaxis(message, 0, -1)
    return ops.stop_gradient(total) / 2, ops.stop_gradient(message)


@export
class GatedCRF(BatchLoss):
    """`gated_crf` as a loss of logits, beside image and scribble.

    ```
    call({"image": I, "scribble": s}, x) = gated_crf(softmax(x), I, s == ignore_class)
    ```

    Args:
        ignore_class: the scribble's number for unlabelled pixels; None takes every
            pixel, and needs no scribble. Defaults to None.
        radius: as in `gated_crf`. Defaults to 5.
        sigma_xy: as in `gated_crf`. Defaults to 6.0.
        sigma_image: as in `gated_crf`. Defaults to 0.1.
        from_logits: whether predictions are logits. Defaults to True.
        data_format: as in `gated_crf`. Defaults to None.
        name: of the loss. Defaults to "gated_crf".

    Call arguments:
        y_true: a dict of `"image"` (B, H, W, M) and `"scribble"` (B, H, W).
        y_pred: (B, H, W, K).

    Returns:
        A scalar.

    Raises:
        ValueError: as `gated_crf`, and where `y_true` lacks an entry.

    Example:

    >>> loss = keras_condattn.losses.GatedCRF(4, data_format="channels_last")
    >>> true = {"image": np.zeros((1, 8, 8, 1)), "scribble": np.full((1, 8, 8), 4)}
    >>> float(loss.call(true, np.zeros((1, 8, 8, 2)))) > 0
    True

    Reference:
        As `gated_crf`.
    """

    def __init__(
        self,
        ignore_class: int | None = None,
        radius: int = 5,
        sigma_xy: float = 6.0,
        sigma_image: float = 0.1,
        from_logits: bool = True,
        data_format: DataFormat | None = None,
        name: str = "gated_crf",
    ) -> None:
        super().__init__(name=name)
        check_window(radius, sigma_xy=sigma_xy, sigma_image=sigma_image)
        check_ignored(ignore_class)
        self.ignore_class, self.from_logits = ignore_class, from_logits
        self.radius, self.sigma_xy, self.sigma_image = radius, sigma_xy, sigma_image
        self.data_format = format_of(data_format)

    def call(self, y_true: Any, y_pred: Tensor) -> Tensor:
        wanted = {"image"} | ({"scribble"} if self.ignore_class is not None else set())
        if not isinstance(y_true, dict) or not wanted <= set(y_true):
            raise ValueError(
                f"y_true must be a dict of {sorted(wanted)}, got "
                f"{sorted(y_true) if isinstance(y_true, dict) else type(y_true)}"
            )
        unlabelled = None
        if self.ignore_class is not None:
            unlabelled = ops.equal(
                ops.cast(y_true["scribble"], "int32"), self.ignore_class
            )
        return gated_crf(
            probabilities_of(y_pred, self.from_logits, self.data_format),
            y_true["image"], unlabelled, radius=self.radius, sigma_xy=self.sigma_xy,
            sigma_image=self.sigma_image, data_format=self.data_format,
        )  # fmt: skip

    def get_config(self) -> dict[str, Any]:
        names = ("ignore_class", "radius", "sigma_xy", "sigma_image", "from_logits",
                 "data_format", "name")  # fmt: skip
        return {name: getattr(self, name) for name in names}
