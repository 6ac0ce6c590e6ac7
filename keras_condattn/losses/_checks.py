"""What the losses refuse, and how tensors reach them."""

import math
from typing import Any

import keras
from keras import ops

from keras_condattn._types import Tensor


def as_channels_last(name: str, x: Tensor, data_format: str | None) -> Tensor:
    """(B, H, W, C) in float32, whatever the data format."""
    tensor = ops.convert_to_tensor(x)
    data_format = data_format or keras.config.image_data_format()
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(
            "data_format must be 'channels_last' or 'channels_first', got "
            f"{data_format!r}"
        )
    if len(tensor.shape) != 4:
        layout = "(B, C, H, W)" if data_format == "channels_first" else "(B, H, W, C)"
        raise ValueError(f"{name} must have shape {layout}, got {tuple(tensor.shape)}")
    tensor = ops.cast(tensor, "float32")
    return ops.moveaxis(tensor, 1, -1) if data_format == "channels_first" else tensor


def probabilities_of(y_pred: Tensor, from_logits: bool, data_format: str) -> Tensor:
    """Softmax over the channels where predictions are logits."""
    if not from_logits:
        return y_pred
    axis = 1 if data_format == "channels_first" else -1
    return ops.softmax(ops.cast(y_pred, "float32"), axis=axis)


def check_window(radius: Any, **sigmas: float) -> None:
    """Raises ValueError for a radius or a width that cannot be."""
    if isinstance(radius, bool) or not isinstance(radius, int) or radius < 1:
        raise ValueError(f"radius must be a whole number from 1, got {radius!r}")
    for name, sigma in sigmas.items():
        if not 0 < sigma < math.inf:
            raise ValueError(f"{name} must be a number above 0, got {sigma!r}")


def check_grids(p: Tensor, **others: Tensor | None) -> None:
    """Raises ValueError where something does not lie on the pixels of p."""
    for name, other in others.items():
        if other is None:
            continue
        got, wanted = tuple(other.shape)[:3], tuple(p.shape)[:3]
        fits = len(got) == 3 and all(
            None in pair or pair[0] == pair[1] for pair in zip(got, wanted, strict=True)
        )
        if not fits:
            raise ValueError(
                f"{name} must lie on the pixels of probabilities, {wanted} (B, H, W), "
                f"got {got}"
            )
