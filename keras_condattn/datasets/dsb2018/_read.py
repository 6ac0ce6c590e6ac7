"""Reads the labels of one picture, and refuses what cannot be what it should be."""

import pathlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from keras_condattn.datasets._pictures import SIXTEEN_BIT, decoded
from keras_condattn.datasets.dsb2018._files import Record


def read_instances(record: Record, shape: tuple[int, ...]) -> NDArray[np.int32]:
    """The instance numbers (H, W) of a record: 0 background, else one a nucleus.

    Masks are numbered from 1 in the order of their names. Where two of them
    overlap, the first keeps the pixel.

    Args:
        record: whose files to read.
        shape: (H, W) of its image.

    Raises:
        ValueError: for a damaged file, one of another size, or one that does not
            hold whole numbers.
    """
    if not record.masks:
        return _checked_label(record.labels[0], shape, lambda mode: mode)
    instances = np.zeros(shape, dtype="int32")
    for number, path in enumerate(record.labels, start=1):
        mask = _checked_label(path, shape, _mode_of_mask) > 0
        instances[mask & (instances == 0)] = number
    return instances


def _mode_of_mask(mode: str) -> str:
    """A mask saved in colour still says where it is black."""
    return mode if mode in (*SIXTEEN_BIT, "F", "1") else "L"


def _checked_label(
    path: pathlib.Path, shape: tuple[int, ...], as_mode: Callable[[str], str]
) -> NDArray[np.int32]:
    mode, values = decoded(path, as_mode)
    if values.ndim != 2 or values.dtype.kind not in "biu":
        raise ValueError(
            f"{path}: a label holds one whole number a pixel, got mode {mode} "
            f"({values.dtype}, shape {values.shape})"
        )
    if values.shape != tuple(shape):
        raise ValueError(
            f"{path}: the label is {values.shape[0]} x {values.shape[1]} pixels and "
            f"its image is {shape[0]} x {shape[1]}"
        )
    if values.dtype.kind == "i" and values.min() < 0:
        raise ValueError(f"{path}: a label has no negative numbers")
    return values.astype("int32")
