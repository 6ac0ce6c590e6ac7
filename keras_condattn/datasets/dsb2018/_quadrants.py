"""Which quarter of the frame a nucleus lies in."""

import numpy as np
from numpy.typing import NDArray

QUADRANTS = ("top_left", "top_right", "bottom_right", "bottom_left")

# QUADRANTS runs clockwise, so (bottom, right) is looked up rather than counted.
_INDEX = np.array([[0, 1], [3, 2]], dtype="uint8")


def quadrant_map(instances: NDArray[np.int32]) -> NDArray[np.uint8]:
    """The quadrant of every pixel's nucleus: 0 background, else 1 + its index.

    A nucleus belongs, whole, to the quadrant of its centroid, the mean of its
    pixel centres: left where that is left of W / 2, top where it is above H / 2; a
    centroid on the line itself counts as right, or bottom.

    Args:
        instances: (H, W), 0 background, another number for each nucleus.

    Returns:
        (H, W), 0 or 1 + an index of `QUADRANTS`.
    """
    found = np.zeros(instances.shape, dtype="uint8")
    rows, columns = np.nonzero(instances)
    _, member = np.unique(instances[rows, columns], return_inverse=True)
    bottom = _beyond_half(rows, member, instances.shape[0])
    right = _beyond_half(columns, member, instances.shape[1])
    found[rows, columns] = 1 + _INDEX[bottom, right][member]
    return found


def _beyond_half(
    positions: NDArray[np.intp], member: NDArray[np.intp], extent: int
) -> NDArray[np.intp]:
    """For each nucleus: 1 where mean(position + 1/2) >= extent / 2, else 0."""
    count = np.bincount(member)
    total = np.zeros_like(count)
    np.add.at(total, member, positions)
    # In integers, so that a centroid on the line is on it on every machine.
    return (2 * total + count >= extent * count).astype(np.intp)


def one_hot(quadrant: int) -> NDArray[np.float32]:
    """The conditioning vector of a quadrant, in the order of `QUADRANTS`."""
    vector = np.zeros(len(QUADRANTS), dtype="float32")
    vector[quadrant] = 1
    return vector
