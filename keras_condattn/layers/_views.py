"""Draws that are the same on every backend, and images under a drawn view.

Keras's own random numbers differ from backend to backend. Here a counter is mixed by
a Feistel network over two words of 16 bits: whole numbers below 2^31 throughout, so
that TensorFlow, JAX, PyTorch and NumPy, on any device, agree to the last bit.
"""

from collections.abc import Sequence
from typing import Any

from keras import ops

from keras_condattn._types import Tensor

WORD = 65536
# Odd, below 2^15: with a word they stay below 2^31.
FACTORS = (27655, 31153, 25867)
OFFSETS = (40503, 30011, 51787)

MIRROR_ROWS, MIRROR_COLUMNS, QUARTERS, DOWN, RIGHT, ZOOM = range(6)
STILL = (0.0, 0.0, 0.0, 0.0, 0.0, 1.0)


def mixed(*counters: Any) -> tuple[Any, Any]:
    """Two words of 16 bits from whole numbers from 0 to 2^31 - 1.

    The counters are numbers or int32 tensors; the last one gives the shape.
    """
    left: Any = 0
    right: Any = 0
    for counter in counters:
        for word in (counter % WORD, counter // WORD):
            left = (left + word) % WORD
            for factor, offset in zip(FACTORS, OFFSETS, strict=True):
                root = (right * factor + offset) // 64 % 32749
                scrambled = root * root // 128 + 3 * right
                left, right = right, (left + scrambled) % WORD
    return left, right


def uniform(left: Any, right: Any) -> Tensor:
    """A number in [0, 1) of 24 bits, which float32 holds exactly."""
    return ops.cast(left * 256 + right // 256, "float32") / float(2**24)


def drawn(
    kinds: Sequence[str], shift: float, zoom: float, seed: int, draw: Any, batch: Any
) -> Tensor:
    """The poses (batch, 6) of draw number `draw` with these arguments of a view."""
    step = ops.convert_to_tensor(draw, "int32")
    sample = ops.arange(batch, dtype="int32")
    u = [uniform(*mixed(seed, step, 4 * sample + i)) for i in range(3)]
    kind = ops.floor(u[0] * len(kinds))

    def chosen(name: str) -> Tensor:
        number = kinds.index(name) if name in kinds else -1
        return ops.cast(ops.equal(kind, float(number)), "float32")

    rows = ops.cast(u[1] < 0.5, "float32")
    return ops.stack(
        [
            chosen("flip") * rows,
            chosen("flip") * (1.0 - rows),
            chosen("turn") * (1.0 + ops.floor(3.0 * u[1])),
            chosen("shift") * shift * (2.0 * u[1] - 1.0),
            chosen("shift") * shift * (2.0 * u[2] - 1.0),
            1.0 + chosen("zoom") * zoom * (2.0 * u[1] - 1.0),
        ],
        axis=-1,
    )


def viewed(image: Tensor, poses: Tensor) -> tuple[Tensor, Tensor]:
    """Images (B, H, W, C) in their poses (B, 6), and where they had a pixel to show.

    Interpolates bilinearly, which is exact where the pose moves pixels onto pixels.
    """
    shape = ops.shape(image)
    rows, columns = _sources(poses, shape[1], shape[2])
    top, left = ops.floor(rows), ops.floor(columns)
    flat = ops.reshape(image, (-1, shape[3]))
    first = ops.reshape(ops.arange(shape[0], dtype="int32"), (-1, 1, 1))
    first = first * (shape[1] * shape[2])
    value: Any = 0.0
    seen: Any = 0.0
    for y in (top, top + 1.0):
        for x in (left, left + 1.0):
            weight = (1.0 - ops.abs(rows - y)) * (1.0 - ops.abs(columns - x))
            inside, place = _place(y, x, shape)
            weight = ops.expand_dims(weight * inside, -1)
            value = value + weight * ops.take(flat, first + place, axis=0)
            seen = seen + weight
    return value, ops.cast(seen > 0.999, "float32")


def _place(y: Tensor, x: Tensor, shape: Any) -> tuple[Tensor, Tensor]:
    """Whether a pixel is in the image, and its number there."""
    last = [ops.cast(n, "float32") - 1.0 for n in (shape[1], shape[2])]
    down, right = ops.clip(y, 0.0, last[0]), ops.clip(x, 0.0, last[1])
    inside = ops.logical_and(ops.equal(y, down), ops.equal(x, right))
    place = ops.cast(down, "int32") * shape[2] + ops.cast(right, "int32")
    return ops.cast(inside, "float32"), place


def _sources(poses: Tensor, height: Any, width: Any) -> tuple[Tensor, Tensor]:
    """(B, H, W): the row and the column that each pixel shows."""
    h, w = (ops.cast(n, "float32") for n in (height, width))
    at = [ops.reshape(poses[:, i], (-1, 1, 1)) for i in range(6)]
    y = ops.reshape(ops.arange(height, dtype="float32"), (1, -1, 1)) - (h - 1.0) / 2.0
    x = ops.reshape(ops.arange(width, dtype="float32"), (1, 1, -1)) - (w - 1.0) / 2.0
    # By whole pixels: a shift interpolates nothing.
    y = (y - ops.round(at[DOWN] * h)) / at[ZOOM]
    x = (x - ops.round(at[RIGHT] * w)) / at[ZOOM]
    # A quarter of what is not square would leave the image: half turns only.
    square = ops.cast(ops.equal(h, w), "float32")
    turns = square * at[QUARTERS] + (1.0 - square) * 2.0 * ops.minimum(
        at[QUARTERS], 1.0
    )
    cos = _is(turns, 0.0) - _is(turns, 2.0)
    sin = _is(turns, 1.0) - _is(turns, 3.0)
    y, x = cos * y + sin * x, cos * x - sin * y
    y = (1.0 - 2.0 * at[MIRROR_ROWS]) * y + (h - 1.0) / 2.0
    x = (1.0 - 2.0 * at[MIRROR_COLUMNS]) * x + (w - 1.0) / 2.0
    return y, x


def _is(x: Tensor, value: float) -> Tensor:
    return ops.cast(ops.equal(x, value), "float32")
