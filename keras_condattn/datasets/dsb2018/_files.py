"""Finds the images of a data set folder and the label files of each."""

import dataclasses
import pathlib
from collections.abc import Iterable

SUFFIXES = (".png", ".tif", ".tiff")


@dataclasses.dataclass(frozen=True)
class Record:
    """An image file and what says where its nuclei are.

    Attributes:
        id: the image's name without suffix.
        image: its file.
        labels: one file of instance numbers, or, if `masks`, one mask a nucleus.
        masks: whether `labels` are masks.
    """

    id: str
    image: pathlib.Path
    labels: tuple[pathlib.Path, ...]
    masks: bool


def find_records(root: str | pathlib.Path) -> tuple[list[Record], list[str]]:
    """Lists a data set folder, whichever of the two layouts it has.

    Args:
        root: a folder with `images/` and `labels/`; or with `stage1_train/`; or
            that folder itself.

    Returns:
        The records in the order of their ids, and a sentence for every file that
        has no partner.

    Raises:
        FileNotFoundError: where there is no such folder, or no image in it.
    """
    root = pathlib.Path(root).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"root: there is no folder {str(root)!r}")
    if (root / "images").is_dir():
        records, problems = _labelled(root / "images", root / "labels")
    else:
        train = root / "stage1_train"
        records, problems = _challenge(train if train.is_dir() else root)
    if not records and not problems:
        raise FileNotFoundError(
            f"root: no images found in {str(root)!r}. Expected images/*.png beside "
            "labels/*.png, or the challenge's stage1_train/<id>/images/<id>.png "
            "beside stage1_train/<id>/masks/*.png"
        )
    return records, problems


def _labelled(
    images: pathlib.Path, labels: pathlib.Path
) -> tuple[list[Record], list[str]]:
    found, problems = _by_stem(_pictures(images))
    partners, more = _by_stem(_pictures(labels))
    problems += more
    problems += [
        f"{path}: no label of this name in {labels}"
        for stem, path in found.items()
        if stem not in partners
    ]
    problems += [
        f"{path}: no image of this name in {images}"
        for stem, path in partners.items()
        if stem not in found
    ]
    both = sorted(found.keys() & partners.keys())
    return [Record(s, found[s], (partners[s],), masks=False) for s in both], problems


def _challenge(root: pathlib.Path) -> tuple[list[Record], list[str]]:
    records, problems = [], []
    for folder in sorted(p for p in root.iterdir() if (p / "images").is_dir()):
        images, masks = _pictures(folder / "images"), _pictures(folder / "masks")
        if len(images) != 1:
            problems.append(f"{folder / 'images'}: {len(images)} images, expected 1")
        elif not masks:
            problems.append(f"{folder / 'masks'}: no mask of a nucleus")
        else:
            records.append(Record(folder.name, images[0], tuple(masks), masks=True))
    return records, problems


def _pictures(folder: pathlib.Path) -> list[pathlib.Path]:
    """The picture files of a folder, sorted; hidden files are left out."""
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )


def _by_stem(
    paths: Iterable[pathlib.Path],
) -> tuple[dict[str, pathlib.Path], list[str]]:
    found: dict[str, pathlib.Path] = {}
    problems = []
    for path in paths:
        if path.stem in found:
            problems.append(f"{path}: the same name as {found[path.stem].name}")
        found.setdefault(path.stem, path)
    return found, problems
