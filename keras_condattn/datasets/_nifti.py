"""NIfTI volumes in and out, slices first: (D, H, W) is (z, y, x)."""

import dataclasses
import gzip
import math
import os
import pathlib
import tempfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_condattn._optional import optional

HEADER = 540  # of NIfTI-2, the longer one
# What a packed file may hold beside its header and voxels: extensions, padding.
SLACK = 64 * 2**20


@dataclasses.dataclass(frozen=True)
class Volume:
    """A volume as its file has it.

    Args:
        array: (D, H, W).
        spacing: (slices, rows, columns) in mm.
        affine: (4, 4), from (x, y, z) indices to mm, as NIfTI has it.
    """

    array: NDArray[Any]
    spacing: tuple[float, float, float]
    affine: NDArray[np.float64]


def nibabel() -> Any:
    """The nibabel module."""
    return optional("nibabel", "medical", "reading or writing NIfTI files")


def read_nifti(path: pathlib.Path) -> Volume:
    """Reads a three-dimensional NIfTI file.

    Raises:
        ValueError: naming the file, where it is damaged or cut short (of packed files
            the checksum is compared), has not three axes, holds values that are not
            finite, a spacing that is not above 0, or lengths in another unit than mm.
    """
    module = nibabel()
    try:
        packed = path.name.lower().endswith(".gz")
        image = _unpacked(module, path) if packed else module.load(path)
        array = np.asanyarray(image.dataobj)
        affine = np.asarray(image.affine, "float64")
        spacing = _spacing(image)
        unit = image.header.get_xyzt_units()[0]
    except Exception as error:  # a damaged file raises whatever a decoder trips over
        raise ValueError(f"{path.name} cannot be read as NIfTI ({error})") from error
    if array.ndim != 3 or 0 in array.shape:
        raise ValueError(
            f"{path.name} must have three axes, each at least 1 long, got shape "
            f"{array.shape}"
        )
    if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
        raise ValueError(f"{path.name} holds values that are not finite numbers")
    if not all(np.isfinite(spacing)) or min(spacing) <= 0:
        raise ValueError(f"{path.name} must have a spacing above 0 mm, got {spacing}")
    if not np.isfinite(affine).all():
        raise ValueError(f"{path.name} has an affine that is not finite")
    if unit not in ("mm", "unknown"):
        raise ValueError(f"{path.name} must have its spacing in mm, got {unit!r}")
    x, y, z = spacing
    return Volume(array.transpose(2, 1, 0), (z, y, x), affine)


def _unpacked(module: Any, path: pathlib.Path) -> Any:
    """The image of a .nii.gz, read to its end.

    Where the voxels end nibabel stops, before the checksum that tells of damage.
    """
    with gzip.open(path, "rb") as file:
        head = file.read(HEADER)
        kinds = (module.Nifti1Image, module.Nifti2Image)
        kind = next((k for k in kinds if k.header_class.may_contain_header(head)), None)
        if kind is None:
            raise ValueError("it does not begin as NIfTI does")
        known = kind.header_class
        header = known(head[: known.sizeof_hdr], check=False)
        voxels = math.prod(map(int, header.get_data_shape()))
        most = voxels * header.get_data_dtype().itemsize + SLACK
        rest = file.read(max(most, 0) + 1)
    if len(rest) > most:
        raise ValueError(f"it unpacks to more than the {most} bytes that it announces")
    return kind.from_bytes(head + rest)


def _spacing(image: Any) -> tuple[float, ...]:
    """(x, y, z) as the header has it; nibabel would turn a spacing of 0 into 1."""
    with image.file_map["image"].get_prepare_fileobj("rb") as file:
        header = type(image.header).from_fileobj(file, check=False)
    return tuple(float(step) for step in header.get_zooms()[:3])


def write_nifti(
    path: str | os.PathLike[str], label: ArrayLike, like: Mapping[str, Any]
) -> None:
    """Writes a label volume with the geometry of the volume that it belongs to.

    The file appears whole or not at all.

    Args:
        path: ends in `.nii` or `.nii.gz`; a file of that name is replaced.
        label: (D, H, W) whole numbers from 0 to 65535, as `predict_volume` returns.
        like: the volume's item, with `"affine"` (4, 4), or only its `"spacing"`,
            (slices, rows, columns) in mm, which a file without position gets.

    Raises:
        ValueError: for another suffix, another shape than `like["image"]` has
            (modalities on a last axis play no part), values that are not such
            numbers, or a geometry that is none; nothing is then written.
        FileNotFoundError: where there is no folder for it.
        ImportError: where nibabel is missing.

    Example:

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> label = np.zeros((2, 4, 6), "uint8")
    >>> keras_condattn.datasets.write_nifti(
    ...     f"{folder.name}/label.nii.gz", label, {"spacing": (10.0, 1.5, 1.5)}
    ... )
    """
    target = pathlib.Path(path)
    suffix = next((s for s in (".nii", ".nii.gz") if target.name.endswith(s)), None)
    if suffix is None:
        raise ValueError(f"path must end in .nii or .nii.gz, got {target.name!r}")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"path: there is no folder {str(target.parent)!r}")
    values = _whole(label, like)
    image = nibabel().Nifti1Image(values.transpose(2, 1, 0), _affine(like))
    image.header.set_xyzt_units("mm")
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        part = pathlib.Path(scratch) / f"part{suffix}"
        image.to_filename(part)
        os.replace(part, target)


def _whole(label: ArrayLike, like: Mapping[str, Any]) -> NDArray[Any]:
    values = np.asarray(label)
    shape = np.shape(like["image"]) if "image" in like else values.shape
    if len(shape) == 4:  # several modalities, on the last axis
        shape = shape[:3]
    if values.ndim != 3 or values.shape != tuple(shape):
        raise ValueError(
            f"label must have the volume's shape {tuple(shape)}, (D, H, W), got "
            f"{values.shape}"
        )
    smallest = np.uint8 if values.max(initial=0) < 256 else np.uint16
    with np.errstate(invalid="ignore"):  # what does not fit is found below
        stored = values.astype(smallest)
    if not np.array_equal(stored, values):
        raise ValueError("label must hold whole numbers from 0 to 65535")
    return stored


def _affine(like: Mapping[str, Any]) -> NDArray[np.float64]:
    if "affine" in like:
        affine = np.asarray(like["affine"], "float64")
    elif "spacing" in like:
        affine = np.diag([*np.asarray(like["spacing"], "float64")[::-1], 1.0])
    else:
        raise ValueError("like must have an 'affine' or a 'spacing'")
    regular = (
        affine.shape == (4, 4) and np.isfinite(affine).all() and np.linalg.det(affine)
    )
    if not regular or ("affine" not in like and np.diag(affine).min() <= 0):
        raise ValueError(
            "like must have an 'affine' (4, 4) or a 'spacing' of three steps above 0 "
            f"mm, got {affine.tolist()}"
        )
    return affine
