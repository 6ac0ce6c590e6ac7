"""Where a released parameter goes, and how arrays turn into Keras's layouts."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

Transform: TypeAlias = Callable[[Any], np.ndarray]


class Slot(NamedTuple):
    """A variable, and what turns the released array into its layout."""

    variable: Any
    transform: Transform = np.asarray


Slots: TypeAlias = dict[str, Slot]
Converter: TypeAlias = Callable[[Any], Slots]


class Unused:
    """Stands for a variable that ours does without: checked for shape, and dropped."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def assign(self, value: np.ndarray) -> None:
        """Keeps nothing."""


def reshaped(source: tuple[int, ...], target: tuple[int, ...]) -> Transform:
    """An array of shape `source` in shape `target`; another one as it is."""

    def transform(array: Any) -> np.ndarray:
        values: np.ndarray = np.asarray(array)
        return values.reshape(target) if values.shape == source else values

    return transform


def turned(*axes: int) -> Transform:
    """An array with its axes in this order; one of another rank as it is."""

    def transform(array: Any) -> np.ndarray:
        values: np.ndarray = np.asarray(array)
        return values.transpose(axes) if values.ndim == len(axes) else values

    return transform


def outputs_last(array: Any) -> np.ndarray:
    """(O, I, *S), a convolution's kernel in PyTorch, -> (*S, I, O), of any rank."""
    values: np.ndarray = np.asarray(array)
    return np.moveaxis(values, (0, 1), (-1, -2)) if values.ndim > 2 else values


# PyTorch has (out, in, h, w), Keras (h, w, in, out); depthwise, (C, 1, h, w) and
# (h, w, C, 1); dense, (out, in) and (in, out).
CONVOLUTION = turned(2, 3, 1, 0)
DEPTHWISE = turned(2, 3, 0, 1)
DENSE = turned(1, 0)


def torch_layer(name: str, layer: Any, transform: Transform = CONVOLUTION) -> Slots:
    """`<name>.weight` and, where the layer has one, `<name>.bias`."""
    slots = {f"{name}.weight": Slot(layer.kernel, transform)}
    if layer.use_bias:
        slots[f"{name}.bias"] = Slot(layer.bias)
    return slots


def torch_norm(name: str, norm: Any) -> Slots:
    """A layer or a batch normalisation under PyTorch's names."""
    slots = {f"{name}.weight": Slot(norm.gamma), f"{name}.bias": Slot(norm.beta)}
    if hasattr(norm, "moving_mean"):
        slots[f"{name}.running_mean"] = Slot(norm.moving_mean)
        slots[f"{name}.running_var"] = Slot(norm.moving_variance)
        slots[f"{name}.num_batches_tracked"] = Slot(Unused())
    return slots
