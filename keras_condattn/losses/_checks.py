"""What the losses refuse, and how tensors reach them."""

import math
import numbers
from typing import Any, cast

import keras
from keras import ops

from keras_condattn._types import DataFormat, Tensor


def format_of(data_format: str | None) -> DataFormat:
    """The data format in force, or a ValueError that names the two there are."""
    chosen = data_format or keras.config.image_data_format()
    if chosen not in ("channels_last", "channels_first"):
        raise ValueError(
            "data_format must be 'channels_last' or 'channels_first', got "
            f"{data_format!r}"
        )
    return cast(DataFormat, chosen)


def as_channels_last(name: str, x: Tensor, data_format: str | None) -> Tensor:
    """(B, H, W, C) in float32, whatever the data format."""
    tensor = ops.convert_to_tensor(x)
    data_format = format_of(data_format)
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
    check_positive(**sigmas)


def check_positive(**given: Any) -> None:
    """Raises ValueError for what is not a finite number above 0."""
    for name, value in given.items():
        if not is_number(value) or not 0 < value < math.inf:
            raise ValueError(f"{name} must be a number above 0, got {value!r}")


def check_not_negative(**given: Any) -> None:
    """Raises ValueError for what is not a finite number from 0."""
    for name, value in given.items():
        if not is_number(value) or not 0 <= value < math.inf:
            raise ValueError(f"{name} must be a number of at least 0, got {value!r}")


def is_number(value: Any) -> bool:
    """Whether it is a real number; True and False are none."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def check_grids(p: Tensor, **others: Tensor | None) -> None:
    """Raises ValueError where something does not lie on the pixels of p."""
    for name, other in others.items():
        if other is None:
            continue
        got, wanted = tuple(other.shape), tuple(p.shape)[:3]
        axes = 4 if name == "image" else 3  # it has channels, the others have none
        fits = len(got) == axes and all(
            None in pair or pair[0] == pair[1]
            for pair in zip(got[:3], wanted, strict=True)
        )
        if not fits:
            raise ValueError(
                f"{name} must lie on the pixels of probabilities, {wanted} (B, H, W), "
                f"got {got}"
            )


def check_ignored(ignore_class: Any) -> None:
    """Raises ValueError for what is no number of a class, and not None."""
    whole = isinstance(ignore_class, int) and not isinstance(ignore_class, bool)
    if ignore_class is not None and not whole:
        raise ValueError(
            f"ignore_class must be a whole number or None, got {ignore_class!r}"
        )


def beyond(name: str, labels: Tensor, classes: int, ignored: int | None = None) -> Any:
    """0, or NaN where a label is none of the classes and the values are not known yet.

    Raises:
        ValueError: where they are known, outside compiled steps.
    """
    fine = ops.logical_and(labels >= 0, labels < classes)
    if ignored is not None:
        fine = ops.logical_or(fine, ops.equal(labels, ignored))
    every = ops.all(fine)
    try:
        known = bool(every)
    except Exception:  # every backend has its own error for "this is a tracer"
        return ops.where(every, 0.0, float("nan"))
    if not known:
        left = "" if ignored is None else f", or {ignored} where unlabelled"
        got = ops.convert_to_numpy(labels)[~ops.convert_to_numpy(fine)]
        raise ValueError(
            f"{name} must hold classes from 0 to {classes - 1}{left}, got "
            f"{sorted(set(got.tolist()))[:5]}"
        )
    return 0.0
