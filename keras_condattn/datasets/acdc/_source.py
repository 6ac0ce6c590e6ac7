"""The sources that `load` returns: slices, or whole volumes."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from keras_condattn.datasets._volumes import Native, Volumes
from keras_condattn.datasets.acdc._conditioning import conditioning, entries
from keras_condattn.datasets.acdc._files import Scan
from keras_condattn.datasets.acdc._read import CLASSES, Seen, read


class Hearts(Volumes):
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
        facts: what the conditioning holds.
        skipped: why a patient is not there, by id.
        **kwargs: how items are shown: the frame and what else `load` is told.

    Attributes:
        classes: the name of each class.
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
        *,
        facts: Sequence[str],
        skipped: Mapping[str, str],
        **kwargs: Any,
    ) -> None:
        super().__init__(seen, classes=CLASSES, **kwargs)
        self.scans, self.facts, self.skipped = tuple(scans), tuple(facts), dict(skipped)
        self.conditions = entries(facts)

    @property
    def patients(self) -> list[str]:
        """The patients' ids, each once."""
        return sorted({scan.patient for scan in self.scans})

    @property
    def groups(self) -> dict[str, str]:
        """The group of each patient."""
        return {scan.patient: scan.group for scan in self.scans}

    def _read(self, number: int, kinds: Sequence[str]) -> Native:
        scan = self.scans[number]
        volume = read(scan, "image")
        marks = {kind: read(scan, kind).array for kind in kinds}
        known = math.isfinite(volume.spacing[0])
        return Native(volume.array, marks, volume.affine if known else None)

    def _known(self, number: int) -> dict[str, Any]:
        scan, depth = self.scans[number], self.seen[number].shape[0]
        return {
            "conditioning": conditioning(scan, self.facts, depth),
            "patient": scan.patient, "phase": scan.phase, "group": scan.group,
        }  # fmt: skip
