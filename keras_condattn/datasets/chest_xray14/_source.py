"""The source that `load` returns."""

import operator
import pathlib
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_condattn.datasets._epochs import Epochs
from keras_condattn.datasets._pictures import kept_in_8_bits
from keras_condattn.datasets._view import (
    CropAndJitter,
    View,
    central_view,
    normalised,
    whole_view,
)
from keras_condattn.datasets.chest_xray14._files import read
from keras_condattn.datasets.chest_xray14._findings import FINDINGS
from keras_condattn.datasets.chest_xray14._table import Boxes, Entry
from keras_condattn.datasets.nodules import Nodules

Image = NDArray[np.float32]


class Radiographs(Epochs):
    """Radiographs at random access.

    `len(source)` items; `source[i]` is a dict:

    - `"image"`: float32 (H, W, channels), in [0, 1] unless normalised,
    - `"label"`: float32 (14,), 1 for each finding of `classes`, else 0; with simulated
      nodules (1,), 1 where the frame shows one,
    - `"boxes"`: float32 (n, 5): class (its place in the label), x, y of the left
      upper corner, width and height in pixels of the frame; n is 0 without boxes,
    - `"id"`, the image's name without `.png`; `"patient"`, `"view"`, `"sex"`, `"age"`
      and `"follow_up"`, texts as the table has them, empty where it does not say.

    Files are read when an item is asked for, so memory does not grow with their
    number unless `cache` keeps them. What it returns is the caller's to change. It can
    be pickled. Made by `keras_condattn.datasets.chest_xray14.load`, which explains the
    arguments.

    Args:
        entries: the rows of the table.
        paths: the image of each.
        boxes: of the images that have any, in fractions of width and height.
        size: pixels a side of the frame, or None.
        margin: how much more than the frame is resized, without augmentation.
        channels: 1 or 3.
        normalise: None, `"imagenet"` or `"zscore"`.
        nodules: what is drawn into them, or None.
        augment: how they vary, or None.
        cache: whether decoded images stay in memory.
        seed: of every draw.
        skipped: why an image is not there, by name.

    Attributes:
        classes: the name of each entry of the label.
        skipped: the images left out with `on_error="skip"`, and why.
        epoch: the epoch that is drawn for.

    Example:

    ```python
    source = keras_condattn.datasets.chest_xray14.load("CXR14", "test", size=224)
    source[0]["label"], source.classes, source.ids
    ```
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        paths: Sequence[pathlib.Path],
        boxes: Mapping[str, Boxes],
        *,
        size: int | None,
        margin: float,
        channels: int,
        normalise: str | None,
        nodules: Nodules | None,
        augment: CropAndJitter | None,
        cache: bool,
        seed: int,
        skipped: Mapping[str, str],
    ) -> None:
        self.entries, self.paths, self.boxes = tuple(entries), tuple(paths), dict(boxes)
        self.size, self.margin, self.channels = size, margin, channels
        self.normalise, self.nodules, self.augment = normalise, nodules, augment
        self.cache, self.seed, self.skipped = cache, seed, dict(skipped)
        self.classes = FINDINGS if nodules is None else ("Nodule",)
        self._kept: dict[int, NDArray[Any]] = {}

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> dict[str, Any]:
        number = range(len(self))[operator.index(index)]
        entry, rng = self.entries[number], self._rng(number, 1, self.epoch)
        image, boxes = self._picture(number)
        view = self._view(image.shape, rng)
        frame, seen = view.image(image), view.boxes(boxes)
        if self.augment:
            frame = self.augment.levels(frame, rng)
        grey = np.repeat(frame[..., None], self.channels, axis=-1)
        label = np.zeros(len(self.classes), "float32")
        label[self._findings(entry, seen)] = 1
        return {
            "image": normalised(grey, self.normalise),
            "label": label,
            "boxes": seen,
            "id": entry.name.removesuffix(".png"),
            "patient": entry.patient, "view": entry.view, "sex": entry.sex,
            "age": entry.age, "follow_up": entry.follow_up,
        }  # fmt: skip

    @property
    def ids(self) -> list[str]:
        """The name of each image, without `.png`."""
        return [entry.name.removesuffix(".png") for entry in self.entries]

    @property
    def patients(self) -> list[str]:
        """The patients, each once."""
        return sorted({entry.patient for entry in self.entries})

    def _rng(self, number: int, purpose: int, epoch: int) -> np.random.Generator:
        # By name, not by place: the draw of an image is the same in any subset.
        name = zlib.crc32(self.entries[number].name.encode())
        return np.random.default_rng([self.seed, purpose, epoch, name])

    def _decoded(self, number: int) -> Image:
        def decode() -> Image:
            return read(self.paths[number])

        return kept_in_8_bits(self._kept, number, decode, self.cache)

    def _picture(self, number: int) -> tuple[Image, NDArray[np.float64]]:
        """The image of the file, with its boxes in its pixels."""
        image, entry = self._decoded(number), self.entries[number]
        if self.nodules is None:
            height, width = image.shape
            boxes = self.boxes.get(entry.name, np.zeros((0, 5)))
            return image, boxes * (1, width, height, width, height)
        epoch = self.epoch if self.nodules.fresh else 0
        try:
            image, drawn = self.nodules.draw(image, self._rng(number, 0, epoch))
        except ValueError as error:
            raise ValueError(f"{self.paths[number]}: {error}") from error
        return image, np.pad(drawn.astype("float64"), ((0, 0), (1, 0)))

    def _view(self, shape: tuple[int, ...], rng: np.random.Generator) -> View:
        if self.size is None:
            return whole_view(shape)
        if self.augment:
            return self.augment.view(shape, self.size, rng)
        return central_view(shape, self.size, self.margin)

    def _findings(self, entry: Entry, seen: NDArray[np.float32]) -> list[int]:
        if self.nodules is None:
            return sorted(entry.findings)
        return [0] if len(seen) else []
