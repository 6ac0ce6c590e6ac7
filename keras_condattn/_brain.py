"""Brains whose skull was stripped: what is inside, and its grey levels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_condattn._frame import Frame

Array = NDArray[Any]
# Slices of whose pixels a smaller share is brain show none to speak of.
LEAST_BRAIN = 0.02


def framed_image(
    frame: Frame, array: Array, spacing: Sequence[float], zscore: bool
) -> NDArray[np.float32]:
    """A modality (D, H, W) in its frame; beyond it lies background."""
    level = outside_level(array)
    outside = float(array.min() if level is None else level)
    values = np.asarray(array, "float32")
    if zscore:
        inside = inside_of(array)
        seen = values[inside]
        scaled = (values - seen.mean()) / max(float(seen.std()), 1e-6)
        values, outside = np.where(inside, scaled, np.float32(0)), 0.0
    if frame.spacing is None and frame.size is None:
        return np.array(values)
    return frame.sample(values, spacing, outside=outside)


def inside_of(array: Array) -> NDArray[np.bool_]:
    """What is not background; all of it where there is none."""
    level = outside_level(array)
    return np.ones(array.shape, bool) if level is None else array != level


def outside_level(array: Array) -> float | None:
    """The grey level of at least half of a volume's corners, or None.

    Skulls are stripped, and what is outside has one level exactly: 0 as published,
    another where somebody has rescaled the volumes.
    """
    ends = [(0, n - 1) for n in array.shape]
    levels, counts = np.unique(array[np.ix_(*ends)], return_counts=True)
    most = int(counts.argmax())
    return float(levels[most]) if counts[most] >= 4 else None
