"""Reads a file of annotations: images, categories, and what is where."""

import dataclasses
import json
import pathlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from keras_condattn.datasets._arguments import listed
from keras_condattn.datasets.coco._entries import (
    Listed,
    Named,
    Thing,
    category_of,
    image_of,
    thing_of,
)
from keras_condattn.datasets.coco._outlines import Outline

LISTS = ("images", "categories", "annotations")
LINE = 400

Read = TypeVar("Read")
Unique = TypeVar("Unique", bound=Named)


@dataclasses.dataclass(frozen=True)
class Record:
    """An image and its annotations, in the order of the file.

    Attributes:
        id: number of the image.
        name: of its file as listed, without suffix.
        path: of its file.
        shape: (height, width) as listed.
        boxes: (n, 4): x, y, width, height in pixels.
        classes: (n,), places in the label.
        crowd: (n,), True for a region of many.
        outlines: n of them, or none at all where nobody asked for masks.
    """

    id: int
    name: str
    path: pathlib.Path
    shape: tuple[int, int]
    boxes: NDArray[np.float64]
    classes: NDArray[np.int32]
    crowd: NDArray[np.bool_]
    outlines: tuple[Outline, ...]


def read_annotations(
    path: pathlib.Path, folder: pathlib.Path, masks: bool
) -> tuple[list[Named], list[Record]]:
    """The categories and the images of a file, each in the order of their numbers.

    Args:
        path: `instances_train2017.json`.
        folder: of its images.
        masks: whether outlines are read.

    Raises:
        ValueError: for a file that is no such JSON; or, in one error, for entries that
            lack something, contradict others or name a file outside the folder.
    """
    content = _content(path)
    problems: list[str] = []
    images = _unique(content, "images", image_of, problems)
    categories = _unique(content, "categories", category_of, problems)
    _raise(path, problems)  # or each annotation of them would be told as well
    places = {number: place for place, number in enumerate(sorted(categories))}

    def read(entry: Any) -> Thing:
        return thing_of(entry, images, places, masks)

    things: dict[int, list[Thing]] = {number: [] for number in sorted(images)}
    for thing in _each(content, "annotations", read, problems):
        things[thing.image].append(thing)
    _raise(path, problems)
    records = [_record(images[n], found, folder) for n, found in things.items()]
    return [categories[number] for number in places], records


def told(problems: Iterable[str], one: str, many: str) -> str:
    """How many there are, and the first of them, a line each, cut where it is long."""
    lines = [line if len(line) <= LINE else line[:LINE] + "..." for line in problems]
    return listed(lines, one, many, shown=10)


def _content(path: pathlib.Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes(), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: cannot be read as JSON ({error})") from error
    lists = content if isinstance(content, dict) else {}
    missing = [key for key in LISTS if not isinstance(lists.get(key), list)]
    if missing:
        raise ValueError(
            f"{path}: must be an object with the lists {', '.join(map(repr, LISTS))}; "
            f"it has no list {', '.join(map(repr, missing))}"
        )
    return lists


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _each(
    content: dict[str, Any], key: str, read: Callable[[Any], Read], problems: list[str]
) -> Iterator[Read]:
    """What is read of each entry of a list; what is wrong with one is a problem."""
    for place, entry in enumerate(content[key]):
        try:
            yield read(entry)
        except ValueError as error:
            number = entry.get("id") if isinstance(entry, dict) else None
            known = f" (id {number})" if isinstance(number, int) else ""
            problems.append(f"{key}[{place}]{known}: {error}")


def _unique(
    content: dict[str, Any],
    key: str,
    read: Callable[[Any], Unique],
    problems: list[str],
) -> dict[int, Unique]:
    """The entries of a list by their numbers; neither these nor names come twice."""
    found: dict[int, Unique] = {}
    names: set[str] = set()

    def read_new(entry: Any) -> Unique:
        one = read(entry)
        if one.id in found or one.name in names:
            raise ValueError(f"id {one.id} or the name {one.name!r} a second time")
        return one

    for one in _each(content, key, read_new, problems):
        found[one.id] = one
        names.add(one.name)
    if not content[key]:
        problems.append(f"{key}: an empty list")
    return found


def _raise(path: pathlib.Path, problems: list[str]) -> None:
    if problems:
        raise ValueError(f"{path}: {told(problems, 'entry', 'entries')}")


def _record(image: Listed, things: list[Thing], folder: pathlib.Path) -> Record:
    return Record(
        image.id, str(pathlib.PurePath(image.name).with_suffix("")),
        folder / image.name, (image.height, image.width),
        np.array([thing.box for thing in things], "float64").reshape(-1, 4),
        np.array([thing.place for thing in things], "int32"),
        np.array([thing.crowd for thing in things], "bool"),
        tuple(thing.outline for thing in things if thing.outline is not None),
    )  # fmt: skip
