"""Products of every pixel with its neighbours, in linear memory."""

from typing import Any

from keras import ops

from keras_condattn._gradient import with_gradient
from keras_condattn._loop import serial_loop
from keras_condattn._types import Tensor

# Columns of a strip; an image that is wider is cut into several.
STRIP = 32


def window_products(a: Tensor, b: Tensor, radius: int) -> Tensor:
    """a_i . b_j for each j of the window of i: (B, H, W, D) twice -> (B, H, W, places).

    0 where j lies outside the image. For each dy one product of every row of `a` with
    the row dy below it in `b`, of which the diagonals |dx| <= r are kept, in strips of
    `STRIP` columns: STRIP / (2r + 1) times the multiplications needed at most, and
    several times faster than a loop over places. Neither pass holds more than
    (B, H, W, STRIP + 2r) beside the result. Images of unknown width are one strip.
    """

    def forward(a: Tensor, b: Tensor) -> tuple[Tensor, Any]:
        cut = _Strips(a, radius)
        parts, around = cut.apart(a), cut.around(b)
        return cut.joined(_products(parts, around, radius)), (a, b)

    def backward(kept: Any, above: Tensor) -> tuple[Tensor, Tensor]:
        a, b = kept
        cut = _Strips(a, radius)
        to_a, to_b = _products_backward(
            cut.apart(a), cut.around(b), cut.apart(above), radius
        )
        return cut.joined(to_a), cut.added(to_b)

    return with_gradient(forward, backward)(a, b)


class _Strips:
    """How images of one size are cut, (B, H, W, D) <-> (strips B, H, STRIP, D)."""

    def __init__(self, image: Tensor, radius: int) -> None:
        self.radius, self.size = radius, ops.shape(image)[:3]
        width = self.size[2]
        # A width that only a running graph knows makes no list of strips.
        known = isinstance(width, int) and width > STRIP
        self.wide: Any = STRIP if known else width
        self.starts = range(0, width, STRIP) if known else range(1)
        # Zeros on the right, up to a whole number of strips.
        self.more = len(self.starts) * STRIP - width if known else 0

    def apart(self, x: Tensor) -> Tensor:
        """The strips, in order."""
        return self._stacked(self._padded(x, 0, self.more), self.wide)

    def around(self, x: Tensor) -> Tensor:
        """The strips with `radius` rows and columns of their surroundings."""
        r = self.radius
        return self._stacked(self._padded(x, r, self.more), self.wide + 2 * r)

    def joined(self, strips: Tensor) -> Tensor:
        """The reverse of `apart`."""
        parts = ops.split(strips, len(self.starts), axis=0)
        whole = ops.concatenate(parts, axis=2) if len(parts) > 1 else strips
        return whole[:, :, : self.size[2]]

    def added(self, strips: Tensor) -> Tensor:
        """The transpose of `around`: what surrounds a strip adds to its neighbour."""
        r, wide = self.radius, len(self.starts) * self.wide
        parts = ops.split(strips, len(self.starts), axis=0)
        total = sum(
            ops.pad(part, [(0, 0), (0, 0), (start, wide - self.wide - start), (0, 0)])
            for start, part in zip(self.starts, parts, strict=True)
        )
        return total[:, r : r + self.size[1], r : r + self.size[2]]

    def _stacked(self, x: Tensor, wide: Any) -> Tensor:
        strips = [x[:, :, start : start + wide] for start in self.starts]
        return ops.concatenate(strips, axis=0) if len(strips) > 1 else x

    @staticmethod
    def _padded(x: Tensor, radius: int, more: int) -> Tensor:
        if not radius and not more:
            return x
        return ops.pad(x, [(0, 0), (radius, radius), (radius, radius + more), (0, 0)])


def _products(a: Tensor, around: Tensor, radius: int) -> Tensor:
    shape, side = ops.shape(a), 2 * radius + 1

    def body(dy: Tensor, found: Tensor) -> Tensor:
        rows = _rows(around, dy, shape)
        band = _diagonals(ops.matmul(a, ops.swapaxes(rows, 2, 3)), side)
        return ops.slice_update(found, (dy, 0, 0, 0, 0), band[None])

    found = ops.zeros((side, *shape[:3], side), a.dtype)
    found = serial_loop(side, body, found)
    return ops.reshape(ops.moveaxis(found, 0, 3), (*shape[:3], side * side))


def _products_backward(
    a: Tensor, around: Tensor, above: Tensor, radius: int
) -> tuple[Tensor, Tensor]:
    """The gradients of `a` and of `around`."""
    shape, side = ops.shape(a), 2 * radius + 1
    above = ops.moveaxis(ops.reshape(above, (*shape[:3], side, side)), 3, 0)

    def body(dy: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        to_a, to_b = state
        slope = _on_diagonals(above[dy], ops.shape(around)[2])
        to_a = to_a + ops.matmul(slope, _rows(around, dy, shape))
        part = _rows(to_b, dy, shape) + ops.matmul(ops.swapaxes(slope, 2, 3), a)
        return to_a, ops.slice_update(to_b, (0, dy, 0, 0), part)

    start = (ops.zeros_like(a), ops.zeros_like(around))
    to_a, to_b = serial_loop(side, body, start)
    return to_a, to_b


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
