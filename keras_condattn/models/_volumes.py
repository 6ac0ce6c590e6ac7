"""What a volume must be to be predicted, and what is kept of its labels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_condattn._optional import ndimage

Spacing = tuple[float, float, float]


def check_batch_size(batch_size: Any) -> None:
    """Raises ValueError for anything but a positive whole number."""
    if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer):
        raise ValueError(f"batch_size must be a whole number, got {batch_size!r}")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")


def grey_levels(name: str, given: Any) -> NDArray[Any]:
    """`volume[name]` as an array (D, H, W) of finite numbers."""
    image = np.asarray(given)
    if image.ndim != 3 or not image.size or image.dtype.kind not in "biuf":
        raise ValueError(
            f"volume[{name!r}] must hold grey levels (D, H, W), got shape "
            f"{image.shape} of {image.dtype}"
        )
    if not np.isfinite(image).all():
        raise ValueError(f"volume[{name!r}] must be finite, got NaN or infinity in it")
    return image


def spacing_of(given: Any, in_mm: bool) -> Spacing:
    """`volume["spacing"]`; where it is unknown and no step is `in_mm`, ones."""
    try:
        found = np.asarray(given, "float64")
    except (TypeError, ValueError):
        found = np.zeros(0)
    unknown = found.shape == (3,) and np.isnan(found).all()
    if unknown and not in_mm:
        return 1.0, 1.0, 1.0  # as in datasets, a pixel counts as a millimetre
    if found.shape != (3,) or not (np.isfinite(found) & (found > 0)).all():
        raise ValueError(
            "volume['spacing'] must be (slices, rows, columns) in mm, above 0, got "
            f"{given!r}"
        )
    return float(found[0]), float(found[1]), float(found[2])


def largest_pieces(label: NDArray[Any]) -> NDArray[Any]:
    """Of each class its largest piece, connected across faces."""
    kept = np.zeros_like(label)
    for number in np.unique(label[label > 0]):
        pieces, _ = ndimage().label(label == number)
        sizes = np.bincount(pieces.ravel())[1:]
        kept[pieces == 1 + sizes.argmax()] = number
    return kept
