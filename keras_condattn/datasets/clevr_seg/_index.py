"""Finds and checks the scenes of a folder, without decoding a picture."""

import dataclasses
import json
import math
import pathlib
from collections.abc import Mapping
from typing import Any

from keras_condattn.datasets.clevr_seg._vocabulary import CONDITIONS

LAYOUT = "images/<name>.png, scenes/<name>.json and segmentations/<name>/*.png"
NAMED = 5


@dataclasses.dataclass(frozen=True)
class Record:
    """One image, its masks, and what its objects are.

    Attributes:
        id: the name that its files share.
        image: its picture.
        masks: one picture an object, in the order of `objects`.
        objects: for `"quadrant"` (x, y) of the centre in pixels; otherwise the
            object's word.
    """

    id: str
    image: pathlib.Path
    masks: tuple[pathlib.Path, ...]
    objects: tuple[Any, ...]


def find_records(root: pathlib.Path, condition: str) -> list[Record]:
    """Every scene of a folder, sorted by file name.

    Raises:
        FileNotFoundError: a folder of the layout is missing, or holds no image.
        ValueError: scenes that cannot be used, all of them in one message.
    """
    for folder in (root, *(root / n for n in ("images", "scenes", "segmentations"))):
        if not folder.is_dir():
            raise FileNotFoundError(
                f"root: there is no folder {str(folder)!r}; expected {LAYOUT}"
            )
    images, scenes = (
        _by_stem(root / "images", ".png"),
        _by_stem(root / "scenes", ".json"),
    )
    if not images and not scenes:
        raise FileNotFoundError(f"root: no images in {str(root / 'images')!r}")
    problems = [
        f"{path}: there is no image {root / 'images' / name}.png"
        for name, path in scenes.items()
        if name not in images
    ]
    records = []
    for name, image in images.items():
        try:
            if name not in scenes:
                raise ValueError(f"{image}: there is no {root / 'scenes' / name}.json")
            records.append(_record(root, name, image, scenes[name], condition))
        except ValueError as error:
            problems.append(str(error))
    raise_all(root, problems)
    return records


def raise_all(root: pathlib.Path, problems: list[str]) -> None:
    """One error for all, naming the first few."""
    if not problems:
        return
    lines = "\n  ".join(sorted(problems)[:NAMED])
    rest = len(problems) - NAMED
    more = f"\n  and {rest} more" if rest > 0 else ""
    raise ValueError(
        f"root {str(root)!r}: {len(problems)} scenes cannot be used:\n  {lines}{more}"
    )


def _by_stem(folder: pathlib.Path, suffix: str) -> dict[str, pathlib.Path]:
    """The visible files of a suffix by name without it, sorted."""
    return {
        path.stem: path
        for path in sorted(folder.iterdir())
        if path.suffix == suffix and not path.name.startswith(".")
    }


def _record(
    root: pathlib.Path,
    name: str,
    image: pathlib.Path,
    scene: pathlib.Path,
    condition: str,
) -> Record:
    objects = _objects(scene)
    read = _centre if condition == "quadrant" else _word
    found = tuple(read(scene, k, thing, condition) for k, thing in enumerate(objects))
    folder = root / "segmentations" / name
    masks = tuple(_by_stem(folder, ".png").values()) if folder.is_dir() else ()
    if len(masks) != len(found):
        raise ValueError(
            f"{folder}: {len(masks)} masks, but {scene.name} has {len(found)} objects"
        )
    return Record(name, image, masks, found)


def _objects(scene: pathlib.Path) -> list[Any]:
    try:
        content = json.loads(scene.read_bytes())
    except (ValueError, OSError, RecursionError) as error:
        raise ValueError(f"{scene}: not readable as JSON ({error})") from error
    objects = content.get("objects") if isinstance(content, Mapping) else None
    if not isinstance(objects, list):
        raise ValueError(f"{scene}: has no list 'objects'")
    return objects


def _centre(
    scene: pathlib.Path, k: int, thing: Any, condition: str
) -> tuple[float, float]:
    """x and y of `pixel_coords`."""
    value = thing.get("pixel_coords") if isinstance(thing, Mapping) else None
    try:
        x, y = value[:2]  # type: ignore[index]
        good = all(type(n) in (int, float) and math.isfinite(n) for n in (x, y))
    except (TypeError, ValueError, OverflowError):
        good = False
    if not good:
        raise ValueError(
            f"{scene}: 'pixel_coords' of object {k} must be [x, y, depth] in pixels, "
            f"got {value!r}"
        )
    return float(x), float(y)


def _word(scene: pathlib.Path, k: int, thing: Any, condition: str) -> str:
    value = thing.get(condition) if isinstance(thing, Mapping) else None
    if not isinstance(value, str) or value not in CONDITIONS[condition]:
        raise ValueError(
            f"{scene}: {condition!r} of object {k} must be one of "
            f"{CONDITIONS[condition]}, got {value!r}"
        )
    return value
