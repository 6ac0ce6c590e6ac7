"""The entries of a file of annotations, one by one, refused where they are none."""

import dataclasses
import pathlib
import reprlib
from collections.abc import Mapping
from typing import Any

from keras_condattn.datasets._arguments import check_whole
from keras_condattn.datasets.coco._outlines import Outline, numbers, outline_of

Box = tuple[float, float, float, float]
# A JPEG has at most as many pixels a side.
LONGEST = 65535


@dataclasses.dataclass(frozen=True)
class Named:
    """What has a number and a name in the file: a category, or an image's file."""

    id: int
    name: str


@dataclasses.dataclass(frozen=True)
class Listed(Named):
    """An image as the file lists it; `name` is that of its file."""

    height: int
    width: int


@dataclasses.dataclass(frozen=True)
class Thing:
    """An annotation: one object, or a crowd of them.

    Attributes:
        image: the number of its image.
        place: of its category in the label.
        box: x, y, width, height in pixels, cut to the picture.
        crowd: whether it is a region of many rather than one object.
        outline: where it is, or None where nobody asked for masks.
    """

    image: int
    place: int
    box: Box
    crowd: bool
    outline: Outline | None


def category_of(entry: Any) -> Named:
    """A category.

    Raises:
        ValueError: saying what is wrong with the entry; so do the others below.
    """
    return Named(_whole(entry, "id"), _text(entry, "name"))


def image_of(entry: Any) -> Listed:
    """An image; the name of its file stays inside the folder."""
    name = _text(entry, "file_name")
    # Windows' rules know every way out, those of other systems among them.
    parts = pathlib.PureWindowsPath(name)
    if parts.anchor or ".." in parts.parts or not parts.name or "\0" in name:
        raise ValueError(
            "'file_name' must be that of a file inside the folder of images, got "
            f"{reprlib.repr(name)}"
        )
    height, width = (_whole(entry, key, 1, LONGEST) for key in ("height", "width"))
    return Listed(_whole(entry, "id"), name, height, width)


def thing_of(
    entry: Any, images: Mapping[int, Listed], places: Mapping[int, int], masks: bool
) -> Thing:
    """An annotation of one of the images, of a category that has a place."""
    number, category = _whole(entry, "image_id"), _whole(entry, "category_id")
    for key, value, known, where in (
        ("image_id", number, images, "images"),
        ("category_id", category, places, "categories"),
    ):
        if value not in known:
            raise ValueError(f"{key!r} is {value}, which {where!r} does not list")
    crowd = entry.get("iscrowd", 0)
    if crowd not in (0, 1):
        raise ValueError(f"'iscrowd' must be 0 or 1, got {reprlib.repr(crowd)}")
    image = images[number]
    outline = None
    if masks:
        shape = image.height, image.width
        outline = outline_of(_field(entry, "segmentation"), shape)
    box = _box(_field(entry, "bbox"), image)
    return Thing(number, places[category], box, bool(crowd), outline)


def _box(value: Any, image: Listed) -> Box:
    if numbers(value, LONGEST) and len(value) == 4:
        x, y, width, height = value
        across = x <= image.width and x + width >= 0
        down = y <= image.height and y + height >= 0
        if across and down and width >= 0 and height >= 0:
            left, right = _cut(x, width, image.width)
            top, bottom = _cut(y, height, image.height)
            return left, top, right - left, bottom - top
    raise ValueError(
        f"'bbox' must be [x, y, width, height] over a picture {image.width} pixels wide"
        f" and {image.height} high, got {reprlib.repr(value)}"
    )


def _cut(start: float, extent: float, limit: int) -> tuple[float, float]:
    """What of a side lies in the picture; where that is nothing, one pixel."""
    low, high = max(start, 0), min(start + extent, limit)
    if high > low:
        return low, high
    low = min(low, limit - 1)
    return low, low + 1


def _field(entry: Any, key: str) -> Any:
    if not isinstance(entry, dict):
        raise ValueError(f"must be an object in braces, got {reprlib.repr(entry)}")
    if key not in entry:
        raise ValueError(f"without {key!r}")
    return entry[key]


def _whole(entry: Any, key: str, low: int = 0, high: float = float("inf")) -> int:
    value: int = _field(entry, key)
    check_whole(low, high, **{f"'{key}'": value})
    return value


def _text(entry: Any, key: str) -> str:
    value = _field(entry, key)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key!r} must be a text, got {reprlib.repr(value)}")
    return value
