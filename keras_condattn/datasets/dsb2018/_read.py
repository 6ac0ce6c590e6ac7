"""Reads one picture file, and refuses what cannot be what it should be."""

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_condattn.datasets.dsb2018._files import Record

SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N", "I")
LUMINANCE = np.array([0.299, 0.587, 0.114], dtype="float32")


def pillow() -> Any:
    """Pillow's `Image` module, or an error that says how to get it."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "reading pictures needs Pillow: pip install 'keras-condattn[images]'"
        ) from error
    return Image


def read_image(path: pathlib.Path) -> NDArray[np.float32]:
    """A micrograph as (H, W, 1) or (H, W, 3), in [0, 1] of its bit depth.

    Grey stays grey, 16 bits are divided by 65535, 8 bits by 255; palettes become
    colour, and transparency is dropped.

    Raises:
        ValueError: for a damaged file, a stack of several pictures or floats.
    """
    mode, values = _decoded(path, _mode_of_image)
    if mode == "F":
        raise ValueError(f"{path}: an image of floats; expected 8 or 16 bits")
    full_scale = 65535 if mode in SIXTEEN_BIT else 255
    image: NDArray[np.float32] = np.divide(values, full_scale, dtype="float32")
    image = image.clip(0, 1)
    return image[..., None] if image.ndim == 2 else image


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


def _mode_of_image(mode: str) -> str:
    if mode in (*SIXTEEN_BIT, "F", "L"):
        return mode
    return "L" if mode in ("1", "LA") else "RGB"


def _mode_of_mask(mode: str) -> str:
    """A mask saved in colour still says where it is black."""
    return mode if mode in (*SIXTEEN_BIT, "F", "1") else "L"


def _checked_label(
    path: pathlib.Path, shape: tuple[int, ...], as_mode: Callable[[str], str]
) -> NDArray[np.int32]:
    mode, values = _decoded(path, as_mode)
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


def _decoded(
    path: pathlib.Path, as_mode: Callable[[str], str]
) -> tuple[str, NDArray[Any]]:
    """The pixels in the mode that `as_mode` wants for the file's own, and that mode."""
    image = pillow()
    try:
        with image.open(path) as picture:
            if getattr(picture, "n_frames", 1) > 1:
                raise ValueError(f"a stack of {picture.n_frames}, expected one picture")
            mode = as_mode(picture.mode)
            return mode, np.asarray(
                picture if mode == picture.mode else picture.convert(mode)
            )
    except Exception as error:  # damaged files raise whatever a decoder trips over
        raise ValueError(f"{path}: cannot be read as a picture ({error})") from error
