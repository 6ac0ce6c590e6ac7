"""The source that `load` returns: slices, or whole volumes."""

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_condattn._brain import framed_image
from keras_condattn._frame import Frame
from keras_condattn.datasets._recent import recalled
from keras_condattn.datasets.brats._files import MASK, Scan, canonical
from keras_condattn.datasets.brats._read import (
    Seen,
    framed_labels,
    native_spacing,
    read,
)

Arrays = dict[str, NDArray[Any]]


class Brains:
    """Brains with tumours in several modalities, at random access.

    `len(source)` items; `source[i]` is a dict. Of a volume, at native resolution
    unless a frame was asked for:

    - `"image"`: float32 (D, H, W, M), the modalities in the order asked for, and each
      of them under its name, (D, H, W, 1),
    - `"label"`: uint8 (D, H, W), 1 where there is tumour (all its parts), else 0,
    - `"positive"`: int32 (D,), 1 for each slice that shows some,
    - `"spacing"`: (slices, rows, columns) in mm; NaN from pictures,
    - `"affine"`: (4, 4), as in the file,
    - `"id"`, `"patient"`: texts.

    Of a slice: `"image"` (H, W, M) and each modality (H, W, 1), `"label"`, the
    image-level label: 0 or 1, `"mask"` (H, W), and `"slice"`, its number; `"id"` ends
    in that number. `Batches(source, 8, source.modalities)` is what
    `models.CrossModalityModel` learns from.

    Files are read when an item is asked for, so memory does not grow with the number
    of patients unless `cache` keeps them. What it returns is the caller's to change.
    It can be pickled. Made by `keras_condattn.datasets.brats.load`, which explains
    the arguments.

    Args:
        scans: what there is.
        seen: what was found in their files.
        frame: how a slice is shown; its own normalisation plays no part.
        modalities: their names, as the items shall have them.
        labels: whether there are masks.
        zscore: whether grey levels are normalised within the brain.
        volumes: whether an item is a volume.
        least_brain: slices with less brain than this share are left out.
        cache: whether arrays stay in memory.
        skipped: why a scan is not there, by id.

    Attributes:
        modalities: their names.
        positive: the image-level label of each item that is a slice.
        skipped: the scans left out with `on_error="skip"`, and why.

    Example:

    ```python
    source = keras_condattn.datasets.brats.load("BraTS", "train", spacing=2, size=96)
    source[0]["label"], source.modalities, source.patients
    ```
    """

    def __init__(
        self,
        scans: Sequence[Scan],
        seen: Sequence[Seen],
        frame: Frame,
        *,
        modalities: Sequence[str],
        labels: bool,
        zscore: bool,
        volumes: bool,
        least_brain: float,
        cache: bool,
        skipped: Mapping[str, str],
    ) -> None:
        self.scans, self.seen, self.frame = tuple(scans), tuple(seen), frame
        self.modalities, self.labels, self.zscore = tuple(modalities), labels, zscore
        self.volumes, self.cache, self.skipped = volumes, cache, dict(skipped)
        self._kept: dict[int, Arrays] = {}
        self._items = [
            (number, z)
            for number, look in enumerate(self.seen)
            for z in ([-1] if volumes else np.flatnonzero(look.brain >= least_brain))
        ]

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> dict[str, Any]:
        number, z = self._items[operator.index(index)]
        scan, look = self.scans[number], self.seen[number]
        item: dict[str, Any] = {
            "spacing": self._spacing(look), "id": scan.id, "patient": scan.patient,
        }  # fmt: skip
        arrays = self._arrays(number)
        if self.volumes:
            item |= {name: array.copy() for name, array in arrays.items()}
            if self.labels:
                item["positive"] = look.positive.astype("int32")
        else:
            item |= self._slice(number, int(z), arrays)
        for place, name in enumerate(self.modalities):
            item[name] = item["image"][..., place : place + 1]
        return item

    @property
    def patients(self) -> list[str]:
        """The patients' ids, each once."""
        return sorted({scan.patient for scan in self.scans})

    @property
    def positive(self) -> NDArray[np.int32]:
        """The image-level label of each slice, (len(source),); reads no file."""
        if self.volumes or not self.labels:
            raise ValueError("positive needs slices with labels: volumes=False")
        found = [self.seen[number].positive[z] for number, z in self._items]
        return np.array(found, "int32")

    def _slice(self, number: int, z: int, arrays: Arrays) -> dict[str, Any]:
        scan = self.scans[number]
        place = scan.slices[z] if scan.slices else z
        item: dict[str, Any] = {
            "image": arrays["image"][z].copy(),
            "slice": place,
            "id": f"{scan.id}_{place:03d}",
        }
        if self.labels:
            item["mask"] = arrays["label"][z].copy()
            item["label"] = np.int32(self.seen[number].positive[z])
        return item

    def _spacing(self, look: Seen) -> NDArray[np.float32]:
        inplane = self.frame.spacing or look.spacing[1:]
        return np.array([look.spacing[0], *inplane], "float32")

    def _arrays(self, number: int) -> Arrays:
        return recalled(self._kept, number, lambda: self._read(number), self.cache)

    def _read(self, number: int) -> Arrays:
        scan, spacing = self.scans[number], native_spacing(self.seen[number].spacing)
        volumes = [read(scan, canonical(name)) for name in self.modalities]
        frames = [
            framed_image(self.frame, volume.array, spacing, self.zscore)
            for volume in volumes
        ]
        arrays: Arrays = {"image": np.stack(frames, -1)}
        if self.labels:
            mask = read(scan, MASK).array
            arrays["label"] = framed_labels(self.frame, mask, spacing)
        if self.volumes and math.isfinite(self.seen[number].spacing[0]):
            arrays["affine"] = self.frame.affine(
                volumes[0].affine, volumes[0].array.shape, spacing
            )
        return arrays
