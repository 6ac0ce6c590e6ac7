"""From files to the frame that the network sees."""

import dataclasses
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from keras_condattn.datasets._pictures import pillow, read_image, with_channels
from keras_condattn.datasets.dsb2018._files import Record
from keras_condattn.datasets.dsb2018._read import read_instances

Image = NDArray[np.float32]
Instances = NDArray[np.int32]

Scalar = TypeVar("Scalar", bound=np.generic)

PERCENTILES = (1.0, 99.8)
FAINTEST = 1 / 255


@dataclasses.dataclass(frozen=True)
class Framing:
    """How an image becomes a frame: channels, grey levels, crop, resize, in this order.

    Attributes:
        channels: 1 (luminance) or 3 (grey is repeated).
        normalise: whether to stretch the grey levels by percentiles.
        crop: (H, W) of the centre crop, or None.
        size: (H, W) of the frame, or None.
    """

    channels: int
    normalise: bool
    crop: tuple[int, int] | None
    size: tuple[int, int] | None

    def image(self, record: Record) -> Image:
        """The frame of a record's image, (H, W, channels) in [0, 1]."""
        image = with_channels(read_image(record.image), self.channels)
        if self.normalise:
            image = stretched(image)
        if self.crop:
            image = centred(image, self.crop, np.median(image, axis=(0, 1)))
        return resized(image, self.size) if self.size else image

    def instances(self, record: Record, shape: tuple[int, int]) -> Instances:
        """The frame of a record's instances; `shape` is that of its image file."""
        instances = read_instances(record, shape)
        if self.crop:
            instances = centred(instances, self.crop, 0)
        return nearest(instances, self.size) if self.size else instances


def stretched(image: Image) -> Image:
    """clip((x - p1) / max(p99.8 - p1, 1/255), 0, 1), all channels together."""
    low, high = np.percentile(image, PERCENTILES)
    scaled: Image = (image - np.float32(low)) / np.float32(max(high - low, FAINTEST))
    return scaled.clip(0, 1)


def centred(
    array: NDArray[Scalar], shape: tuple[int, int], fill: object
) -> NDArray[Scalar]:
    """The middle `shape` of an array; what lies outside of it is `fill`."""
    out = np.empty((*shape, *array.shape[2:]), dtype=array.dtype)
    out[...] = fill
    here, there = zip(
        *(_overlap(a, b) for a, b in zip(array.shape, shape, strict=False)),
        strict=True,
    )
    out[there] = array[here]
    return out


def _overlap(extent: int, wanted: int) -> tuple[slice, slice]:
    """Where `wanted` of `extent` pixels come from, and where they go."""
    common = min(extent, wanted)
    source, target = (extent - common) // 2, (wanted - common) // 2
    return slice(source, source + common), slice(target, target + common)


def resized(image: Image, size: tuple[int, int]) -> Image:
    """Bilinear, with a filter that widens when shrinking (Pillow's)."""
    if image.shape[:2] == size:
        return image
    module = pillow()
    planes = [
        module.fromarray(np.ascontiguousarray(plane)).resize(
            size[::-1], module.Resampling.BILINEAR
        )
        for plane in np.moveaxis(image, -1, 0)
    ]
    # Rounding carries a filter over 1 by some 1e-7.
    return np.stack([np.asarray(plane) for plane in planes], axis=-1).clip(0, 1)


def nearest(instances: Instances, size: tuple[int, int]) -> Instances:
    """Each pixel of the result takes the number at its centre."""
    rows, columns = (
        ((np.arange(n) + 0.5) * extent / n).astype(int)
        for n, extent in zip(size, instances.shape, strict=True)
    )
    return instances[np.ix_(rows, columns)]
