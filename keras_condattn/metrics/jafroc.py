"""JAFROC: whether lesions are rated higher than what is marked where there is none."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_condattn._export import export
from keras_condattn._types import DataFormat
from keras_condattn.metrics._marks import checked_boxes, checked_size
from keras_condattn.metrics._ranks import exceeding, ratings
from keras_condattn.metrics.marks import map_marks, mark_hits


@export
def jafroc(false_positives: ArrayLike, lesions: ArrayLike) -> float:
    """The area under the AFROC curve: how often a lesion outrates a false positive.

    ```
    theta = 1 / (I L)  sum over i <= I, j <= L of  psi(f_i, z_j)
    psi   = 1 where z > f,  1/2 where z = f,  else 0
    f_i   = highest rating of a mark on normal image i;  -inf without a mark
    z_j   = highest rating of a mark that hits lesion j; -inf without one
    ```

    1 is perfect; 1/2 is the value of no marks at all. What is marked beside the
    lesions of an image that has some is not counted, and every lesion weighs the same,
    so an image with many weighs more (RJafroc calls this FOM AFROC, before 2.0 JAFROC).

    The Wilcoxon form: the same area as under the curve of lesions found against normal
    images falsely marked, joined by a straight line to (1, 1); in O(n log n).

    Args:
        false_positives: f, (I,): one rating for each normal image.
        lesions: z, (L,): one rating for each lesion of all other images.

    Returns:
        theta in [0, 1]; NaN without normal images or without lesions.

    Raises:
        ValueError: for NaN, or more than one axis.

    Example:

    >>> normal = [-np.inf, 0.5, 0.7, -0.3]
    >>> lesions = [0.9, -0.2, 1.6, -np.inf, 3, 2, 1, 2.5, 1]
    >>> round(keras_condattn.metrics.jafroc(normal, lesions), 7)
    0.8472222

    Reference:
        Chakraborty, "Analysis of Location Specific Observer Performance Data:
        Validated Extensions of the Jackknife Free-Response (JAFROC) Method", Academic
        Radiology 13, 2006. The example is that of his book on RJafroc.
    """
    return exceeding(
        ratings("false_positives", false_positives), ratings("lesions", lesions)
    )


@export
def jafroc_from_maps(
    class_maps: ArrayLike,
    boxes: Sequence[ArrayLike],
    image_size: int | tuple[int, int],
    *,
    class_index: int = 0,
    distance: float = 0.0,
    max_marks: int | None = None,
    min_size: float | None = None,
    origin: float | None = None,
    data_format: DataFormat | None = None,
) -> float:
    """JAFROC of the class maps of a set of images.

    ```
    marks   = map_marks(map of the class, image_size, distance, max_marks, origin)
    hit     = mark_hits(marks, boxes of the class, min_size)
    f_i     = max rating over the marks of image i, for images without a box
    z_j     = max rating over the marks that hit box j, else -inf
    result  = jafroc(f, z)
    ```

    An image without a box of the class counts as normal. So give it only images whose
    lesions all have boxes: of the radiographs of ChestX-ray14, most findings have none.
    Ratings are compared between images, so the maps must not be scaled image by image;
    logits and probabilities give the same result.

    Image-level labels do not say where a map should peak. A network that learned from
    them alone may peak beside what it found, always to the same side, and its JAFROC is
    low then; look at some images with boxes before you compare networks.

    Args:
        class_maps: (B, h, w, K), or (B, K, h, w) in channels_first; (B, h, w) is one
            class, to which all boxes belong.
        boxes: for each image (n, 5): class, x, y, width, height in pixels of the image
            of `image_size`, x and y of the left upper corner; or (n, 4) without class
            where the maps are (B, h, w). n may be 0.
        image_size: (H, W) of the image in pixels, or one number for both.
        class_index: the class to judge; without effect on maps (B, h, w). Defaults
            to 0.
        distance: of `map_marks`, in image pixels. Defaults to 0.0.
        max_marks: of `map_marks`. Defaults to None.
        min_size: of `mark_hits`, in image pixels. None means the spacing of the map's
            pixels, max(H / h, W / w): the peak of the map pixel in which a lesion has
            its centre then always hits it. Defaults to None.
        origin: of `map_marks`, in image pixels: 0.5 for maps of the ResNets of this
            library, 14.5 for those of its DenseNets. Defaults to None.
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.

    Returns:
        theta in [0, 1]; NaN where no image, or every image, has a lesion.

    Raises:
        ValueError: for shapes that do not fit, a class there is not, or NaN.
        ImportError: where scipy is missing.

    Example:

    >>> maps = np.zeros((2, 4, 4)); maps[0, 1, 1] = 3.0; maps[1, 2, 2] = 1.0
    >>> boxes = [[[20, 22, 16, 14]], []]  # the first image of 64 pixels has a lesion
    >>> keras_condattn.metrics.jafroc_from_maps(maps, boxes, 64)
    1.0

    Reference:
        As `jafroc`. From maps to marks the papers that report JAFROC of networks state
        no rule; this one is ours.
    """
    maps = _maps_of(class_maps, class_index, data_format)
    if len(boxes) != len(maps):
        raise ValueError(
            f"boxes must be one array a map, so {len(maps)}, got {len(boxes)}"
        )
    size = checked_size(image_size)
    if min_size is None:
        min_size = max(n / m for n, m in zip(size, maps.shape[1:], strict=True))
    of_class = class_index if np.ndim(class_maps) == 4 else None
    false_positives: list[float] = []
    lesions: list[float] = []
    for number, (class_map, found) in enumerate(zip(maps, boxes, strict=True)):
        wanted = checked_boxes(f"boxes[{number}]", found, of_class)
        marks = map_marks(
            class_map, size, distance=distance, max_marks=max_marks, origin=origin
        )
        if len(wanted) == 0:
            false_positives.append(_highest(marks[:, 2]))
            continue
        hit = mark_hits(marks, wanted, min_size=min_size)
        lesions += [_highest(marks[hit == j, 2]) for j in range(len(wanted))]
    return jafroc(false_positives, lesions)


def _maps_of(
    class_maps: ArrayLike, index: int, data_format: DataFormat | None
) -> NDArray[Any]:
    """The maps of one class, (B, h, w)."""
    maps = np.asarray(class_maps)
    if maps.ndim not in (3, 4):
        raise ValueError(
            f"class_maps must have shape (B, h, w) or (B, h, w, K), got {maps.shape}"
        )
    if maps.ndim == 3:
        return maps
    data_format = data_format or keras.config.image_data_format()
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(
            "data_format must be 'channels_last' or 'channels_first', got "
            f"{data_format!r}"
        )
    axis = 1 if data_format == "channels_first" else 3
    if not 0 <= index < maps.shape[axis]:
        raise ValueError(
            f"class_index must be below {maps.shape[axis]}, the classes in class_maps "
            f"of shape {maps.shape} ({data_format}), got {index!r}"
        )
    return maps[:, index] if axis == 1 else maps[..., index]


def _highest(values: NDArray[Any]) -> float:
    return float(values.max()) if values.size else -np.inf
