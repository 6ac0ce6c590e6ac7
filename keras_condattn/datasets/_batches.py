"""Batches of a random-access source, for `model.fit`."""

import concurrent.futures
import operator
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from keras_condattn._types import DataFormat

Item = Mapping[str, Any]


class Source(Protocol):
    """What `Batches` reads: any object with a length and items by number."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Item: ...


class Batches(keras.utils.PyDataset):
    """A source of dicts as the batches that `fit`, `evaluate` and `predict` take.

    ```
    batches[k] = ({name: stack(item[name]) for name in inputs}, stack(item[targets]))
                 over the items order[k * batch_size : (k + 1) * batch_size]
    ```

    Every item of an epoch appears once. At the end of an epoch the epoch number
    rises, a shuffled order is drawn anew from (seed, epoch), and a source that has
    `set_epoch` is told. Keras ends an epoch once before the first one of `fit`, so
    training starts at epoch 1, on every backend. Do not give one source to two
    `Batches` where its draws depend on the epoch: each would tell it its own.

    Args:
        source: anything with `len(source)` and `source[i]`, a dict of NumPy arrays.
        batch_size: items a batch. Defaults to 32.
        inputs: names of the model's inputs among the item's keys. Several arrive as
            a dict; one name given as a string arrives as a bare array. Defaults to
            ("image", "conditioning").
        targets: name of the target, several names for a dict of targets, or None
            for inputs only, as `predict` takes them. Defaults to "label".
        shuffle: draw the order of the items anew each epoch. (`fit` itself shuffles
            the order of whole batches unless it is given `shuffle=False`.) Defaults
            to False.
        seed: of that order. Defaults to 0.
        data_format: `"channels_first"` moves the last axis of every entry with
            three axes or more, an image or a label, to the front. None means
            `keras.config.image_data_format()`. Defaults to None.
        drop_last: leave out a last batch of fewer items. Defaults to False.
        workers: threads that read the items of one batch side by side. They are
            ours: with `workers` above 1, Keras (3.15) hands batches of one epoch to
            the next, and an item can be missed. Defaults to 1.

    Returns:
        For each number: `(inputs, targets)`, or `(inputs,)` with `targets=None`.

    Raises:
        TypeError: where `source` has no length or no items.
        ValueError: for an argument out of its range, an item without one of the
            names, items of one batch that differ in shape, or a NaN or infinite
            value; the last two name the item by its `"id"`.

    Example:

    >>> source = [{"image": np.zeros((8, 8, 1)), "label": i} for i in range(5)]
    >>> batches = keras_condattn.datasets.Batches(
    ...     source, batch_size=2, inputs="image", data_format="channels_last"
    ... )
    >>> len(batches), batches[0][0].shape, batches[0][1].tolist()
    (3, (2, 8, 8, 1), [0, 1])
    """

    def __init__(
        self,
        source: Source,
        batch_size: int = 32,
        inputs: str | Sequence[str] = ("image", "conditioning"),
        targets: str | Sequence[str] | None = "label",
        shuffle: bool = False,
        seed: int = 0,
        data_format: DataFormat | None = None,
        drop_last: bool = False,
        workers: int = 1,
    ) -> None:
        super().__init__(workers=1)
        data_format = data_format or keras.config.image_data_format()
        _check(source, batch_size, workers, data_format)
        self.source, self.batch_size = source, batch_size
        self.inputs, self.targets = _names(inputs), _names(targets)
        self.shuffle, self.seed, self.drop_last = shuffle, seed, drop_last
        self.data_format, self.threads = data_format, workers
        self._check_keys(source[0])
        self._begin(0)

    def __len__(self) -> int:
        whole, rest = divmod(len(self._order), self.batch_size)
        return whole + (1 if rest and not self.drop_last else 0)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        index = operator.index(index)
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        chosen = self._order[index * self.batch_size :][: self.batch_size].tolist()
        items = self._read(chosen)
        inputs = self._gathered(items, self.inputs)
        if self.targets is None:
            return (inputs,)
        return inputs, self._gathered(items, self.targets)

    def on_epoch_end(self) -> None:
        """Goes on to the next epoch; Keras calls it."""
        self._begin(self.epoch + 1)

    def _begin(self, epoch: int) -> None:
        self.epoch = epoch
        self._order = np.arange(len(self.source))
        if self.shuffle:
            self._order = np.random.default_rng([self.seed, epoch]).permutation(
                len(self.source)
            )
        if len(self) == 0:
            raise ValueError(
                f"batch_size={self.batch_size} with drop_last=True leaves no batch of "
                f"the {len(self.source)} items in source"
            )
        set_epoch = getattr(self.source, "set_epoch", None)
        if set_epoch is not None:
            set_epoch(epoch)

    def _read(self, chosen: list[int]) -> list[Item]:
        if self.threads == 1:
            items = [self.source[i] for i in chosen]
        else:
            with concurrent.futures.ThreadPoolExecutor(self.threads) as pool:
                items = list(pool.map(self.source.__getitem__, chosen))
        for item in items:
            self._check_keys(item)
        return items

    def _check_keys(self, item: Item) -> None:
        for argument in ("inputs", "targets"):
            names = getattr(self, argument) or ()
            missing = [n for n in _listed(names) if n not in item]
            if missing:
                raise ValueError(
                    f"{argument}: item {item.get('id', '')!r} of the source has no "
                    f"{missing}; it has {sorted(item)}"
                )

    def _gathered(self, items: list[Item], names: str | tuple[str, ...]) -> Any:
        if isinstance(names, str):
            return self._stacked(items, names)
        return {name: self._stacked(items, name) for name in names}

    def _stacked(self, items: list[Item], name: str) -> NDArray[Any]:
        arrays = [np.asarray(item[name]) for item in items]
        for array, item in zip(arrays, items, strict=True):
            if array.shape != arrays[0].shape:
                raise ValueError(
                    f"items of a batch must have one shape: {name!r} is "
                    f"{arrays[0].shape} in {items[0].get('id', '')!r} and "
                    f"{array.shape} in {item.get('id', '')!r}; load them at one size"
                )
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise ValueError(
                    f"{name!r} of item {item.get('id', '')!r} is NaN or infinite"
                )
        stacked = np.stack(arrays)
        if self.data_format == "channels_first" and stacked.ndim >= 4:
            stacked = np.ascontiguousarray(np.moveaxis(stacked, -1, 1))
        return stacked


def _names(names: str | Sequence[str] | None) -> Any:
    return names if names is None or isinstance(names, str) else tuple(names)


def _listed(names: str | tuple[str, ...]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names


def _check(source: Any, batch_size: int, workers: int, data_format: str) -> None:
    if not (hasattr(source, "__len__") and hasattr(source, "__getitem__")):
        raise TypeError(
            "source must have a length and items by number (source[i], a dict), got "
            f"{type(source).__name__}"
        )
    if len(source) == 0:
        raise ValueError("source has no items")
    for name, value in (("batch_size", batch_size), ("workers", workers)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a positive whole number, got {value!r}")
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(
            "data_format must be 'channels_last' or 'channels_first', got "
            f"{data_format!r}"
        )
