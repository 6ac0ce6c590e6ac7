"""Finds patients in a folder and reads what `Info.cfg` says of each."""

import dataclasses
import math
import os
import pathlib
import re
from collections.abc import Iterator

PATIENT = re.compile(r"patient\d{3}")
FRAME = re.compile(r"(patient\d{3})_frame(\d{2})\.(nii\.gz|nii)")
PACKED = re.compile(r"patient\d{3}_frame\d{2}\.h5")
PHASES = ("ED", "ES")
GROUPS = ("NOR", "DCM", "HCM", "MINF", "RV")
# patient090 is the one whose end-systolic frame comes first.
SYSTOLE_FIRST = "patient090"
# How the challenge numbers its training patients, for files without Info.cfg.
BLOCKS = ("DCM", "HCM", "MINF", "NOR", "RV")
TRAINING = 100


@dataclasses.dataclass(frozen=True)
class Scan:
    """One volume of one patient: its files, and what is known besides.

    Attributes:
        patient: its id, e.g. `"patient001"`.
        phase: `"ED"` or `"ES"`.
        part: `"training"` or `"testing"`, as the nearest folder above it that is
            called so says; where none is, the challenge's numbers: 101 on test.
        image, label, scribble: the files; an `.h5` file holds all three.
        group: one of `GROUPS`, or "" where nothing says.
        height, weight: in cm and kg; NaN where nothing says.
    """

    patient: str
    phase: str
    part: str
    image: pathlib.Path
    label: pathlib.Path
    scribble: pathlib.Path
    group: str
    height: float
    weight: float

    @property
    def id(self) -> str:
        """`patient001_ED`."""
        return f"{self.patient}_{self.phase}"


def find_patients(root: str | os.PathLike[str]) -> dict[str, list[pathlib.Path]]:
    """The files of each patient, wherever below `root` they lie.

    Raises:
        FileNotFoundError: where there is no such folder, or no patient in it.
    """
    top = pathlib.Path(root).expanduser()
    if not top.is_dir():
        raise FileNotFoundError(f"root: there is no folder {str(top)!r}")
    found: dict[str, list[pathlib.Path]] = {}
    for folder, below, names in os.walk(top):
        below.sort()
        here = pathlib.Path(folder)
        packed = [name for name in sorted(names) if PACKED.fullmatch(name)]
        if PATIENT.fullmatch(here.name) and not packed:
            found.setdefault(here.name, []).append(here)
        for name in packed:
            found.setdefault(name[: len("patient000")], []).append(here / name)
    if not found:
        raise FileNotFoundError(
            f"root: no patients found in {str(top)!r}. Expected folders patientNNN "
            "with Info.cfg and patientNNN_frameFF.nii.gz, or patientNNN_frameFF.h5"
        )
    return dict(sorted(found.items()))


def scans_of(patient: str, places: list[pathlib.Path]) -> list[Scan]:
    """The ED and the ES scan of a patient.

    Raises:
        ValueError: where the files and `Info.cfg` do not agree.
    """
    if len({place.name for place in places}) < len(places) or (
        len({place.suffix for place in places}) > 1
    ):
        raise ValueError(f"is there more than once: {', '.join(map(str, places))}")
    if places[0].suffix == ".h5":
        return list(_packed(patient, sorted(places, key=lambda place: place.name)))
    return list(_unpacked(patient, places[0]))


def _unpacked(patient: str, folder: pathlib.Path) -> Iterator[Scan]:
    info = _info(folder / "Info.cfg")
    frames = {
        int(match[2]): folder / match[0]
        for match in map(FRAME.fullmatch, sorted(os.listdir(folder)))
        if match and match[1] == patient
    }
    numbers = {phase: int(_number(info, phase)) for phase in PHASES}
    for phase, number in numbers.items():
        if number not in frames or list(numbers.values()).count(number) > 1:
            raise ValueError(
                f"Info.cfg must give ED and ES one each of the frames that are there, "
                f"{sorted(frames)}, got {numbers}"
            )
        image = frames[number]
        name, kind = image.name.split(".", 1)
        yield Scan(
            patient, phase, _part(patient, folder), image,
            folder / f"{name}_gt.{kind}", folder / f"{name}_scribble.{kind}",
            _group(info), _number(info, "Height", missing=True),
            _number(info, "Weight", missing=True),
        )  # fmt: skip


def _packed(patient: str, files: list[pathlib.Path]) -> Iterator[Scan]:
    """Preprocessed volumes carry no Info.cfg: phase and group go by the numbers."""
    if len(files) != len(PHASES):
        raise ValueError(
            f"needs an .h5 file for each of {', '.join(PHASES)}, found "
            f"{', '.join(file.name for file in files)}"
        )
    phases = PHASES[::-1] if patient == SYSTOLE_FIRST else PHASES
    block = (int(patient[-3:]) - 1) // 20
    group = BLOCKS[block] if 0 <= block < len(BLOCKS) else ""
    for phase, file in sorted(zip(phases, files, strict=True)):
        yield Scan(patient, phase, _part(patient, file), file, file, file, group,
                   float("nan"), float("nan"))  # fmt: skip


def _info(path: pathlib.Path) -> dict[str, str]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ValueError("has no Info.cfg") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"Info.cfg cannot be read ({error})") from error
    rows = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in rows}


def _number(info: dict[str, str], key: str, missing: bool = False) -> float:
    if key not in info and missing:
        return float("nan")
    try:
        value = float(info[key])
        if not 0 < value < math.inf or (not missing and value != int(value)):
            raise ValueError
    except (KeyError, ValueError):
        raise ValueError(
            f"Info.cfg must give {key} as a number above 0, got {info.get(key)!r}"
        ) from None
    return value


def _group(info: dict[str, str]) -> str:
    group = info.get("Group", "")
    if group and group not in GROUPS:
        raise ValueError(
            f"Info.cfg must give Group as one of {', '.join(GROUPS)}, got {group!r}"
        )
    return group


def _part(patient: str, path: pathlib.Path) -> str:
    parts = ("training", "testing")
    by_number = parts[int(patient[-3:]) > TRAINING]
    above = reversed(path.absolute().parts)
    return next((name for name in above if name in parts), by_number)
