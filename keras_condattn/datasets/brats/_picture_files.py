"""Finds slices that were written as pictures, in the folders of the released code."""

import os
import pathlib
import re
from collections.abc import Sequence

from keras_condattn.datasets.brats._files import (
    MASK,
    Scan,
    canonical,
    checked_folder,
)

PICTURE = re.compile(r"(.+)_(\d+)\.png", re.I)
Slices = dict[int, pathlib.Path]


def find_pictures(
    root: str | os.PathLike[str], kinds: Sequence[str]
) -> dict[str, dict[str, Slices]]:
    """patient -> kind -> slice number -> picture.

    Raises:
        FileNotFoundError: where there is no such folder, one of a kind is not in it,
            or there are no pictures.
    """
    top = checked_folder(root)
    folders = {
        _kind(path.name): path for path in sorted(top.iterdir()) if path.is_dir()
    }
    missing = [kind for kind in kinds if kind not in folders]
    if missing:
        # Pictures of the masks lie in GT, whatever they are called here.
        missing = ["GT" if kind == MASK else kind for kind in missing]
        raise FileNotFoundError(
            f"root: {str(top)!r} has no folder for {', '.join(missing)}; it has "
            f"{', '.join(path.name for path in folders.values()) or 'none'}. Expected "
            "MR_T1, MR_T2, MR_T1c, MR_Flair (or T2, ADC) and GT"
        )
    found: dict[str, dict[str, Slices]] = {}
    for kind in kinds:
        for name in sorted(os.listdir(folders[kind])):
            match = PICTURE.fullmatch(name)
            if match and not name.startswith("."):
                patient = found.setdefault(match[1], {})
                patient.setdefault(kind, {})[int(match[2])] = folders[kind] / name
    if not found:
        raise FileNotFoundError(
            f"root: no pictures <patient>_<slice>.png in the folders of {str(top)!r}"
        )
    return dict(sorted(found.items()))


def scan_of_pictures(
    patient: str, pictures: dict[str, Slices], kinds: Sequence[str]
) -> Scan:
    """The scan of a patient.

    Raises:
        ValueError: naming a modality, or a slice of it, that is missing.
    """
    missing = [kind for kind in kinds if kind not in pictures]
    if missing:
        raise ValueError(f"has no {', '.join(missing)}; it has {', '.join(pictures)}")
    numbers = sorted(set().union(*pictures.values()))
    for kind in kinds:
        gaps = [number for number in numbers if number not in pictures[kind]]
        if gaps:
            raise ValueError(f"has no {kind} for slices {gaps[:5]}, which others have")
    files = {
        kind: tuple(pictures[kind][number] for number in numbers) for kind in kinds
    }
    return Scan(patient, patient, files, tuple(numbers))


def _kind(folder: str) -> str:
    name = folder.lower().removeprefix("mr_")
    return MASK if name == "gt" else canonical(name)
