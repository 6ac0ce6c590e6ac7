"""A series of DICOM slices as a volume, in the order in which they lie."""

import dataclasses
import math
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_condattn._optional import optional
from keras_condattn.datasets._nifti import Volume

# A few kilobytes of it can unpack to gigabytes, before anything else is known.
DEFLATED = "1.2.840.10008.1.2.1.99"
LONGEST_SIDE, MOST_VOXELS = 4096, 2**28
# Of the largest gap between slices over the least: a missing slice makes it 2.
UNEVEN = 1.5
PATIENT_TO_NIFTI = np.diag([-1.0, -1.0, 1.0])


@dataclasses.dataclass(frozen=True)
class Plane:
    """One slice: its grey levels (H, W), and how its file says that it lies."""

    name: str
    levels: NDArray[np.float32]
    origin: NDArray[np.float64]
    right: NDArray[np.float64]
    down: NDArray[np.float64]
    spacing: tuple[float, float]


def read_series(paths: Sequence[pathlib.Path]) -> tuple[Volume, list[int]]:
    """The volume of some slices, sorted along their normal, and their order.

    Args:
        paths: a file a slice, in any order.

    Returns:
        The volume, whose affine is that of a NIfTI file, and for each of its slices
        the place of its file in `paths`.

    Raises:
        ValueError: naming the file that is damaged or not one grey picture, or does
            not say where it lies or lies elsewhere than the others; for slices that
            share a place or leave one out; for one slice only.
    """
    if len(paths) < 2:
        raise ValueError(
            f"{paths[0].name} is the only slice; where it lies needs at least 2"
        )
    planes: list[Plane] = []
    for path in paths:
        planes.append(_plane(path, len(paths)))
        _check_alike(planes[-1], planes[0])
    first = planes[0]
    normal = np.cross(first.right, first.down)
    heights = np.array([plane.origin @ normal for plane in planes])
    order = [int(place) for place in heights.argsort(kind="stable")]
    gap = _gap([planes[place] for place in order], heights[order])
    lowest, highest = planes[order[0]], planes[order[-1]]
    step = (highest.origin - lowest.origin) / (len(planes) - 1)
    down, right = first.spacing
    affine = np.eye(4)
    columns = np.stack([first.right * right, first.down * down, step], 1)
    affine[:3, :3] = PATIENT_TO_NIFTI @ columns
    affine[:3, 3] = PATIENT_TO_NIFTI @ lowest.origin
    levels = np.stack([planes[place].levels for place in order])
    return Volume(levels, (gap, down, right), affine), order


def _plane(path: pathlib.Path, count: int) -> Plane:
    dataset = _header(path)
    wanted = {
        "SamplesPerPixel": (1,), "NumberOfFrames": (1, None),
        "PhotometricInterpretation": ("MONOCHROME2",), "BitsAllocated": (8, 16),
    }  # fmt: skip
    for name, known in wanted.items():
        value = dataset.get(name)
        if value not in known:
            raise ValueError(
                f"{path.name} must have {name} {known[0]}, as one grey picture has, "
                f"got {value!r}"
            )
    height, width = (_numbers(path, dataset, n, 1)[0] for n in ("Rows", "Columns"))
    sides = min(height, width) >= 1 and max(height, width) <= LONGEST_SIDE
    if not sides or height * width * count > MOST_VOXELS:
        raise ValueError(
            f"{path.name} claims {height:g} x {width:g} pixels, {count} slices of "
            f"them; at most {LONGEST_SIDE} a side and {MOST_VOXELS} in all are read"
        )
    axes = _numbers(path, dataset, "ImageOrientationPatient", 6)
    right, down = np.array(axes[:3]), np.array(axes[3:])
    lengths = [float(np.linalg.norm(axis)) for axis in (right, down)]
    if abs(right @ down) > 1e-2 or not np.allclose(lengths, 1, atol=1e-2):
        raise ValueError(
            f"{path.name} must give ImageOrientationPatient as two directions at right "
            f"angles, got {axes}"
        )
    spacing = _numbers(path, dataset, "PixelSpacing", 2)
    if min(spacing) <= 0:
        raise ValueError(f"{path.name} must have PixelSpacing above 0, got {spacing}")
    origin = np.array(_numbers(path, dataset, "ImagePositionPatient", 3))
    levels = _levels(path, dataset, (int(height), int(width)))
    return Plane(path.name, levels, origin, right / lengths[0], down / lengths[1],
                 (spacing[0], spacing[1]))  # fmt: skip


