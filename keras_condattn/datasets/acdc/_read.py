"""Reads the volumes of a scan, and refuses what cannot be what it should be."""

import dataclasses
import hashlib
import math
import pathlib

import numpy as np

from keras_condattn.datasets import _volumes
from keras_condattn.datasets._nifti import Volume, read_nifti
from keras_condattn.datasets.acdc._files import Scan

CLASSES = ("background", "right ventricle", "myocardium", "left ventricle")
UNLABELLED = 4
KINDS = ("image", "label", "scribble")
UNKNOWN_SPACING = (math.nan, math.nan, math.nan)


@dataclasses.dataclass(frozen=True)
class Seen(_volumes.Seen):
    """What one look at a scan's files found.

    Args:
        digest: of the image's grey levels, the same for the same image.
    """

    digest: str


def read(scan: Scan, kind: str) -> Volume:
    """The `"image"`, `"label"` or `"scribble"` volume of a scan, slices first.

    Raises:
        ValueError: naming the file, where it is missing, damaged, or holds another
            kind of array than it should.
    """
    path: pathlib.Path = getattr(scan, kind)
    if not path.is_file():
        raise ValueError(f"has no {path.name}")
    volume = _packed(path, kind) if path.suffix == ".h5" else read_nifti(path)
    if kind != "image":
        allowed = range(len(CLASSES) + (kind == "scribble"))
        wrong = np.setdiff1d(volume.array, allowed)
        if wrong.size:
            raise ValueError(
                f"{path.name} must hold {kind} values from 0 to {allowed[-1]}, got "
                f"{wrong[:5].tolist()}"
            )
        return dataclasses.replace(volume, array=volume.array.astype("uint8"))
    return volume


def look(scan: Scan, kinds: list[str]) -> Seen:
    """Reads every file of a scan once and compares them.

    Raises:
        ValueError: for a volume with one slice, arrays of different shape, and as
            `read`.
    """
    image = read(scan, "image")
    if len(image.array) < 2:
        raise ValueError(
            f"{scan.image.name} has one slice; its place in the heart needs at least 2"
        )
    for kind in kinds:
        shape = read(scan, kind).array.shape
        if shape != image.array.shape:
            raise ValueError(
                f"{scan.phase}: the {kind} has shape {shape} (D, H, W), the image "
                f"{image.array.shape}"
            )
    levels = np.ascontiguousarray(image.array)
    digest = hashlib.sha256(levels.data).hexdigest()
    return Seen(scan.id, levels.shape, image.spacing, digest)


def _packed(path: pathlib.Path, kind: str) -> Volume:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            # A link, like a data set kept outside, could point anywhere on the disk.
            if not isinstance(file.get(kind, getlink=True), h5py.HardLink):
                raise ValueError(f"no entry {kind!r} of its own")
            entry = file[kind]
            if not isinstance(entry, h5py.Dataset):
                raise ValueError(f"{kind!r} is no array")
            if entry.external or entry.is_virtual:
                raise ValueError(f"{kind!r} refers to another file")
            # No compression of HDF5 makes 1,100 bytes of one.
            if entry.nbytes > 1100 * entry.id.get_storage_size() + 4096:
                raise ValueError(f"{kind!r} claims more than the file holds")
            array = np.asarray(entry[()])
    except Exception as error:  # a damaged file raises whatever h5py trips over
        raise ValueError(f"{path.name} cannot be read ({error})") from error
    if array.ndim != 3 or array.dtype.kind not in "biuf":
        raise ValueError(
            f"{path.name}: {kind!r} must hold numbers (D, H, W), got {array.dtype} "
            f"{array.shape}"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{path.name}: {kind!r} holds values that are not finite")
    return Volume(array, UNKNOWN_SPACING, np.eye(4))
