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


def window_products(a: Tensor, b: Tensor, radius: int) -> Tensor:
    """a_i . b_j for each j of the window of i: (B, H, W, D) twice -> (B, H, W, places).

    0 where j lies outside the image. For each dy one product of every row of `a` with
    the row dy below it in `b`, of which the diagonals |dx| <= r are kept: W / (2r + 1)
    times the multiplications needed, and several times faster than a loop over places.
    Neither pass holds more than (B, H, W, W + 2r) beside the result.
    """

    def forward(a: Tensor, b: Tensor) -> tuple[Tensor, Any]:
        shape, side = ops.shape(a), 2 * radius + 1
        around = _padded(b, radius)

        def body(dy: Tensor, found: Tensor) -> Tensor:
            rows = _rows(around, dy, shape)
            band = _diagonals(ops.matmul(a, ops.swapaxes(rows, 2, 3)), side)
            return ops.slice_update(found, (dy, 0, 0, 0, 0), band[None])

        found = ops.zeros((side, *shape[:3], side), a.dtype)
        found = ops.fori_loop(0, side, body, found)
        found = ops.reshape(ops.moveaxis(found, 0, 3), (*shape[:3], side * side))
        return found, (a, around)

    def backward(kept: Any, above: Tensor) -> tuple[Tensor, Tensor]:
        a, around = kept
        return _products_backward(a, around, above, radius)

    return with_gradient(forward, backward)(a, b)


def _products_backward(
    a: Tensor, around: Tensor, above: Tensor, radius: int
) -> tuple[Tensor, Tensor]:
    shape, side = ops.shape(a), 2 * radius + 1
    above = ops.moveaxis(ops.reshape(above, (*shape[:3], side, side)), 3, 0)

    def body(dy: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        to_a, to_b = state
        slope = _on_diagonals(above[dy], ops.shape(around)[2])
        to_a = to_a + ops.matmul(slope, _rows(around, dy, shape))
        part = _rows(to_b, dy, shape) + ops.matmul(ops.swapaxes(slope, 2, 3), a)
        return to_a, ops.slice_update(to_b, (0, dy, 0, 0), part)

    start = (ops.zeros_like(a), ops.zeros_like(around))
    to_a, to_b = ops.fori_loop(0, side, body, start)
    return to_a, to_b[:, radius : radius + shape[1], radius : radius + shape[2]]


def _padded(x: Tensor, radius: int) -> Tensor:
    """(B, H, W, D) with `radius` zeros around the image."""
    return ops.pad(x, [(0, 0), (radius, radius), (radius, radius), (0, 0)])


def _rows(around: Tensor, dy: Tensor, shape: tuple[Any, ...]) -> Tensor:
    """H rows of a padded image from row `dy` on, with its padding on both sides."""
    return ops.slice(around, (0, dy, 0, 0), (*shape[:2], *ops.shape(around)[2:]))


def _diagonals(matrix: Tensor, count: int) -> Tensor:
    """out[x, d] = matrix[x, x + d]: (..., W, W + count - 1) -> (..., W, count).

    Rows one longer than they are fall a column back with each row.
    """
    *most, width, long = ops.shape(matrix)
    flat = ops.reshape(matrix, (*most, width * long))
    flat = ops.pad(flat, [(0, 0)] * len(most) + [(0, width)])
    return ops.reshape(flat, (*most, width, long + 1))[..., :count]


def _on_diagonals(band: Tensor, long: Any) -> Tensor:
    """(..., W, count) -> (..., W, long): the reverse of `_diagonals`, else zeros."""
    *most, width, count = ops.shape(band)
    flat = ops.pad(band, [(0, 0)] * (len(most) + 1) + [(0, long + 1 - count)])
    flat = ops.reshape(flat, (*most, width * (long + 1)))
    return ops.reshape(flat[..., : width * long], (*most, width, long))


def transposed(window: Tensor, radius: int) -> Tensor:
    """A_ji where A_ij stands, for (B, H, W, places); 0 where j is outside."""
    _, height, width, _ = ops.shape(window)
    index, known = _opposite(height, width, radius), inside(height, width, radius)

    def turned(window: Tensor) -> Tensor:
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
