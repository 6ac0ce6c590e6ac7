"""Reads the volume of a case, and refuses what cannot be what it should be."""

import numpy as np

from keras_condattn.datasets._nifti import read_nifti
from keras_condattn.datasets._volumes import Labels, Native, Seen
from keras_condattn.datasets.chaos._dicom import MOST_VOXELS, read_series
from keras_condattn.datasets.chaos._files import Case, checked, files_in
from keras_condattn.datasets.chaos._ground import CLASSES, paired, read_ground


def read(case: Case, labels: bool) -> tuple[Native, Seen]:
    """The arrays of a case, slices first, and what was seen.

    Raises:
        ValueError: naming the file, where one is missing, damaged, or does not fit
            the others.
    """
    return _nifti(case, labels) if not case.sequence else _dicom(case, labels)


def _dicom(case: Case, labels: bool) -> tuple[Native, Seen]:
    paths = files_in(case.image, ".dcm")
    # Before any image is read: what is missing is told at once.
    pictures = paired(paths, files_in(case.label, ".png")) if labels else []
    volume, order = read_series(paths)
    shape = volume.array.shape
    marks = {}
    if labels:
        planes = [read_ground(pictures[i], shape[1:], case.sequence) for i in order]
        marks["label"] = np.stack(planes)
    native = Native(volume.array, marks, volume.affine)
    return native, Seen(case.id, shape, volume.spacing)


def _nifti(case: Case, labels: bool) -> tuple[Native, Seen]:
    most = 4 * MOST_VOXELS
    volume = read_nifti(checked(case.image, most))
    if len(volume.array) < 2:
        raise ValueError(f"{case.image.name} has one slice; it needs at least 2")
    shape = volume.array.shape
    marks = {"label": _nifti_labels(case, shape, most)} if labels else {}
    native = Native(volume.array, marks, volume.affine)
    return native, Seen(case.id, shape, volume.spacing)


def _nifti_labels(case: Case, shape: tuple[int, ...], most: int) -> Labels:
    found = read_nifti(checked(case.label, most)).array
    if found.shape != shape:
        raise ValueError(
            f"{case.label.name} has shape {found.shape} (D, H, W), the image {shape}"
        )
    wrong = np.setdiff1d(found, range(len(CLASSES)))
    if wrong.size:
        raise ValueError(
            f"{case.label.name} must hold classes from 0 to {len(CLASSES) - 1}, got "
            f"{wrong[:5].tolist()}"
        )
    return found.astype("uint8")
