"""Decodes the picture and masks of one scene."""

import pathlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_condattn.datasets._pictures import pillow
from keras_condattn.datasets.clevr_seg._index import Record
from keras_condattn.datasets.clevr_seg._vocabulary import (
    BACKGROUND,
    CONDITIONS,
    OBJECT,
)

Size = tuple[int, int]
Bytes = NDArray[np.uint8]

# Modes of eight bits a channel or fewer; Pillow would clip the others.
MODES = ("RGB", "RGBA", "L", "LA", "P", "1")


def read_scene(
    record: Record, condition: str, size: Size | None
) -> tuple[Bytes, Bytes]:
    """The image (H, W, 3), and a plane (H, W) whose bit k is condition k's mask.

    Raises:
        ValueError: a picture is damaged, a mask is of another size than the image,
            or holds other values than 64 and 255.
    """
    image = _open(record.image).convert("RGB")
    height, width = image.height, image.width
    height_out, width_out = size or (height, width)
    plane = np.zeros((height_out, width_out), np.uint8)
    for path, thing in zip(record.masks, record.objects, strict=True):
        mask = _mask(path, (height, width))
        mask = mask.resize((width_out, height_out), 0)
        k = _condition_of(thing, condition, (height, width))
        plane |= (np.asarray(mask) == OBJECT).astype(np.uint8) << np.uint8(k)
    if size is not None:
        image = image.resize((width_out, height_out), pillow().BILINEAR)
    return np.array(image), plane


def _condition_of(thing: Any, condition: str, size: Size) -> int:
    """The number of the condition that an object meets."""
    if condition != "quadrant":
        return CONDITIONS[condition].index(thing)
    (x, y), (height, width) = thing, size
    row = "top" if y < height / 2 else "bottom"
    column = "left" if x < width / 2 else "right"
    return CONDITIONS[condition].index(f"{row}_{column}")


def _mask(path: pathlib.Path, size: Size) -> Any:
    """The first channel of a mask, checked."""
    mask = _open(path)
    if mask.mode in ("P", "1"):
        mask = mask.convert("RGB")
    mask = mask.getchannel(0)
    if (mask.height, mask.width) != size:
        raise ValueError(
            f"{path}: {mask.height}x{mask.width} pixels, but its image has "
            f"{size[0]}x{size[1]}"
        )
    found = {value for _, value in mask.getcolors()}
    if not found <= {BACKGROUND, OBJECT}:
        raise ValueError(
            f"{path}: a mask holds {BACKGROUND} (background) and {OBJECT} (object), "
            f"got {sorted(found)[:6]}"
        )
    return mask


def _open(path: pathlib.Path) -> Any:
    """A decoded picture of eight bits."""
    image = pillow()
    try:
        with image.open(path, formats=["PNG"]) as picture:
            picture.load()
    except (OSError, SyntaxError, ValueError, image.DecompressionBombError) as error:
        raise ValueError(f"{path}: not readable as PNG ({error})") from error
    if picture.mode not in MODES:
        raise ValueError(f"{path}: expected 8 bits a channel, got mode {picture.mode}")
    return picture
