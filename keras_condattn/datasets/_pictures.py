"""Pictures from files: grey or colour, as floats of their bit depth."""

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_condattn._optional import optional

SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N", "I")
LUMINANCE = np.array([0.299, 0.587, 0.114], dtype="float32")


def pillow() -> Any:
    """Pillow's `Image` module."""
    return optional("PIL.Image", "images", "reading pictures")


def read_image(path: pathlib.Path) -> NDArray[np.float32]:
    """A micrograph as (H, W, 1) or (H, W, 3), in [0, 1] of its bit depth.

    Grey stays grey, 16 bits are divided by 65535, 8 bits by 255; palettes become
    colour, and transparency is dropped.

    Raises:
        ValueError: for a damaged file, a stack of several pictures or floats.
    """
    mode, values = decoded(path, _mode_of_image)
    if mode == "F":
        raise ValueError(f"{path}: an image of floats; expected 8 or 16 bits")
    full_scale = 65535 if mode in SIXTEEN_BIT else 255
    image: NDArray[np.float32] = np.divide(values, full_scale, dtype="float32")
    image = image.clip(0, 1)
    return image[..., None] if image.ndim == 2 else image


def with_channels(image: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """Luminance for one channel, grey repeated for three."""
    if channels == image.shape[-1]:
        return image
    if channels == 1:
        grey: NDArray[np.float32] = image @ LUMINANCE
        return grey[..., None]
    return np.repeat(image, 3, axis=-1)


def kept_in_8_bits(
    kept: dict[int, NDArray[np.uint8]],
    number: int,
    read: Callable[[], NDArray[np.float32]],
    cache: bool,
) -> NDArray[np.float32]:
    """What `read` gives, or with `cache` its 8 bits, as most sets are published."""
    if not cache:
        return read()
    if number not in kept:
        kept[number] = np.rint(read() * 255).astype("uint8")
    image: NDArray[np.float32] = np.divide(kept[number], 255, dtype="float32")
    return image


def _mode_of_image(mode: str) -> str:
    if mode in (*SIXTEEN_BIT, "F", "L"):
        return mode
    return "L" if mode in ("1", "LA") else "RGB"


def decoded(
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
