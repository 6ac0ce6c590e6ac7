"""The source that `load` returns."""

import operator
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_condattn.datasets._epochs import Epochs
from keras_condattn.datasets.dsb2018._files import Record
from keras_condattn.datasets.dsb2018._frame import Framing, Image, Instances
from keras_condattn.datasets.dsb2018._quadrants import (
    QUADRANTS,
    one_hot,
    quadrant_map,
)

PAIRS = ("fixed", "fresh", "all")
Shape = tuple[int, int]


class Nuclei(Epochs):
    """Micrographs and the nuclei of the quadrant asked for, at random access.

    `len(source)` items; `source[i]` is a dict of NumPy arrays:

    - `"image"`: float32 (H, W, C) in [0, 1],
    - `"label"`: uint8 (H, W, 1), 1 on the nuclei of the quadrant, whole, else 0,
    - `"conditioning"`: float32 (4,), one-hot in the order top_left, top_right,
      bottom_right, bottom_left; absent with `condition=None`,
    - `"instances"`, on request: int32 (H, W), 0 background and the file's number
      of every nucleus in the frame, whatever its quadrant,
    - `"id"`: the name of the image.

    What it returns is the caller's to change. It can be pickled, so a torch
    `DataLoader` with workers, grain and `keras_condattn.datasets.Batches` all take
    it as it is. Made by `keras_condattn.datasets.dsb2018.load`, which explains the
    arguments.

    Args:
        records: the images and their label files.
        shapes: (H, W) of each image file.
        framing: how a file becomes a frame.
        condition: `"quadrant"` or None.
        pairs: `"fixed"`, `"fresh"` or `"all"`.
        instances: whether items carry `"instances"`.
        augment: whether frames are mirrored and turned.
        cache: whether frames stay in memory.
        seed: of every draw.

    Raises:
        ValueError: naming every label that cannot be used, or where no frame shows a
            nucleus.

    Attributes:
        conditions: the words of the one-hot code, in order; none without a condition.
        epoch: the epoch that is drawn for.

    Example:

    ```python
    source = keras_condattn.datasets.dsb2018.load("dsb2018", pairs="fresh", size=96)
    source.set_epoch(3)
    four = [item["label"] for item in source.steer(0)]
    ```
    """

    def __init__(
        self,
        records: Sequence[Record],
        shapes: Sequence[Shape],
        framing: Framing,
        *,
        condition: str | None,
        pairs: str,
        instances: bool,
        augment: bool,
        cache: bool,
        seed: int,
    ) -> None:
        self.records, self.shapes, self.framing = tuple(records), tuple(shapes), framing
        self.condition, self.pairs, self.seed = condition, pairs, seed
        self.instances, self.augment, self.cache = instances, augment, cache
        self.conditions = () if condition is None else QUADRANTS
        self._kept: dict[int, tuple[Image, Instances]] = {}
        self._items = self._index()

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> dict[str, Any]:
        number, quadrant = self._items[operator.index(index)]
        image, instances, rng = self._frame(number)
        if self.condition is not None and quadrant is None:
            quadrant = int(rng.choice(_present(instances)))
        return self._item(number, image, instances, quadrant)

    def steer(self, index: int) -> list[dict[str, Any]]:
        """The image of item `index` under all four conditions, empty ones too.

        Args:
            index: of an item.

        Returns:
            Four items, in the order top_left, top_right, bottom_right, bottom_left.

        Raises:
            ValueError: for a source without a condition.
        """
        if self.condition is None:
            raise ValueError("steer needs a source loaded with condition='quadrant'")
        number, _ = self._items[operator.index(index)]
        image, instances, _ = self._frame(number)
        return [
            self._item(number, image.copy(), instances.copy(), quadrant)
            for quadrant in range(len(QUADRANTS))
        ]

    @property
    def ids(self) -> list[str]:
        """The image name of each item."""
        return [self.records[number].id for number, _ in self._items]

    def _index(self) -> list[tuple[int, int | None]]:
        """The items: an image, and its quadrant unless that is drawn when read."""
        items: list[tuple[int, int | None]] = []
        problems = []
        for number, record in enumerate(self.records):
            try:
                present = _present(self._read(number)[1])
            except ValueError as error:
                problems.append(str(error))
                continue
            items += [(number, quadrant) for quadrant in self._asked(record, present)]
        raise_all(problems)
        if not items:
            raise ValueError(
                f"pairs={self.pairs!r}: none of the {len(self.records)} images shows a "
                "nucleus in its frame"
            )
        return items

    def _asked(self, record: Record, present: list[int]) -> list[int | None]:
        if self.condition is None:
            return [None]
        if self.pairs == "all":
            return list(present)
        if not present or self.pairs == "fresh":
            return [None] if present else []
        return [int(self._rng(record, 0).choice(present))]

    def _rng(self, record: Record, epoch: int) -> np.random.Generator:
        # By name, not by place: the draw of an image is the same in any subset.
        return np.random.default_rng([self.seed, epoch, zlib.crc32(record.id.encode())])

    def _read(self, number: int) -> tuple[Image | None, Instances]:
        """The frame of an image, unturned; only its instances unless it is kept."""
        record = self.records[number]
        instances = self.framing.instances(record, self.shapes[number])
        if not self.cache:
            return None, instances
        self._kept[number] = self.framing.image(record), instances
        return self._kept[number]

    def _frame(self, number: int) -> tuple[Image, Instances, np.random.Generator]:
        record = self.records[number]
        rng = self._rng(record, self.epoch)
        if number in self._kept:
            image, instances = self._kept[number]
        else:
            image = self.framing.image(record)
            instances = self.framing.instances(record, self.shapes[number])
        if self.augment:
            image, instances = _turned(image, instances, rng)
        return image.copy(), instances.copy(), rng

    def _item(
        self, number: int, image: Image, instances: Instances, quadrant: int | None
    ) -> dict[str, Any]:
        item: dict[str, Any] = {"image": image, "id": self.records[number].id}
        if quadrant is None:
            label = instances > 0
        else:
            label = quadrant_map(instances) == quadrant + 1
            item["conditioning"] = one_hot(quadrant)
        item["label"] = label[..., None].astype("uint8")
        return item | ({"instances": instances} if self.instances else {})


def raise_all(problems: list[str], shown: int = 10) -> None:
    """One ValueError for many files, if there is a problem at all."""
    if not problems:
        return
    rest = f"\n... and {len(problems) - shown} more" if len(problems) > shown else ""
    raise ValueError(
        f"{len(problems)} files cannot be used:\n" + "\n".join(problems[:shown]) + rest
    )


def _present(instances: Instances) -> list[int]:
    """The quadrants that hold a nucleus."""
    return [int(q) - 1 for q in np.unique(quadrant_map(instances)) if q]


def _turned(
    image: Image, instances: Instances, rng: np.random.Generator
) -> tuple[Image, Instances]:
    """One of the frame's eight symmetries, or of its four where it is not square."""
    turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
    if image.shape[0] != image.shape[1]:
        turns = 2 * (turns // 2)
    image, instances = np.rot90(image, turns), np.rot90(instances, turns)
    return (image[:, ::-1], instances[:, ::-1]) if mirror else (image, instances)
