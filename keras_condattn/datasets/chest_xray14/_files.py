"""Finds the tables and the images, and refuses images that are none."""

import os
import pathlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from keras_condattn.datasets._pictures import read_image, with_channels

PUBLISHED = ("Data_Entry_2017.csv", "Data_Entry_2017_v2020.csv")
RANDOM = ("nih_labels.csv", "nih_labels_2017.csv")
BOXES = "BBox_List_2017.csv"
OFFICIAL = ("train_val_list.txt", "test_list.txt")

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER, TAIL = 24, 64


def find_table(
    root: str | os.PathLike[str], table: str | None, protocol: str
) -> pathlib.Path:
    """The table of labels: the one asked for, or the first there is.

    Raises:
        FileNotFoundError: where there is no folder, or no table.
    """
    folder = pathlib.Path(root).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"root: there is no folder {str(folder)!r}")
    usual = RANDOM if protocol == "nih_labels" else (*PUBLISHED, *RANDOM)
    names: tuple[str, ...] = (table,) if table else usual
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(
        f"root: {str(folder)!r} has no {' or '.join(names)}, the table of labels"
    )


def find_lists(root: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """The official lists: for training and validation, and for testing."""
    paths = [root / name for name in OFFICIAL]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f"protocol='official' needs {' and '.join(missing)} in {str(root)!r}"
        )
    return paths[0], paths[1]


def find_images(root: pathlib.Path) -> dict[str, pathlib.Path]:
    """Every PNG by its name, wherever the archives were unpacked.

    In `images/`, in `images_001/` to `images_012/` with or without `images/` below,
    or in `root` itself; the first place counts.
    """
    parts = sorted(root.glob("images_[0-9][0-9][0-9]"))
    places = [root / "images", *parts, *(part / "images" for part in parts), root]
    found: dict[str, pathlib.Path] = {}
    for place in filter(pathlib.Path.is_dir, places):
        with os.scandir(place) as inside:
            for one in inside:
                if one.name.lower().endswith(".png"):
                    found.setdefault(one.name, place / one.name)
    return found


def look(path: pathlib.Path, whole: bool) -> str | None:
    """What is wrong with an image file, by its first and last bytes, or as a whole."""
    if whole:
        try:
            read(path)
        except ValueError as error:
            return str(error)
        return None
    with path.open("rb") as file:
        start = file.read(HEADER)
        length = file.seek(0, os.SEEK_END)
        file.seek(max(length - TAIL, 0))
        end = file.read()
    if not start.startswith(SIGNATURE):
        return f"{path}: not a PNG" if start else f"{path}: an empty file"
    return None if b"IEND" in end else f"{path}: cut short, a PNG without an end"


def checked(
    names: Iterable[str], found: dict[str, pathlib.Path], whole: bool
) -> dict[str, str]:
    """What is wrong with the images of these names."""
    problems = {}
    for name in names:
        problem = (
            look(found[name], whole)
            if name in found
            else "in the table of labels, but no such image"
        )
        if problem:
            problems[name] = problem
    return problems


def read(path: pathlib.Path) -> NDArray[np.float32]:
    """A radiograph (H, W) in [0, 1] of its bit depth; colour becomes luminance.

    Raises:
        ValueError: for a damaged file.
    """
    return with_channels(read_image(path), 1)[..., 0]
