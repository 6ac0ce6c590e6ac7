"""Drawn brains in the layout of BraTS, for studies and for trying things out."""

import os
import pathlib
from typing import Any

import numpy as np

from keras_condattn.datasets._arguments import check_numbers, check_whole
from keras_condattn.datasets._folders import write_folders
from keras_condattn.datasets._nifti import nibabel, write_nifti
from keras_condattn.datasets.brats._phantom_head import Head, show

# A brain and some air around it, in mm.
SMALLEST_VIEW = 176.0
MOST = 999


def write_phantoms(
    root: str | os.PathLike[str],
    patients: int = 16,
    *,
    slices: int = 24,
    size: tuple[int, int] = (96, 96),
    spacing: tuple[float, float, float] = (5.0, 2.0, 2.0),
    seed: int = 0,
) -> pathlib.Path:
    """Writes drawn brains with lesions as scans of BraTS, in two modalities.

    ```
    root/phantom_001/phantom_001_flair.nii.gz, _t1ce.nii.gz, _seg.nii.gz
    ```

    No picture of anyone is in it: ellipsoids and smooth noise, computed here. A brain
    of grey and white matter with ventricles, textured, under an uneven receive field
    and noise, in air of exactly 0. About half of its slices show a lesion, some two,
    and neither modality shows it well:

    - `flair`: bright all over, with a vague border. As bright, but small, sharp and
      even, are four other spots, of which `t1ce` shows nothing.
    - `t1ce`: a bright rim around a dark core; in three of ten brains next to nothing.
      As bright are four small solid spots and three rings without a core, of which
      `flair` shows nothing.

    So each modality misses part of what the mask holds and shows things that the
    other one refutes. Numbers measured on these brains are no numbers of patients;
    what networks learn from them serves on real ones in part, which
    `CrossModalityCAM(weights="brats")` lives on.

    Each scan appears whole or not at all.

    Args:
        root: the folder, made where it is not there. Give it to `load`, with
            `modalities=("flair", "t1ce")`.
        patients: how many; at most 999. Defaults to 16.
        slices: of each volume, at least 4; the brain fills them. Defaults to 24.
        size: (rows, columns) of a slice in pixels. Defaults to (96, 96).
        spacing: (slices, rows, columns) in mm. Rows and columns must show 176 mm or
            more. Defaults to (5.0, 2.0, 2.0).
        seed: the same seed draws the same brains, and `patients` does not change
            those it begins with. Defaults to 0.

    Returns:
        `root`, as a path.

    Raises:
        ValueError: for an argument out of its range.
        FileExistsError: where one of the scans is there already; nothing is then
            written.
        ImportError: where nibabel is missing.

    Example:

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> root = keras_condattn.datasets.brats.write_phantoms(
    ...     folder.name, 1, slices=4, size=(44, 44), spacing=(30.0, 4.0, 4.0)
    ... )
    >>> source = keras_condattn.datasets.brats.load(
    ...     root, modalities=("flair", "t1ce"), volumes=True
    ... )
    >>> source[0]["id"], source[0]["image"].shape, source[0]["positive"].shape
    ('phantom_001', (4, 44, 44, 2), (4,))
    """
    _check(patients, slices, size, spacing, seed)
    nibabel()
    top = pathlib.Path(root).expanduser()
    folders = [top / f"phantom_{number:03d}" for number in range(1, patients + 1)]
    axes = [
        (np.arange(n) - (n - 1) / 2) * step
        for n, step in zip((slices, *size), spacing, strict=True)
    ]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"))

    def write(number: int, folder: pathlib.Path) -> None:
        rng = np.random.default_rng([seed, number])
        volumes = show(Head.draw(slices * spacing[0], rng), grid, spacing, rng)
        for kind, array in volumes.items():
            path = folder / f"{folder.name}_{kind}.nii.gz"
            write_nifti(path, array, {"spacing": spacing})

    write_folders(folders, write)
    return top


def _check(patients: Any, slices: Any, size: Any, spacing: Any, seed: Any) -> None:
    check_whole(1, MOST, patients=patients)
    check_whole(4, slices=slices)
    check_whole(0, seed=seed)
    check_numbers(2, int, size=size)
    check_numbers(3, int | float, spacing=spacing)
    view = [n * step for n, step in zip(size, spacing[1:], strict=True)]
    if min(view) < SMALLEST_VIEW:
        raise ValueError(
            f"size {size} at spacing {spacing} mm shows {view[0]:.0f} x {view[1]:.0f} "
            f"mm; a brain needs {SMALLEST_VIEW:.0f} x {SMALLEST_VIEW:.0f} mm or more"
        )
