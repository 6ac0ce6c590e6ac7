"""Finds a part's annotations and images, and refuses images that are none."""

import os
import pathlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from keras_condattn.datasets._pictures import read_image, with_channels
from keras_condattn.datasets.coco._annotations import Record

PARTS = ("train2017", "val2017")
FOLDERS = ("annotations", ".")


def annotations_of(root: pathlib.Path, part: str) -> pathlib.Path | None:
    """The file that annotates a part, or None."""
    names = (root / place / f"instances_{part}.json" for place in FOLDERS)
    return next((path for path in names if path.is_file()), None)


def parts_in(root: pathlib.Path) -> tuple[str, ...]:
    """The parts that a folder has annotations of.

    Raises:
        FileNotFoundError: where there is no folder, or no annotations.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"root: there is no folder {str(root)!r}")
    found = tuple(part for part in PARTS if annotations_of(root, part))
    if not found:
        raise FileNotFoundError(
            f"root: {str(root)!r} has no instances_train2017.json or "
            "instances_val2017.json, nor has its folder annotations/"
        )
    return found


def find_part(root: pathlib.Path, part: str) -> tuple[pathlib.Path, pathlib.Path]:
    """The annotations of a part, and the folder of its images.

    Raises:
        FileNotFoundError: where one of them is not there.
    """
    path = annotations_of(root, part) if part in parts_in(root) else None
    if path is None:
        raise FileNotFoundError(
            f"root: {str(root)!r} has no annotations/instances_{part}.json"
        )
    if not (root / part).is_dir():
        raise FileNotFoundError(
            f"root: {str(root)!r} has no folder {part}/ with the images of {path.name}"
        )
    return path, root / part


def read(record: Record) -> NDArray[np.float32]:
    """A photograph (H, W, 3) in [0, 1]; grey is repeated.

    Raises:
        ValueError: for a damaged file, or one of another size than is listed.
    """
    image = with_channels(read_image(record.path), 3)
    if image.shape[:2] != record.shape:
        raise ValueError(
            f"{record.path}: the picture is {_sides(image.shape)} pixels (height x "
            f"width) and its annotations say {_sides(record.shape)}"
        )
    return image


def checked(records: Iterable[Record], whole: bool) -> dict[str, str]:
    """What is wrong with the images' files, by their paths."""
    looks = ((str(record.path), _look(record, whole)) for record in records)
    return {path: problem for path, problem in looks if problem}


def _look(record: Record, whole: bool) -> str | None:
    if not os.path.isfile(record.path):
        return f"{record.path}: annotated, but no such file"
    if not record.path.stat().st_size:
        return f"{record.path}: an empty file"
    try:
        if whole:
            read(record)
    except ValueError as error:
        return str(error)
    return None


def _sides(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} x {shape[1]}"
