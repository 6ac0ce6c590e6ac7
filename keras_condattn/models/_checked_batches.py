"""Looks at labels before they reach a compiled step, where nothing can be looked at."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

Check = Callable[[Any, Any], None]


class CheckedBatches(keras.utils.PyDataset):
    """A `PyDataset` of which every batch is looked at as it comes."""

    def __init__(self, batches: keras.utils.PyDataset, check: Check) -> None:
        super().__init__(
            batches.workers, batches.use_multiprocessing, batches.max_queue_size
        )
        self.batches, self.check = batches, check

    def __getitem__(self, index: int) -> Any:
        batch = self.batches[index]
        if isinstance(batch, tuple | list) and len(batch) > 1:
            self.check(batch[0], batch[1])
        return batch

    def __len__(self) -> int:
        return len(self.batches)

    @property
    def num_batches(self) -> Any:
        """As many as there are."""
        return self.batches.num_batches

    def on_epoch_begin(self) -> None:
        """Passed on."""
        self.batches.on_epoch_begin()

    def on_epoch_end(self) -> None:
        """Passed on."""
        self.batches.on_epoch_end()


def looked_at(x: Any, y: Any, check: Check) -> Any:
    """x, once `check` has seen arrays; a `PyDataset` shows it each of its batches.

    Other data sets are left as they are.
    """
    if isinstance(x, keras.utils.PyDataset):
        return CheckedBatches(x, check)
    if y is not None:
        check(x, y)
    return x


def checked_arguments(
    x: Any, y: Any, kwargs: dict[str, Any], check: Check
) -> tuple[Any, dict[str, Any]]:
    """`fit`'s x and its other arguments, looked at.

    Raises:
        ValueError: for weights of samples or classes too.
    """
    for name in ("sample_weight", "class_weight"):
        if kwargs.get(name) is not None:
            # Before the first forward pass, which moves averages.
            raise ValueError(f"{name} is not supported, got one; leave it out")
    found = kwargs.get("validation_data")
    if isinstance(found, tuple | list) and len(found) > 1:
        looked_at(found[0], found[1], check)
    elif found is not None:
        kwargs = kwargs | {"validation_data": looked_at(found, None, check)}
    return looked_at(x, y, check), kwargs


def array_of(value: Any) -> NDArray[Any] | None:
    """The numbers of an array, a list or a tensor; None for what is none."""
    if isinstance(value, np.ndarray | list | tuple):
        return np.asarray(value)
    return np.asarray(ops.convert_to_numpy(value)) if ops.is_tensor(value) else None
