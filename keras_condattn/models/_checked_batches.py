"""Looks at labels before they reach a compiled step, where nothing can be looked at."""

import inspect
from collections.abc import Callable, Mapping
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
    if isinstance(x, CheckedBatches):
        return x
    if isinstance(x, keras.utils.PyDataset):
        return CheckedBatches(x, check)
    if y is not None:
        check(x, y)
    return x


def call_checked(
    method: Callable[..., Any], check: Check, *args: Any, **kwargs: Any
) -> Any:
    """`fit` or `evaluate` with data that are looked at first.

    Raises:
        ValueError: for weights of samples or classes too.
    """
    # By Keras' own names; a model between may take anything and hand it on.
    plain = inspect.signature(getattr(keras.Model, method.__name__))
    bound = plain.bind(None, *args, **kwargs)
    given = bound.arguments
    # All before the first forward pass, which moves averages.
    check_unweighted(given)
    given["x"] = looked_at(given.get("x"), given.get("y"), check)
    found = given.get("validation_data")
    if isinstance(found, tuple | list) and len(found) > 1:
        looked_at(found[0], found[1], check)
        check_unweighted({"sample_weight": found[2] if len(found) > 2 else None})
    elif found is not None:
        given["validation_data"] = looked_at(found, None, check)
    return method(*bound.args[1:], **bound.kwargs)


def check_unweighted(given: Mapping[str, Any]) -> None:
    """Raises ValueError for weights of classes or samples."""
    for name in ("class_weight", "sample_weight"):
        if given.get(name) is not None:
            raise ValueError(f"{name} is not supported, got one; leave it out")


def array_of(value: Any) -> NDArray[Any] | None:
    """The numbers of an array, a list or a tensor; None for what is none."""
    if isinstance(value, np.ndarray | list | tuple):
        return np.asarray(value)
    return np.asarray(ops.convert_to_numpy(value)) if ops.is_tensor(value) else None
