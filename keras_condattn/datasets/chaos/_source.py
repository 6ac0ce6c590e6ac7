"""The source that `load` returns."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_condattn.datasets._volumes import Native, Seen, Volumes
from keras_condattn.datasets.chaos._files import SEQUENCES, Case
from keras_condattn.datasets.chaos._ground import CLASSES, greys
from keras_condattn.datasets.chaos._read import read

FACTS = ("sequence", "position")
MR = SEQUENCES[:3]


class Abdomens(Volumes):
    """Abdominal volumes or their slices, at random access.

    `len(source)` items; `source[i]` is a dict. Of a volume at native resolution
    unless a frame was asked for:

    - `"image"`: float32 (D, H, W), slices from feet to head,
    - `"label"`: uint8 (D, H, W), 0 background, 1 liver, 2 right kidney, 3 left
      kidney, 4 spleen; `"scribble"` likewise, on request, with 5 where unlabelled (of
      CT, which has the liver alone, 2),
    - `"conditioning"`: float32 (D, Z), a vector for each slice,
    - `"spacing"`: (slices, rows, columns) in mm,
    - `"affine"`: (4, 4), from (x, y, z) indices to mm, as a NIfTI file has it,
    - `"id"`, `"patient"`, `"sequence"`: texts.

    Of a slice: `"image"` (H, W, 1), `"label"` and `"scribble"` (H, W),
    `"conditioning"` (Z,), and `"slice"`, its number; `"id"` ends in that number.

    Files are read when an item is asked for, so memory does not grow with the number
    of patients unless `cache` keeps them. What it returns is the caller's to change.
    It can be pickled. Made by `keras_condattn.datasets.chaos.load`, which explains
    the arguments.

    Args:
        cases: the volumes.
        seen: what was found in their files.
        facts: what the conditioning holds.
        skipped: why a patient is not there, by the folder's name.
        **kwargs: how items are shown: the frame and what else `load` is told.

    Attributes:
        classes: the name of each class.
        conditions: the words for each entry of the conditioning vector, in order.
        skipped: the patients left out with `on_error="skip"`, and why.
        epoch: the epoch that `augment` draws for.

    Example:

    ```python
    source = keras_condattn.datasets.chaos.load("CHAOS/Train_Sets", ["T2SPIR"])
    source[0]["image"].shape, source.classes, source.patients
    ```
    """

    def __init__(
        self,
        cases: Sequence[Case],
        seen: Sequence[Seen],
        *,
        facts: Sequence[str],
        skipped: Mapping[str, str],
        **kwargs: Any,
    ) -> None:
        classes = CLASSES[: len(greys(cases[0].sequence))]
        super().__init__(seen, classes=classes, **kwargs)
        self.cases, self.facts, self.skipped = tuple(cases), tuple(facts), dict(skipped)
        words = {"sequence": [f"sequence={word}" for word in MR]}
        self.conditions = tuple(w for fact in facts for w in words.get(fact, [fact]))

    @property
    def patients(self) -> list[str]:
        """The patients' folders, each once."""
        return list(dict.fromkeys(case.patient for case in self.cases))

    def _read(self, number: int, kinds: Sequence[str]) -> Native:
        return read(self.cases[number], bool(kinds))[0]

    def _known(self, number: int) -> dict[str, Any]:
        case = self.cases[number]
        vectors = conditioning(case, self.facts, self.seen[number].shape[0])
        return {"conditioning": vectors, "patient": case.patient,
                "sequence": case.sequence}  # fmt: skip


def conditioning(case: Case, facts: Sequence[str], depth: int) -> NDArray[np.float32]:
    """One vector a slice, (depth, Z)."""
    parts = {
        "sequence": np.tile([float(case.sequence == word) for word in MR], (depth, 1)),
        "position": np.linspace(0, 1, depth)[:, None],
    }
    return np.concatenate([parts[fact] for fact in facts], 1).astype("float32")
