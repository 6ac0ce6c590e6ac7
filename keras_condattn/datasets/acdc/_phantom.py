"""Drawn hearts in the layout of ACDC, for trying things without the data."""

import os
import pathlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_condattn.datasets._arguments import check_numbers, check_whole
from keras_condattn.datasets._folders import write_folders
from keras_condattn.datasets._nifti import nibabel, write_nifti
from keras_condattn.datasets.acdc._files import GROUPS, PHASES
from keras_condattn.datasets.acdc._phantom_heart import Heart, cut
from keras_condattn.datasets.acdc._phantom_image import Chest, photograph, scribble

# Both ventricles and some chest, in mm.
SMALLEST_VIEW = 150.0
MOST = 999


def write_phantoms(
    root: str | os.PathLike[str],
    patients: int = 10,
    *,
    slices: int = 8,
    size: tuple[int, int] = (96, 104),
    spacing: tuple[float, float, float] = (10.0, 2.0, 1.8),
    seed: int = 0,
) -> pathlib.Path:
    """Writes drawn hearts as patients of ACDC: for guides, tests and trying out.

    ```
    root/training/patient001/Info.cfg                    # ED, ES, Group, Height, ...
                             patient001_frame01.nii.gz, _gt.nii.gz, _scribble.nii.gz
                             patient001_frameFF.nii.gz, ...            # end-systole
    ```

    No picture of anyone is in it: ellipses, computed here. A left ventricle in a ring
    of muscle and the crescent of a right ventricle, from the base (slice 0) to the
    apex, in a chest with lungs, liver and aorta, under an uneven receive field and
    noise. In systole the cavities get smaller, the wall thicker by as much muscle as
    it holds, and the valves move to the apex. Patients differ in place, size, turn,
    shape, contrast and noise, and by their group: a wide heart that hardly contracts
    looks at end-systole as another does at end-diastole.

    So that the phase is worth knowing, two things that one slice does not show
    depend on it, as conventions of annotation do: trabeculae at the border of the
    left cavity (4 to 5.5 mm) count as cavity at end-diastole and as myocardium at
    end-systole; and the first slice, which looks the same in both phases, is
    ventricle at end-diastole and lies above the valves at end-systole, where nothing
    is annotated. What a network learns from these hearts says nothing about real
    ones.

    Each patient appears whole or not at all.

    Args:
        root: the folder, made where it is not there. Give it to `load`.
        patients: how many, the groups NOR, DCM, HCM, MINF, RV in turn; at most 999.
            Five folds by group need ten or more. Defaults to 10.
        slices: of each volume, at least 2. The heart reaches from the first to the
            last. Defaults to 8.
        size: (rows, columns) of a slice in pixels. Defaults to (96, 104).
        spacing: (slices, rows, columns) in mm. Rows and columns must show 150 mm or
            more. Defaults to (10.0, 2.0, 1.8).
        seed: the same seed draws the same hearts, and `patients` does not change
            those it begins with. Defaults to 0.

    Returns:
        `root`, as a path.

    Raises:
        ValueError: for an argument out of its range.
        FileExistsError: where one of the patients is there already; nothing is then
            written.
        ImportError: where nibabel is missing.

    Example:

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> root = keras_condattn.datasets.acdc.write_phantoms(
    ...     folder.name, 1, slices=2, size=(40, 40), spacing=(10.0, 4.0, 4.0)
    ... )
    >>> volume = keras_condattn.datasets.acdc.load(root, volumes=True)[0]
    >>> volume["id"], volume["group"], volume["image"].shape
    ('patient001_ED', 'NOR', (2, 40, 40))
    """
    _check(patients, slices, size, spacing, seed)
    nibabel()
    top = pathlib.Path(root).expanduser()
    folders = [top / "training" / f"patient{n:03d}" for n in range(1, patients + 1)]

    def write(number: int, folder: pathlib.Path) -> None:
        rng = np.random.default_rng([seed, number])
        group = GROUPS[(number - 1) % len(GROUPS)]
        _write_patient(folder, group, slices, size, spacing, rng)

    write_folders(folders, write)
    return top


def _write_patient(
    folder: pathlib.Path, group: str, slices: int, size: tuple[int, int],
    spacing: tuple[float, float, float], rng: np.random.Generator,
) -> None:  # fmt: skip
    heart = Heart.draw(group, rng)
    chest = Chest.draw(heart, rng)
    frames = dict(zip(PHASES, (1, int(rng.integers(8, 14))), strict=True))
    height = rng.uniform(152, 190)
    weight = rng.uniform(20, 31) * (height / 100) ** 2
    lines = (*(f"{phase}: {frame}" for phase, frame in frames.items()),
             f"Group: {group}", f"Height: {height:.1f}", "NbFrame: 30",
             f"Weight: {weight:.1f}")  # fmt: skip
    (folder / "Info.cfg").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for phase, frame in frames.items():
        volumes = _volumes(heart, chest, phase, slices, size, spacing, rng)
        for suffix, array in volumes.items():
            name = f"{folder.name}_frame{frame:02d}{suffix}.nii.gz"
            write_nifti(folder / name, array, {"spacing": spacing})


def _volumes(
    heart: Heart, chest: Chest, phase: str, slices: int, size: tuple[int, int],
    spacing: tuple[float, float, float], rng: np.random.Generator,
) -> dict[str, NDArray[Any]]:  # fmt: skip
    """By the end of the file's name: image, truth and scribble, (D, H, W)."""
    down, right = np.meshgrid(
        *((np.arange(n) - (n - 1) / 2) * step
          for n, step in zip(size, spacing[1:], strict=True)), indexing="ij",
    )  # fmt: skip
    planes: dict[str, list[NDArray[Any]]] = {"": [], "_gt": [], "_scribble": []}
    for place in np.linspace(0, 1, slices):
        section = cut(heart, phase, float(place), down, right)
        label = section.labels(phase)
        planes[""].append(photograph(section, heart, chest, down, right, rng))
        planes["_gt"].append(label)
        planes["_scribble"].append(scribble(label, heart, down, right, rng))
    return {suffix: np.stack(stack) for suffix, stack in planes.items()}


def _check(patients: Any, slices: Any, size: Any, spacing: Any, seed: Any) -> None:
    check_whole(1, MOST, patients=patients)
    check_whole(2, slices=slices)
    check_whole(0, seed=seed)
    check_numbers(2, int, size=size)
    check_numbers(3, int | float, spacing=spacing)
    view = [n * step for n, step in zip(size, spacing[1:], strict=True)]
    if min(view) < SMALLEST_VIEW:
        raise ValueError(
            f"size {size} at spacing {spacing} mm shows {view[0]:.0f} x {view[1]:.0f} "
            f"mm; a heart needs {SMALLEST_VIEW:.0f} x {SMALLEST_VIEW:.0f} mm or more"
        )
