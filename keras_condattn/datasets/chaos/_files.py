"""Finds cases in a folder, in the challenge's own layout or as NIfTI."""

import dataclasses
import os
import pathlib
import re
from collections.abc import Iterator

SEQUENCES = ("InPhase", "OutPhase", "T2SPIR", "CT")
DUAL, NIFTI = "T1DUAL", ("image.nii.gz", "image.nii")
# Far above any of the challenge's own.
MOST_SLICES, MOST_BYTES = 2000, 64 * 2**20


@dataclasses.dataclass(frozen=True)
class Case:
    """One volume of one patient, and where its files are.

    Attributes:
        patient: the name of its folder, the challenge's number.
        sequence: one of `SEQUENCES`, or "" for NIfTI files, which do not say.
        image: a folder of DICOM slices, or a NIfTI file.
        label: a folder of PNG pictures, or a NIfTI file.
    """

    patient: str
    sequence: str
    image: pathlib.Path
    label: pathlib.Path

    @property
    def id(self) -> str:
        """`1_T2SPIR`, or `1` where the sequence is not known."""
        return "_".join(filter(None, (self.patient, self.sequence)))


def find_cases(root: str | os.PathLike[str]) -> dict[str, list[Case]]:
    """The volumes of each patient, wherever below `root` they lie.

    Raises:
        FileNotFoundError: where there is no such folder, or no case in it.
    """
    top = pathlib.Path(root).expanduser().absolute()
    if not top.is_dir():
        raise FileNotFoundError(f"root: there is no folder {str(top)!r}")
    found: dict[str, list[Case]] = {}
    for folder, below, names in os.walk(top):
        below.sort()
        here = pathlib.Path(folder)
        for case in _cases_at(here, names):
            found.setdefault(case.patient, []).append(case)
        if here.name == "DICOM_anon":
            below.clear()
    if not found:
        raise FileNotFoundError(
            f"root: no cases found in {str(top)!r}. Expected folders N with "
            "T2SPIR/DICOM_anon, T1DUAL/DICOM_anon/InPhase and /OutPhase, or DICOM_anon "
            "(CT), each with Ground beside DICOM_anon; or folders N with image.nii.gz "
            "and label.nii.gz"
        )
    return {patient: found[patient] for patient in sorted(found, key=natural)}


def _cases_at(here: pathlib.Path, names: list[str]) -> Iterator[Case]:
    if here.name == "DICOM_anon":
        series, ground = here.parent, here.parent / "Ground"
        if series.name == DUAL:
            for phase in SEQUENCES[:2]:
                if (here / phase).is_dir():
                    yield Case(series.parent.name, phase, here / phase, ground)
        elif series.name == "T2SPIR":
            yield Case(series.parent.name, "T2SPIR", here, ground)
        else:
            yield Case(series.name, "CT", here, ground)
    for name in NIFTI:
        if name in names:
            label = name.replace("image", "label")
            yield Case(here.name, "", here / name, here / label)


def files_in(folder: pathlib.Path, suffix: str) -> list[pathlib.Path]:
    """The files of a folder that end in `suffix`, in the order of their numbers.

    Raises:
        ValueError: where there is no such folder or file, there are too many, one is
            too large, or a link leads out of the folder.
    """
    place = f"{folder.parent.name}/{folder.name}"
    if not folder.is_dir() or folder.is_symlink():
        raise ValueError(f"has no folder {place}")
    names = [
        name
        for name in os.listdir(folder)
        if name.lower().endswith(suffix) and not name.startswith(".")
    ]
    if not 0 < len(names) <= MOST_SLICES:
        raise ValueError(
            f"{place} must hold 1 to {MOST_SLICES} files *{suffix}, found {len(names)}"
        )
    return [checked(folder / name) for name in sorted(names, key=natural)]


def checked(path: pathlib.Path, most: float = MOST_BYTES) -> pathlib.Path:
    """The path, where it is a file of its own folder and not too large.

    Raises:
        ValueError: where it is not.
    """
    if not path.is_file():
        raise ValueError(f"has no file {path.name}")
    if path.resolve().parent != path.parent.resolve():
        raise ValueError(f"{path.name} is a link that leads out of its folder")
    if path.stat().st_size > most:
        raise ValueError(
            f"{path.name} has {path.stat().st_size} bytes, more than {most}"
        )
    return path


def natural(name: str) -> tuple[list[int], str]:
    """Sorts by the numbers in a name: 2 before 10."""
    return [int(digits) for digits in re.findall(r"\d+", name)], name
