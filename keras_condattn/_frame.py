"""The frame in which a network sees the slices of a volume, and the way back."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_condattn._optional import ndimage

Array = NDArray[Any]
Image = NDArray[np.float32]
Pair = tuple[float, float]
Spacing = Sequence[float]
NORMALISATIONS = (None, "zscore")
CLIP = 99.0
# Counts with the grid's value beyond the border; scipy's plain "constant" drops what
# lies between the outermost pixels' centres and their edges.
BORDER = "grid-constant"


@dataclasses.dataclass(frozen=True)
class Pose:
    """How a slice lies in its frame: moved, turned, enlarged, mirrored.

    ```
    x_native = centre + shift + R(angle) M (x_frame - centre_frame) / scale   # mm
    ```

    Args:
        shift: of the frame's centre from the image's, (down, right) in mm.
        angle: in radians, of the frame against the image.
        scale: above 1 enlarges.
        mirror: the frame's columns run backwards (M).
    """

    shift: Pair = (0.0, 0.0)
    angle: float = 0.0
    scale: float = 1.0
    mirror: bool = False

    def matrix(self) -> Array:
        """R M / scale, (2, 2)."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        turn = np.array([[cos, -sin], [sin, cos]])
        return turn @ np.diag([1.0, -1.0 if self.mirror else 1.0]) / self.scale


STILL = Pose()


@dataclasses.dataclass(frozen=True)
class Frame:
    """Grey levels, pixel spacing and size of what a network sees.

    Args:
        normalise: `"zscore"` clips a volume at the 99th percentile of what lies in
            the frame, then takes its mean to 0 and its standard deviation to 1;
            None leaves the grey levels.
        spacing: (down, right) in mm to resample to, bilinearly, with a Gaussian
            prefilter where that shrinks; None keeps the image's own.
        size: (height, width) in pixels, cropped or padded around the centre; what
            lies outside the image has its lowest grey level, or background. None
            keeps the image's extent.
    """

    normalise: str | None = None
    spacing: Pair | None = None
    size: tuple[int, int] | None = None

    def extent(self, shape: tuple[int, ...], spacing: Spacing) -> Array:
        """(height, width) in pixels of the frame of an image (..., H, W)."""
        if self.size is not None:
            return np.array(self.size)
        step = self._step(spacing)
        return np.ceil(np.array(shape[-2:]) * spacing[-2:] / step - 1e-6).astype(int)

    def image(self, volume: Array, spacing: Spacing, pose: Pose = STILL) -> Image:
        """The frames (D, h, w) of a volume's slices (D, H, W)."""
        values = self.normalised(volume, spacing, pose.shift)
        return self.sample(values, spacing, pose)

    def labels(
        self, labels: Array, spacing: Spacing, pose: Pose = STILL, outside: int = 0
    ) -> Array:
        """The frames of class numbers, by the nearest pixel; `outside` beyond them."""
        return self._sampled(labels, spacing, pose, outside, 0)

    def normalised(
        self, volume: Array, spacing: Spacing, shift: Pair = (0.0, 0.0)
    ) -> Image:
        """A volume (D, H, W) with the grey levels of its frame, native in shape."""
        values = np.asarray(volume, "float32")
        if self.normalise is None:
            return values
        # Within the frame, so that how much of the chest was imaged plays no part.
        seen = values[:, *self._window(values.shape, spacing, shift)]
        high = np.percentile(seen, CLIP)
        seen = seen.clip(None, high)
        deviation = max(float(seen.std()), 1e-6)
        levels = (values.clip(None, high) - seen.mean()) / deviation
        return np.asarray(levels, "float32")

    def sample(
        self,
        values: Image,
        spacing: Spacing,
        pose: Pose = STILL,
        outside: float | None = None,
    ) -> Image:
        """The frames of slices whose grey levels are normalised already.

        `outside` is the grey level beyond their border; None means their lowest.
        """
        if outside is None:
            outside = float(values.min())
        shrink = self._step(spacing) / np.asarray(spacing[-2:]) / pose.scale
        blurred = values
        if (shrink > 1).any():
            sigma = np.maximum(shrink - 1, 0) / 2
            blurred = ndimage().gaussian_filter(values, (0, *sigma))
        return self._sampled(blurred, spacing, pose, outside, 1)

    def _sampled(
        self, array: Array, spacing: Spacing, pose: Pose, outside: float, order: int
    ) -> Array:
        """Slices (D, H, W) in the pose, on the frame's pixels."""
        native = np.asarray(spacing[-2:])
        extent = self.extent(array.shape, spacing)
        matrix = pose.matrix() * self._step(spacing) / native[:, None]
        centre = (np.array(array.shape[-2:]) - 1) / 2 + np.array(pose.shift) / native
        offset = centre - matrix @ ((extent - 1) / 2)
        if not (pose.angle or pose.mirror):
            matrix = np.diag(matrix)  # separable, which scipy does faster
        transform = ndimage().affine_transform
        return np.stack([
            transform(plane, matrix, offset, tuple(extent), order=order, mode=BORDER,
                      cval=outside)
            for plane in array
        ])  # fmt: skip

    def restore(
        self,
        scores: Image,
        shape: tuple[int, ...],
        spacing: Spacing,
        shift: Pair = (0.0, 0.0),
    ) -> Image:
        """Scores (D, h, w, K) on the pixels of their volume (D, H, W), bilinearly.

        Outside the frame class 0 has 1 and the others 0.
        """
        transform = ndimage().affine_transform
        native = np.asarray(spacing[-2:])
        ratio = native / self._step(spacing)
        centre = (np.array(shape[-2:]) - 1) / 2 + np.array(shift) / native
        offset = (np.array(scores.shape[1:3]) - 1) / 2 - ratio * centre
        out = np.empty((*shape, scores.shape[-1]), "float32")
        for z, k in np.ndindex(shape[0], scores.shape[-1]):
            out[z, ..., k] = transform(
                scores[z, ..., k], ratio, offset, shape[-2:], order=1, mode=BORDER,
                cval=float(k == 0),
            )  # fmt: skip
        return out

    def affine(self, affine: Array, shape: tuple[int, ...], spacing: Spacing) -> Array:
        """The affine (x, y, z) of frames, from that of their volume (D, H, W)."""
        ratio = self._step(spacing) / np.asarray(spacing[-2:])
        offset = (
            np.array(shape[-2:]) - 1 - ratio * (self.extent(shape, spacing) - 1)
        ) / 2
        to_native = np.diag([*ratio[::-1], 1.0, 1.0])
        to_native[:2, 3] = offset[::-1]
        return np.asarray(affine @ to_native)

    def _step(self, spacing: Spacing) -> Array:
        return np.asarray(spacing[-2:] if self.spacing is None else self.spacing)

    def _window(
        self, shape: tuple[int, ...], spacing: Spacing, shift: Pair
    ) -> tuple[slice, ...]:
        """Rows and columns of a volume that its frame shows."""
        native = np.asarray(spacing[-2:])
        half = self.extent(shape, spacing) * self._step(spacing) / native / 2
        centre = np.array(shape[-2:]) / 2 + np.array(shift) / native
        last = np.array(shape[-2:]) - 1
        begin = np.floor(centre - half).clip(0, last).astype(int)
        end = np.ceil(centre + half).clip(begin + 1).astype(int)
        return tuple(slice(b, e) for b, e in zip(begin, end, strict=True))
