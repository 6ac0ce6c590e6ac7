"""The sources that `load` returns: slices, or whole volumes."""

import math
import operator
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_condattn._frame import Frame, Pose
from keras_condattn.datasets._augment import Augmentation
from keras_condattn.datasets._epochs import Epochs
from keras_condattn.datasets.acdc._conditioning import conditioning, entries
from keras_condattn.datasets.acdc._files import Scan
from keras_condattn.datasets.acdc._read import UNLABELLED, Seen, read

Arrays = dict[str, NDArray[Any]]
# Volumes kept while their slices are read one after another.
RECENT = 2


class Hearts(Epochs):
    """Cardiac volumes or their slices, at random access.

    `len(source)` items; `source[i]` is a dict. Of a volume at native resolution
    unless a frame was asked for:

    - `"image"`: float32 (D, H, W), slices from base to apex,
    - `"label"`: uint8 (D, H, W), 0 background, 1 right ventricle, 2 myocardium,
      3 left ventricle; `"scribble"` likewise, on request, with 4 where unlabelled,
    - `"conditioning"`: float32 (D, Z), a vector for each slice,
    - `"spacing"`: (slices, rows, columns) in mm; NaN from `.h5` files,
    - `"affine"`: (4, 4), as in the file,
    - `"id"`, `"patient"`, `"phase"`, `"group"`: texts.

    Of a slice: `"image"` (H, W, 1), `"label"` and `"scribble"` (H, W),
    `"conditioning"` (Z,), and `"slice"`, its number; `"id"` ends in that number.

    Files are read when an item is asked for, so memory does not grow with the number
    of patients unless `cache` keeps them. What it returns is the caller's to change.
    It can be pickled. Made by `keras_condattn.datasets.acdc.load`, which explains
    the arguments.

    Args:
        scans: the volumes.
        seen: what was found in their files.
        frame: how a slice is shown.
        facts: what the conditioning holds.
        kinds: `"label"` and `"scribble"`, as far as asked for.
        volumes: whether an item is a volume.
        augment: how slices vary, or None.
        cache: whether arrays stay in memory.
        seed: of the augmentation.
        skipped: why a patient is not there, by id.

    Attributes:
        conditions: the words for each entry of the conditioning vector, in order.
        skipped: the patients left out with `on_error="skip"`, and why.
        epoch: the epoch that `augment` draws for.

    Example:

    ```python
    source = keras_condattn.datasets.acdc.load("acdc", "train", spacing=1.5, size=128)
    source[0]["conditioning"], source.conditions, source.patients
    ```
    """

    def __init__(
        self,
        scans: Sequence[Scan],
        seen: Sequence[Seen],
        frame: Frame,
        *,
        facts: Sequence[str],
        kinds: Sequence[str],
        volumes: bool,
        augment: Augmentation | None,
        cache: bool,
        seed: int,
        skipped: Mapping[str, str],
    ) -> None:
        self.scans, self.seen, self.frame = tuple(scans), tuple(seen), frame
        self.facts, self.kinds, self.volumes = tuple(facts), tuple(kinds), volumes
        self.augment, self.cache, self.seed = augment, cache, seed
        self.skipped, self.conditions = dict(skipped), entries(facts)
        self._kept: dict[int, Arrays] = {}
        self._items = [
            (number, z)
            for number, look in enumerate(self.seen)
            for z in (range(look.shape[0]) if not volumes else [-1])
        ]

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> dict[str, Any]:
        number, z = self._items[operator.index(index)]
        scan, look = self.scans[number], self.seen[number]
        item: dict[str, Any] = {
            "conditioning": conditioning(scan, self.facts, look.shape[0]),
            "spacing": self._spacing(look),
            "id": scan.id, "patient": scan.patient, "phase": scan.phase,
            "group": scan.group,
        }  # fmt: skip
        arrays = self._arrays(number)
        if self.volumes:
            return item | {name: array.copy() for name, array in arrays.items()}
        item |= self._slice(number, z, arrays)
        item["image"] = item["image"][..., None]
        item["conditioning"] = item["conditioning"][z]
        return item | {"slice": z, "id": f"{scan.id}_{z:02d}"}

    @property
    def patients(self) -> list[str]:
        """The patients' ids, each once."""
        return sorted({scan.patient for scan in self.scans})

    @property
    def groups(self) -> dict[str, str]:
        """The group of each patient."""
        return {scan.patient: scan.group for scan in self.scans}

    def _spacing(self, look: Seen) -> NDArray[np.float32]:
        inplane = self.frame.spacing or look.spacing[1:]
        return np.array([look.spacing[0], *inplane], "float32")

    def _arrays(self, number: int) -> Arrays:
        """The volume of a scan in its frame; before the frame where slices turn."""
        if number in self._kept:
            return self._kept[number]
        arrays = self._read(number)
        if not self.cache:
            for old in list(self._kept)[: len(self._kept) - RECENT + 1]:
                self._kept.pop(old, None)  # another thread may have been faster
        self._kept[number] = arrays
        return arrays

    def _read(self, number: int) -> Arrays:
        scan, spacing = self.scans[number], self._native(number)
        volume = read(scan, "image")
        arrays = {kind: read(scan, kind).array for kind in self.kinds}
        if self.augment:
            return {"image": self.frame.normalised(volume.array, spacing)} | arrays
        framed = {
            kind: self.frame.labels(array, spacing, outside=_outside(kind))
            for kind, array in arrays.items()
        }
        image = self.frame.image(volume.array, spacing)
        affine = {
            "affine": self.frame.affine(volume.affine, volume.array.shape, spacing)
        }
        known = self.volumes and math.isfinite(self.seen[number].spacing[0])
        return {"image": image} | framed | (affine if known else {})

    def _native(self, number: int) -> tuple[float, ...]:
        """The spacing of a scan's file; without one a pixel counts as a millimetre."""
        spacing = self.seen[number].spacing
        return spacing if math.isfinite(spacing[0]) else (1.0, 1.0, 1.0)

    def _slice(self, number: int, z: int, arrays: Arrays) -> Arrays:
        if self.augment is None:
            return {name: array[z].copy() for name, array in arrays.items()}
        name, spacing = self.scans[number].id, self._native(number)
        rng = np.random.default_rng(
            [self.seed, self.epoch, zlib.crc32(name.encode()), z]
        )
        pose: Pose = self.augment.pose(rng)
        item = {
            kind: self.frame.labels(
                arrays[kind][z : z + 1], spacing, pose, _outside(kind)
            )[0]
            for kind in self.kinds
        }
        volume = arrays["image"]
        image = self.frame.sample(
            volume[z : z + 1], spacing, pose, float(volume.min())
        )[0]
        return item | {"image": self.augment.levels(image, rng)}


def _outside(kind: str) -> int:
    """What lies beyond the image's border: background, of which no scribble tells."""
    return UNLABELLED if kind == "scribble" else 0
