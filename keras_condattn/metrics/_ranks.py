"""How often one sample exceeds another."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def exceeding(lower: NDArray[Any], higher: NDArray[Any]) -> float:
    """P(higher > lower) + P(higher = lower) / 2 over all pairs; NaN without a pair.

    One sort of `lower` and two searches for each of `higher`: O(n log n).
    """
    if not (lower.size and higher.size):
        return float("nan")
    ordered = np.sort(lower)
    beaten = np.searchsorted(ordered, higher, side="left")
    reached = np.searchsorted(ordered, higher, side="right")
    # Whole numbers, so that the order of summing changes nothing.
    halves = int(beaten.sum()) + int(reached.sum())
    return halves / (2 * lower.size * higher.size)


def ratings(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Values as (n,) float64; infinite ones are ratings too, NaN is none."""
    array = np.asarray(values, "float64")
    if array.ndim != 1:
        raise ValueError(f"{name} must be ratings (n,), got shape {array.shape}")
    if np.isnan(array).any():
        raise ValueError(f"{name} must be ratings, got NaN in it")
    return array
