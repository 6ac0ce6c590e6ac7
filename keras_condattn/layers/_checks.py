"""Checks that several layers make of what comes in."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_condattn._types import DataFormat, Tensor


def check_data_format(data_format: DataFormat | None) -> str:
    """The data format in force, or a ValueError that names the two there are."""
    if data_format is None:
        return str(keras.config.image_data_format())
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(
            "data_format must be 'channels_last', 'channels_first' or None for "
            f"keras.config.image_data_format(), got {data_format!r}"
        )
    return data_format


def check_finite(argument: str, value: Any) -> None:
    """Raises ValueError where `value` holds NaN or infinity and can be looked at.

    Inside a compiled step (TensorFlow graph, JAX jit) or an export there is no
    value to look at yet, and nothing is checked.
    """
    array = concrete(value)
    if array is None or np.isfinite(array).all():
        return
    rows = np.unique(np.argwhere(~np.isfinite(array))[:, 0]).tolist()
    raise ValueError(
        f"{argument} must be finite, got NaN or infinity for image(s) {rows[:8]} of "
        f"{len(array)}; fill in or leave out what is not known"
    )


def concrete(value: Tensor) -> np.ndarray | None:
    """`value` as a NumPy array, or None where it is only a symbol of one."""
    if isinstance(value, keras.KerasTensor):
        return None
    try:
        array = ops.convert_to_numpy(value)
        # A bfloat16 array has no isfinite of its own.
        return np.asarray(array, "float32")
    except Exception:
        # Every backend has its own error for "this is a tracer".
        return None
