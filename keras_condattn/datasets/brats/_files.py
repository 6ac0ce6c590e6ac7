"""Finds the scans below a folder, and which of their files is what."""

import dataclasses
import os
import pathlib
import re
from collections.abc import Mapping, Sequence

MODALITIES = ("flair", "t1", "t1ce", "t2")
MASK = "seg"
# What the challenges of 2023 and later, and older copies, call the same.
ALIASES = {"t2f": "flair", "t1n": "t1", "t1c": "t1ce", "t1gd": "t1ce", "t2w": "t2",
           "segm": MASK}  # fmt: skip
FILE = re.compile(
    rf"(?:.+[_-])?({'|'.join([*MODALITIES, MASK, *ALIASES])})\.nii(?:\.gz)?", re.I
)
# Scans of one patient at several times: its name, then the time's number.
TIMES = (
    re.compile(r"(brats-\w+-\d+)-\d+", re.I),
    re.compile(r"(brats_(?:2013|tcia)_pat\d+)_\d+", re.I),
)


@dataclasses.dataclass(frozen=True)
class Scan:
    """One scan of one patient.

    Attributes:
        id: the name of its folder.
        patient: who it is of; several scans of one patient are dealt together.
        files: by modality, and `"seg"`: one NIfTI file, or a picture a slice.
        slices: the numbers of those pictures; empty for NIfTI files.
    """

    id: str
    patient: str
    files: Mapping[str, tuple[pathlib.Path, ...]]
    slices: tuple[int, ...] = ()


def canonical(modality: str) -> str:
    """The modality's name in this package, of whatever year its name is."""
    low = modality.lower()
    return ALIASES.get(low, low)


def find_folders(root: str | os.PathLike[str]) -> dict[str, list[pathlib.Path]]:
    """Every folder with such files, at any depth, by its name.

    Raises:
        FileNotFoundError: where there is no such folder, or no scan in it.
    """
    top = checked_folder(root)
    found: dict[str, list[pathlib.Path]] = {}
    # Links are not followed: what comes in an archive stays in its folder.
    for folder, below, names in os.walk(top):
        below.sort()
        if any(map(_kind, names)):
            here = pathlib.Path(folder)
            found.setdefault(here.absolute().name, []).append(here)
    if not found:
        raise FileNotFoundError(
            f"root: no scans found in {str(top)!r}. Expected a folder for each, with "
            "files that end in _flair, _t1, _t1ce, _t2 and _seg (or -t2f, -t1n, -t1c, "
            "-t2w and -seg), .nii or .nii.gz"
        )
    return dict(sorted(found.items()))


def checked_folder(root: str | os.PathLike[str]) -> pathlib.Path:
    """The folder, or a FileNotFoundError."""
    top = pathlib.Path(root).expanduser()
    if not top.is_dir():
        raise FileNotFoundError(f"root: there is no folder {str(top)!r}")
    return top


def scan_of(name: str, folders: list[pathlib.Path], kinds: Sequence[str]) -> Scan:
    """The scan of a folder, with the files of these kinds.

    Raises:
        ValueError: naming the modalities that are missing or there twice.
    """
    if len(folders) > 1:
        raise ValueError(f"is there more than once: {', '.join(map(str, folders))}")
    files: dict[str, list[pathlib.Path]] = {}
    for file in sorted(os.listdir(folders[0])):
        kind = _kind(file)
        if kind:
            files.setdefault(kind, []).append(folders[0] / file)
    missing = [kind for kind in kinds if kind not in files]
    if missing:
        raise ValueError(f"has no {', '.join(missing)}; it has {', '.join(files)}")
    for kind in kinds:
        if len(files[kind]) > 1:
            names = ", ".join(path.name for path in files[kind])
            raise ValueError(f"has more than one file for {kind}: {names}")
    return Scan(name, patient_of(name), {kind: tuple(files[kind]) for kind in kinds})


def _kind(name: str) -> str:
    """Modality or `"seg"`; nothing for other files, and for hidden ones."""
    match = None if name.startswith(".") else FILE.fullmatch(name)
    return canonical(match[1]) if match else ""


def patient_of(name: str) -> str:
    """Who a folder's scan is of."""
    matches = (pattern.fullmatch(name) for pattern in TIMES)
    return next((match[1] for match in matches if match), name)
