"""The challenge's labels: a grey picture a slice."""

import pathlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keras_condattn.datasets._pictures import pillow

Labels = NDArray[np.uint8]
CLASSES = ("background", "liver", "right kidney", "left kidney", "spleen")
# Lowest and highest grey value of each class in turn, as the challenge publishes them.
MR_GREYS = ((0, 0), (55, 70), (110, 135), (175, 200), (240, 255))
CT_GREYS = ((0, 0), (255, 255))
MODES = ("1", "L", "LA", "P", "RGB", "RGBA")
UNKNOWN = 255


def greys(sequence: str) -> tuple[tuple[int, int], ...]:
    """The grey values of the classes of a sequence."""
    return CT_GREYS if sequence == "CT" else MR_GREYS


def paired(
    images: Sequence[pathlib.Path], pictures: Sequence[pathlib.Path]
) -> list[pathlib.Path]:
    """The picture of each image: of the same name, or else in the order given.

    In T2SPIR and InPhase the names are the same; OutPhase shares the pictures of
    InPhase, and CT has names of its own.

    Raises:
        ValueError: where their numbers differ, or only some have the same names.
    """
    if len(images) != len(pictures):
        raise ValueError(
            f"{images[0].parent.name} has {len(images)} images and Ground "
            f"{len(pictures)} pictures; every slice needs one"
        )
    by_name = {path.stem: path for path in pictures}
    same = [path for path in images if path.stem in by_name]
    if len(same) == len(images):
        return [by_name[path.stem] for path in images]
    if same:
        other = next(path for path in images if path.stem not in by_name)
        raise ValueError(
            f"{other.name} has no picture of its name in Ground, while {same[0].name} "
            "has"
        )
    return list(pictures)


def read_ground(path: pathlib.Path, shape: tuple[int, ...], sequence: str) -> Labels:
    """The classes (H, W) of a picture.

    Raises:
        ValueError: naming the picture, where it is damaged, of another size than its
            slice, or has a grey value of no class.
    """
    module = pillow()
    try:
        with module.open(path, formats=("PNG",)) as picture:
            size, mode = picture.size[::-1], picture.mode
            fits = size == shape and mode in MODES
            values = np.asarray(picture.convert("L")) if fits else None
    except Exception as error:  # damaged files raise whatever a decoder trips over
        raise ValueError(f"{path.name} cannot be read as PNG ({error})") from error
    if values is None:
        raise ValueError(
            f"{path.name} must have {shape} pixels of 8 bits, as its slice has, got "
            f"{size} of mode {mode!r}"
        )
    labels: Labels = _table(sequence)[values]
    if (labels == UNKNOWN).any():
        wrong = np.unique(values[labels == UNKNOWN])[:5].tolist()
        known = ", ".join(
            f"{name} {low}" + (f" to {high}" if high > low else "")
            for name, (low, high) in zip(CLASSES, greys(sequence), strict=False)
        )
        raise ValueError(f"{path.name} must hold the grey values {known}, got {wrong}")
    return labels


def _table(sequence: str) -> Labels:
    table = np.full(256, UNKNOWN, "uint8")
    for number, (low, high) in enumerate(greys(sequence)):
        table[low : high + 1] = number
    return table