def _header(path: pathlib.Path) -> Any:
    module = optional("pydicom", "medical", "reading DICOM files")
    try:
        meta = module.filereader.read_file_meta_info(path)
        if meta.get("TransferSyntaxUID") == DEFLATED:
            raise ValueError("deflated data sets are not read")
        return module.dcmread(path)
    except Exception as error:  # a damaged file raises whatever a decoder trips over
        raise ValueError(f"{path.name} cannot be read as DICOM ({error})") from error


def _levels(
    path: pathlib.Path, dataset: Any, shape: tuple[int, int]
) -> NDArray[np.float32]:
    slope = _numbers(path, dataset, "RescaleSlope", 1, 1.0)[0]
    intercept = _numbers(path, dataset, "RescaleIntercept", 1, 0.0)[0]
    try:
        pixels = np.asarray(dataset.pixel_array)
    except Exception as error:
        raise ValueError(f"{path.name} cannot be read as DICOM ({error})") from error
    if pixels.shape != shape:
        raise ValueError(f"{path.name} claims {shape} pixels and has {pixels.shape}")
    with np.errstate(over="ignore", invalid="ignore"):  # found below
        levels = np.asarray(slope * pixels.astype("float64") + intercept, "float32")
    if not np.isfinite(levels).all():
        raise ValueError(
            f"{path.name} has grey levels that are not finite, with RescaleSlope "
            f"{slope:g} and RescaleIntercept {intercept:g}"
        )
    return levels


def _numbers(
    path: pathlib.Path,
    dataset: Any,
    name: str,
    count: int,
    missing: float | None = None,
) -> list[float]:
    try:
        value = dataset.get(name)
        if value is None and missing is not None:
            return [missing]
        found = [float(v) for v in ([value] if count == 1 else value or [])]
    except Exception:  # pydicom decodes a value when it is asked for
        value, found = "something else", []
    if len(found) != count or not all(map(math.isfinite, found)):
        raise ValueError(
            f"{path.name} must give {name} as {count} finite "
            f"{'number' if count == 1 else 'numbers'}, got {value!r}"
        )
    return found


def _check_alike(plane: Plane, first: Plane) -> None:
    pairs = {
        "pixels": (plane.levels.shape, first.levels.shape),
        "PixelSpacing": (plane.spacing, first.spacing),
        "ImageOrientationPatient": (
            (*plane.right, *plane.down), (*first.right, *first.down)
        ),
    }  # fmt: skip
    for name, (mine, other) in pairs.items():
        if not np.allclose(mine, other, rtol=1e-3, atol=1e-3):
            raise ValueError(
                f"{plane.name} has other {name} than {first.name}: {mine} and {other}"
            )


def _gap(planes: Sequence[Plane], heights: NDArray[np.float64]) -> float:
    """The distance in mm between slices, where no two share a place."""
    gaps = np.diff(heights)
    for place in (int(gaps.argmin()), int(gaps.argmax())):
        names, gap = f"{planes[place].name} and {planes[place + 1].name}", gaps[place]
        if gap < 1e-3:
            raise ValueError(f"{names} lie at the same place")
        if gap > UNEVEN * gaps.min():
            raise ValueError(
                f"{names} lie {gap:.2f} mm apart, others {gaps.min():.2f} mm; is a "
                "slice missing?"
            )
    return float(gaps.mean())
