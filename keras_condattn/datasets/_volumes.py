"""Volumes or their slices at random access, whatever files they come from."""

import abc
import dataclasses
import math
import operator
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_condattn._frame import STILL, Frame, Pose
from keras_condattn.datasets._augment import Augmentation
from keras_condattn.datasets._epochs import Epochs
from keras_condattn.datasets._pen import SimulatedScribbles
from keras_condattn.datasets._recent import recalled

Labels = NDArray[np.uint8]
Arrays = dict[str, NDArray[Any]]


@dataclasses.dataclass(frozen=True)
class Seen:
    """What one look at the files of a volume found.

    Args:
        id: of the volume.
        shape: (D, H, W).
        spacing: (slices, rows, columns) in mm; NaN where the files have none.
    """

    id: str
    shape: tuple[int, ...]
    spacing: tuple[float, float, float]

    @property
    def step(self) -> tuple[float, float, float]:
        """The spacing; without one a pixel counts as a millimetre."""
        return self.spacing if math.isfinite(self.spacing[0]) else (1.0, 1.0, 1.0)


@dataclasses.dataclass(frozen=True)
class Native:
    """The arrays of a volume on the pixels of its files.

    Args:
        image: (D, H, W), grey levels.
        marks: `"label"` and `"scribble"`, (D, H, W) each, as far as asked for.
        affine: (4, 4), from (x, y, z) indices to mm; None where the files say none.
    """

    image: NDArray[Any]
    marks: Mapping[str, Labels]
    affine: NDArray[np.float64] | None


class Volumes(Epochs, abc.ABC):
    """Items of volumes or slices in a frame, augmented, with their scribbles.

    A subclass says how a volume is read (`_read`) and what is known of it (`_known`).

    Args:
        seen: the volumes.
        frame: how a slice is shown.
        classes: their names, the background first.
        labels: whether items have labels.
        scribbles: whether items have the scribbles of the files, or a pen that draws
            others on the labels.
        volumes: whether an item is a volume.
        augment: how slices vary, or None.
        cache: whether arrays stay in memory.
        seed: of the augmentation.
    """

    def __init__(
        self,
        seen: Sequence[Seen],
        frame: Frame,
        *,
        classes: Sequence[str],
        labels: bool,
        scribbles: bool | SimulatedScribbles,
        volumes: bool,
        augment: Augmentation | None,
        cache: bool,
        seed: int,
    ) -> None:
        self.seen, self.frame, self.classes = tuple(seen), frame, tuple(classes)
        self.labels, self.scribbles = labels, scribbles
        self.volumes, self.augment = volumes, augment
        self.cache, self.seed = cache, seed
        self._kept: dict[int, Native] = {}
        self._drawn: dict[tuple[int, int], Labels] = {}
        self._items = [
            (number, z)
            for number, look in enumerate(self.seen)
            for z in (range(look.shape[0]) if not volumes else [-1])
        ]

    @abc.abstractmethod
    def _read(self, number: int, kinds: Sequence[str]) -> Native:
        """The arrays of a volume, from its files, with the marks of some kinds."""

    @abc.abstractmethod
    def _known(self, number: int) -> dict[str, Any]:
        """What else is in the items of a volume; `"conditioning"` is (D, Z)."""

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> dict[str, Any]:
        number, z = self._items[operator.index(index)]
        seen, native = self.seen[number], self._native(number)
        inplane = self.frame.spacing or seen.spacing[1:]
        item = self._known(number) | {
            "spacing": np.array([seen.spacing[0], *inplane], "float32"),
            "id": seen.id,
        }
        if not self.volumes:
            item |= self._slice(number, native, z)
            item["image"] = item["image"][..., None]
            item["conditioning"] = item["conditioning"][z]
            return item | {"slice": z, "id": f"{seen.id}_{z:02d}"}
        item |= self._framed(number, native, range(seen.shape[0]))
        if native.affine is not None:
            item["affine"] = self.frame.affine(native.affine, seen.shape, seen.step)
        return item

    def _native(self, number: int) -> Native:
        """The arrays of a volume, its grey levels normalised."""

        def read() -> Native:
            found = self._read(number, kinds_of(self.labels, self.scribbles))
            levels = self.frame.normalised(found.image, self.seen[number].step)
            return dataclasses.replace(found, image=levels)

        return recalled(self._kept, number, read, self.cache)

    def _slice(self, number: int, native: Native, z: int) -> Arrays:
        """The arrays (h, w) of a slice, anew in each epoch where they vary."""
        if self.augment is None:
            return _first(self._framed(number, native, range(z, z + 1)))
        name = zlib.crc32(self.seen[number].id.encode())
        rng = np.random.default_rng([self.seed, self.epoch, name, z])
        pose = self.augment.pose(rng)
        item = _first(self._framed(number, native, range(z, z + 1), pose))
        return item | {"image": self.augment.levels(item["image"], rng)}

    def _framed(
        self, number: int, native: Native, planes: range, pose: Pose = STILL
    ) -> Arrays:
        """The frames of some slices, (slices, h, w)."""
        frame, step = self.frame, self.seen[number].step
        chosen = slice(planes.start, planes.stop)
        marks = {kind: array[chosen] for kind, array in native.marks.items()}
        if isinstance(self.scribbles, SimulatedScribbles):
            pen, labels = self.scribbles, native.marks["label"]
            drawn = [self._stroke(pen, number, labels, z) for z in planes]
            marks["scribble"] = np.stack(drawn)
            if not self.labels:
                del marks["label"]
        lowest = float(native.image.min())
        found = {"image": frame.sample(native.image[chosen], step, pose, lowest)}
        # Beyond the image's border lies background, of which no scribble tells.
        outside = {"label": 0, "scribble": len(self.classes)}
        return found | {
            kind: frame.labels(array, step, pose, outside[kind])
            for kind, array in marks.items()
        }

    def _stroke(
        self, pen: SimulatedScribbles, number: int, labels: Labels, z: int
    ) -> Labels:
        """The scribble of a slice, the same whenever it is asked for."""
        if (number, z) in self._drawn:
            return self._drawn[number, z]
        drawn = pen.draw(labels[z], len(self.classes), self.seen[number].id, z)
        if self.cache:
            self._drawn[number, z] = drawn
        return drawn


def kinds_of(labels: bool, scribbles: bool | SimulatedScribbles) -> list[str]:
    """The marks that have to be read: whoever draws scribbles needs the labels."""
    drawn = isinstance(scribbles, SimulatedScribbles)
    return ["label"] * (labels or drawn) + ["scribble"] * (scribbles is True)


def _first(arrays: Arrays) -> Arrays:
    return {name: array[0] for name, array in arrays.items()}
