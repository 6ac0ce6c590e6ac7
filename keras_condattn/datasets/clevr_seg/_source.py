"""The source: scenes as dicts of arrays, by number."""

import operator
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_condattn.datasets._epochs import Epochs
from keras_condattn.datasets.clevr_seg._index import Record, raise_all
from keras_condattn.datasets.clevr_seg._pairs import (
    fixed_condition,
    fresh_condition,
    generator,
)
from keras_condattn.datasets.clevr_seg._pixels import Bytes, Size, read_scene
from keras_condattn.datasets.clevr_seg._vocabulary import CONDITIONS

Item = dict[str, Any]


class ClevrSeg(Epochs):
    """CLEVR-Seg as `len(source)` and `source[i]`; `load` makes it.

    An item is a dict: `"image"` (H, W, 3) float32 in [0, 1]; `"label"` (H, W, 1)
    uint8, 1 on the objects asked for; `"conditioning"` (conditions,) float32, one
    hot; `"id"`, the image's name. Pictures are decoded when an item is read.

    Args:
        records: the scenes.
        root: their folder, for messages.
        condition: `"quadrant"`, `"color"`, `"shape"` or `"size"`.
        pairs: `"fixed"`, `"fresh"` or `"all"`.
        seed: of the draws.
        size: height and width to resize to, or None.
        cache: keep decoded pictures.

    Attributes:
        condition: what items are conditioned on.
        conditions: the words of the one-hot code, in order.
        ids: the names of the images, sorted.
        epoch: the epoch that `pairs="fresh"` draws for.

    Example:

    ```python
    source = keras_condattn.datasets.clevr_seg.load("clevr", pairs="fresh")
    source.set_epoch(3)
    four = [item["label"] for item in source.steer(0)]
    ```
    """

    def __init__(
        self,
        records: Sequence[Record],
        root: pathlib.Path,
        condition: str,
        pairs: str,
        seed: int,
        size: Size | None,
        cache: bool,
    ) -> None:
        self.condition, self.conditions = condition, CONDITIONS[condition]
        self.ids = [record.id for record in records]
        self._records, self._pairs, self._seed = list(records), pairs, seed
        self._size, self._cache = size, cache
        self._kept: dict[int, tuple[Bytes, Bytes]] = {}
        # (image, condition) of each item; None leaves the condition to a draw.
        self._items: list[tuple[int, int | None]] = [
            (k, None) for k in range(len(self.ids))
        ]
        if pairs == "all":
            self._items = self._all_pairs(root)

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> Item:
        image, condition = self._items[self._number(index)]
        pixels, plane = self._decoded(image)
        if condition is None:
            condition = self._drawn(image, plane)
        return self._item(image, pixels, plane, condition)

    def __getstate__(self) -> dict[str, Any]:
        """Without the decoded pictures: each process keeps its own."""
        return {**self.__dict__, "_kept": {}}

    def steer(self, index: int) -> list[Item]:
        """The image of item `index` under every condition, in their order.

        Args:
            index: of an item.

        Returns:
            An item for each of `conditions`; its label may be empty.
        """
        image, _ = self._items[self._number(index)]
        pixels, plane = self._decoded(image)
        return [
            self._item(image, pixels, plane, k) for k in range(len(self.conditions))
        ]

    def _number(self, index: int) -> int:
        number = operator.index(index)
        if not -len(self) <= number < len(self):
            raise IndexError(f"item {number} of {len(self)}")
        return number % len(self)

    def _decoded(self, image: int) -> tuple[Bytes, Bytes]:
        if image in self._kept:
            return self._kept[image]
        decoded = read_scene(self._records[image], self.condition, self._size)
        if self._cache:
            self._kept[image] = decoded
        return decoded

    def _present(self, plane: Bytes) -> list[bool]:
        bits = int(np.bitwise_or.reduce(plane, axis=None))
        return [bool(bits >> k & 1) for k in range(len(self.conditions))]

    def _drawn(self, image: int, plane: Bytes) -> int:
        present, name = self._present(plane), self.ids[image]
        if self._pairs == "fixed":
            return fixed_condition(present, generator(self._seed, name))
        return fresh_condition(present, generator(self._seed, name, self.epoch))

    def _all_pairs(self, root: pathlib.Path) -> list[tuple[int, int | None]]:
        """Decodes every scene once: only its pixels say which masks are empty."""
        items: list[tuple[int, int | None]] = []
        problems = []
        for image in range(len(self.ids)):
            try:
                present = self._present(self._decoded(image)[1])
            except ValueError as error:
                problems.append(str(error))
                continue
            items += [(image, k) for k, there in enumerate(present) if there]
        raise_all(root, problems)
        return items

    def _item(self, image: int, pixels: Bytes, plane: Bytes, condition: int) -> Item:
        label = plane >> np.uint8(condition) & np.uint8(1)
        return {
            "image": pixels.astype(np.float32) / np.float32(255),
            "label": label[..., None],
            "conditioning": np.eye(len(self.conditions), dtype=np.float32)[condition],
            "id": self.ids[image],
        }
