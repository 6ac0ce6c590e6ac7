"""What a model that learns from scribbles refuses."""

import dataclasses
from typing import Any

import numpy as np

from keras_condattn.models._checked_batches import array_of


@dataclasses.dataclass(frozen=True)
class ScribbleCheck:
    """Looks at images and scribbles; it can be sent to another process.

    Args:
        classes: how many there are.
        ignore_class: the number of unlabelled pixels, or None.
        first: whether images are channels_first.
    """

    classes: int
    ignore_class: int | None
    first: bool

    def __call__(self, x: Any, y: Any) -> None:
        """Raises ValueError for a scribble of another size, or of no class."""
        scribble = bare(y, "scribble")
        if isinstance(scribble, dict):
            raise ValueError(f"y must have a 'scribble', got {sorted(scribble)}")
        array = array_of(scribble)
        if array is None:
            return
        shape = getattr(bare(x, "image"), "shape", None)
        if shape is not None and len(shape) == 4:
            size = (shape[0], *(shape[2:] if self.first else shape[1:3]))
            if array.shape != tuple(size):
                raise ValueError(
                    f"scribble must have a number for each pixel, shape {tuple(size)}, "
                    f"got {array.shape}"
                )
        allowed = {*range(self.classes), self.ignore_class} - {None}
        wrong = sorted(set(np.unique(array).tolist()) - allowed)
        if wrong:
            raise ValueError(
                f"scribble must hold classes from 0 to {self.classes - 1}, or "
                f"ignore_class={self.ignore_class} where unlabelled, got {wrong[:5]}"
            )


def bare(value: Any, name: str) -> Any:
    """The entry of a dict, or what came without one."""
    return value[name] if isinstance(value, dict) and name in value else value
