"""Reads the volumes of a scan, and refuses what cannot be what it should be."""

import dataclasses
import math
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_condattn._brain import inside_of
from keras_condattn._frame import Frame
from keras_condattn.datasets._nifti import Volume, read_nifti
from keras_condattn.datasets._pictures import SIXTEEN_BIT, decoded
from keras_condattn.datasets.brats._files import MASK, Scan

Array = NDArray[Any]
# Numbers of the tumour's parts, over the years; 0 is all else.
PARTS = range(5)
UNKNOWN_SPACING = (math.nan, math.nan, math.nan)
# In mm: how far apart the same voxel may lie in two files of one scan.
APART = 0.01


@dataclasses.dataclass(frozen=True)
class Seen:
    """What one look at a scan's files found.

    Attributes:
        shape: (D, H, W).
        spacing: (slices, rows, columns) in mm; NaN where the files have none.
        brain: (D,), the share of each slice that is not background.
        positive: (D,), whether there is tumour in what the frame shows of a slice;
            none without labels.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    brain: NDArray[np.float32]
    positive: NDArray[np.bool_]


def read(scan: Scan, kind: str) -> Volume:
    """A modality of a scan, or its tumour as 0 and 1, slices first.

    Raises:
        ValueError: naming the file, where it is damaged, or holds another kind of
            array than it should.
    """
    paths = scan.files[kind]
    volume = _stacked(paths) if scan.slices else read_nifti(paths[0])
    if kind != MASK:
        return volume
    # Pictures of masks are black and anything else.
    wrong = np.setdiff1d(volume.array, PARTS)
    if wrong.size and not scan.slices:
        raise ValueError(
            f"{paths[0].name} must hold the tumour's parts as numbers from 0 to "
            f"{PARTS[-1]}, got {wrong[:5].tolist()}"
        )
    return dataclasses.replace(volume, array=(volume.array > 0).astype("uint8"))


def look(scan: Scan, modalities: Sequence[str], labels: bool, frame: Frame) -> Seen:
    """Reads every file of a scan once and compares them.

    Raises:
        ValueError: for arrays of different shape or place, a modality with one grey
            level only, and as `read`.
    """
    first = read(scan, modalities[0])
    brain = np.zeros(first.array.shape, bool)
    for modality in modalities:
        volume = first if modality == modalities[0] else read(scan, modality)
        _check_alike(scan, modality, volume, modalities[0], first)
        inside = inside_of(volume.array)
        if volume.array.min() == volume.array.max():
            raise ValueError(f"{_name(scan, modality)} has one grey level only")
        brain |= inside
    positive: NDArray[np.bool_] = np.zeros(0, bool)
    if labels:
        mask = read(scan, MASK)
        _check_alike(scan, MASK, mask, modalities[0], first)
        shown = framed_labels(frame, mask.array, native_spacing(first.spacing))
        positive = np.asarray(shown.any((1, 2)))
    share = brain.mean((1, 2), dtype="float32")
    return Seen(first.array.shape, first.spacing, share, positive)


def native_spacing(spacing: tuple[float, ...]) -> tuple[float, ...]:
    """The spacing of a file; without one a pixel counts as a millimetre."""
    return spacing if math.isfinite(spacing[0]) else (1.0, 1.0, 1.0)


def framed_labels(frame: Frame, mask: Array, spacing: Sequence[float]) -> Array:
    """A mask (D, H, W) in its frame."""
    if frame.spacing is None and frame.size is None:
        return mask
    return frame.labels(mask, spacing)


def _stacked(paths: tuple[pathlib.Path, ...]) -> Volume:
    """Pictures as a volume, of which nobody knows the spacing."""
    planes = [decoded(path, _grey)[1] for path in paths]
    for path, plane in zip(paths, planes, strict=True):
        if plane.shape != planes[0].shape:
            raise ValueError(
                f"{path.name} has shape {plane.shape} (H, W), {paths[0].name} has "
                f"{planes[0].shape}"
            )
    return Volume(np.stack(planes), UNKNOWN_SPACING, np.eye(4))


def _grey(mode: str) -> str:
    return mode if mode in SIXTEEN_BIT else "L"


def _check_alike(
    scan: Scan, kind: str, volume: Volume, other: str, first: Volume
) -> None:
    """Raises ValueError where two files of a scan do not lie on the same voxels."""
    names = _name(scan, kind), _name(scan, other)
    if volume.array.shape != first.array.shape:
        raise ValueError(
            f"{names[0]} has shape {volume.array.shape} (D, H, W), {names[1]} has "
            f"{first.array.shape}"
        )
    ends = np.array([(x, y, z, 1) for x in (0, 1) for y in (0, 1) for z in (0, 1)])
    ends[:, :3] *= np.array(first.array.shape[::-1]) - 1
    apart = np.abs(ends @ (volume.affine - first.affine).T).max()
    if apart > APART:
        raise ValueError(
            f"{names[0]} lies elsewhere than {names[1]}: their affines differ, by up "
            f"to {apart:.3g} mm; resample them to one grid first"
        )


def _name(scan: Scan, kind: str) -> str:
    paths = scan.files[kind]
    return f"{paths[0].parent.name}/{paths[0].name}" if scan.slices else paths[0].name
