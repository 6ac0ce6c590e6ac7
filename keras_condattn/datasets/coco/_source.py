"""The source that `load` returns."""

import dataclasses
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_condattn.datasets._epochs import Epochs
from keras_condattn.datasets._pictures import kept_in_8_bits
from keras_condattn.datasets._view import (
    CropAndJitter,
    View,
    normalised,
    whole_view,
)
from keras_condattn.datasets.coco._annotations import Record
from keras_condattn.datasets.coco._entries import Named
from keras_condattn.datasets.coco._files import read
from keras_condattn.datasets.coco._outlines import drawn

Image = NDArray[np.float32]


class Photographs(Epochs):
    """Photographs at random access.

    `len(source)` items; `source[i]` is a dict:

    - `"image"`: float32 (H, W, 3), in [0, 1] unless normalised,
    - `"label"`: float32 (K,), 1 for each of `classes` that the frame shows, else 0,
    - `"boxes"`: float32 (n, 4): x, y of the left upper corner, width and height in
      pixels of the frame; n is 0 where it shows nothing,
    - `"box_classes"`: int32 (n,), the place of each in the label,
    - `"crowd"`: bool (n,), True for a region of many rather than one object,
    - `"masks"`, on request: uint8 (n, H, W), 1 on each object, else 0; what is smaller
      than a pixel of the frame may have none,
    - `"id"`, the name of the image without suffix; `"image_id"`, its number.

    Files are read when an item is asked for, so memory does not grow with their
    number unless `cache` keeps them. What it returns is the caller's to change. It can
    be pickled. Items of one batch have boxes of different number, so `Batches` takes
    `inputs="image"`, `targets="label"`. Made by `keras_condattn.datasets.coco.load`,
    which explains the arguments.

    Args:
        categories: in the order of their numbers.
        records: the images and what is where.
        size: pixels a side of the frame, or None.
        normalise: None, `"imagenet"` or `"zscore"`.
        masks: whether items carry `"masks"`.
        augment: how they vary, or None.
        cache: whether decoded images stay in memory.
        seed: of every draw.
        skipped: why an image is not there, by the path of its file.

    Attributes:
        classes: the name of each entry of the label, in the order of category id.
        category_ids: the category id of each.
        skipped: the images left out with `on_error="skip"`, and why.
        epoch: the epoch that is drawn for.

    Example:

    ```python
    source = keras_condattn.datasets.coco.load("coco", "validation", masks=True)
    [source.classes[k] for k in source[0]["box_classes"]]
    ```
    """

    def __init__(
        self,
        categories: Sequence[Named],
        records: Sequence[Record],
        *,
        size: int | None,
        normalise: str | None,
        masks: bool,
        augment: CropAndJitter | None,
        cache: bool,
        seed: int,
        skipped: Mapping[str, str],
    ) -> None:
        self.classes = tuple(category.name for category in categories)
        self.category_ids = tuple(category.id for category in categories)
        self.records, self.size, self.normalise = tuple(records), size, normalise
        self.masks, self.augment, self.cache = masks, augment, cache
        self.seed, self.skipped = seed, dict(skipped)
        self._kept: dict[int, NDArray[Any]] = {}

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> dict[str, Any]:
        number = range(len(self))[operator.index(index)]
        record = self.records[number]
        # By id, not by place: the draw of an image is the same in any subset.
        rng = np.random.default_rng([self.seed, self.epoch, record.id])
        view = self._view(record.shape, rng)
        # Their numbers stand where radiographs have the class, and say who is seen.
        numbered = np.column_stack([np.arange(len(record.boxes)), record.boxes])
        seen = view.boxes(numbered)
        shown = seen[:, 0].astype(int)
        label = np.zeros(len(self.classes), "float32")
        label[record.classes[shown]] = 1
        image = self._image(number, view, rng)
        item = {
            "image": image,
            "label": label,
            "boxes": np.ascontiguousarray(seen[:, 1:]),
            "box_classes": record.classes[shown],
            "crowd": record.crowd[shown],
            "id": record.name, "image_id": record.id,
        }  # fmt: skip
        if self.masks:
            masks = [_mask(record, thing, view) for thing in shown]
            item["masks"] = np.array(masks, "uint8").reshape(-1, *image.shape[:2])
        return item

    @property
    def ids(self) -> list[str]:
        """The name of each image, without suffix."""
        return [record.name for record in self.records]

    def _view(self, shape: tuple[int, int], rng: np.random.Generator) -> View:
        if self.augment and self.size is not None:
            return self.augment.view(shape, self.size, rng)
        return dataclasses.replace(whole_view(shape), size=self.size)

    def _image(self, number: int, view: View, rng: np.random.Generator) -> Image:
        whole = self._decoded(number)
        frame = np.stack([view.image(whole[..., k]) for k in range(3)], axis=-1)
        if self.augment:
            frame = self.augment.levels(frame, rng)
        return normalised(frame, self.normalise)

    def _decoded(self, number: int) -> Image:
        def decode() -> Image:
            return read(self.records[number])

        return kept_in_8_bits(self._kept, number, decode, self.cache)


def _mask(record: Record, thing: int, view: View) -> NDArray[np.bool_]:
    """A mask on the pixels of the frame: those of which at least half are of it."""
    whole = drawn(record.outlines[thing], record.shape)
    half: NDArray[np.bool_] = view.image(whole.astype("float32")) >= 0.5
    return half
