"""Neighbours of every pixel, one offset at a time."""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from keras_condattn._types import Tensor


def offsets(radius: int) -> np.ndarray[Any, Any]:
    """(dy, dx) of the (2 radius + 1)^2 places of a window, rows outermost."""
    return np.indices((2 * radius + 1,) * 2).reshape(2, -1).T - radius


def closeness(radius: int, sigma: float) -> np.ndarray[Any, Any]:
    """exp(-|offset|^2 / (2 sigma^2)) for each place of a window; 0 at its centre."""
    squared = (offsets(radius) ** 2).sum(1)
    return np.where(squared > 0, np.exp(-squared / (2 * sigma**2)), 0.0)


def padded(x: Tensor, radius: int) -> Tensor:
    """(B, H, W, C) with `radius` zeros around the image."""
    return ops.pad(x, [(0, 0), (radius, radius), (radius, radius), (0, 0)])


def neighbour(x: Tensor, place: Tensor, radius: int, shape: tuple[Any, ...]) -> Tensor:
    """What stands at a place of the window of every pixel; `x` is `padded`."""
    width = 2 * radius + 1
    start = (0, place // width, place % width, 0)
    return ops.slice(x, start, (*shape[:3], x.shape[-1]))


def over_window(radius: int, body: Callable[..., Any], state: Any) -> Any:
    """Carries `state` through `body(place, state)` for every place of the window.

    A loop, so that no more than one shifted copy of the image lives at a time.
    """
    return ops.fori_loop(0, (2 * radius + 1) ** 2, body, state)
