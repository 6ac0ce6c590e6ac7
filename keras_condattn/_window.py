"""The neighbours of every pixel within a square window, in linear memory.

A window of radius r has (2r + 1)^2 places, rows outermost; place o of pixel i is pixel
i + o. What holds a number for each is (B, H, W, places).
"""

from typing import Any

import numpy as np
from keras import ops

from keras_condattn._gradient import with_gradient
from keras_condattn._types import Tensor


def offsets(radius: int) -> np.ndarray[Any, Any]:
    """(dy, dx) of the (2 radius + 1)^2 places of a window, rows outermost."""
    return np.indices((2 * radius + 1,) * 2).reshape(2, -1).T - radius


def closeness(radius: int, sigma: float) -> np.ndarray[Any, Any]:
    """exp(-|offset|^2 / (2 sigma^2)) for each place of a window; 0 at its centre."""
    squared = (offsets(radius) ** 2).sum(1)
    return np.where(squared > 0, np.exp(-squared / (2 * sigma**2)), 0.0)


def inside(height: Any, width: Any, radius: int) -> Tensor:
    """1 where a place lies within the image, 0 elsewhere, (1, H, W, places)."""
    rows, columns = _places(height, width, radius)
    rows = ops.logical_and(rows >= 0, rows < height)
    columns = ops.logical_and(columns >= 0, columns < width)
    both = ops.logical_and(rows[:, None, :, None], columns[None, :, None, :])
    return ops.cast(ops.reshape(both, (1, height, width, -1)), "float32")


def _places(height: Any, width: Any, radius: int) -> tuple[Tensor, Tensor]:
    """The rows y + dy, (H, 2r + 1), and the columns x + dx, (W, 2r + 1)."""
    steps = ops.arange(-radius, radius + 1)
    return ops.arange(height)[:, None] + steps, ops.arange(width)[:, None] + steps


def transposed(window: Tensor, radius: int) -> Tensor:
    """A_ji where A_ij stands, for (B, H, W, places); 0 where j is outside."""

    def turned(window: Tensor) -> Tensor:
        # Made in here: JAX cannot keep whole numbers from outside for a gradient.
        _, height, width, _ = ops.shape(window)
        index, known = _opposite(height, width, radius), inside(height, width, radius)
        flat = ops.reshape(window, (ops.shape(window)[0], -1))
        there = ops.take(flat, index, axis=1)
        return ops.reshape(there, ops.shape(window)) * ops.cast(known, window.dtype)

    # Turning pairs round twice is no turn at all.
    return with_gradient(lambda x: (turned(x), None), lambda _, x: turned(x))(window)


def _opposite(height: Any, width: Any, radius: int) -> Tensor:
    """Where A_ji stands among the H W places numbers of an image, in A_ij's order."""
    rows, columns = _places(height, width, radius)
    # Any pixel will do for a place outside.
    rows, columns = ops.clip(rows, 0, height - 1), ops.clip(columns, 0, width - 1)
    pixel = rows[:, None, :, None] * width + columns[None, :, None, :]
    places = (2 * radius + 1) ** 2
    pixel = ops.reshape(pixel, (-1, places))
    return ops.reshape(pixel * places + ops.flip(ops.arange(places)), (-1,))
