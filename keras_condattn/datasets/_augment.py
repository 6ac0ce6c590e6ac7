"""Random poses and grey levels for slices."""

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from keras_condattn._frame import Pose
from keras_condattn._optional import ndimage

Image = NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """How slices vary from epoch to epoch.

    ```
    pose:   angle ~ U(-rotation, rotation), log scale ~ U(-log zoom, log zoom),
            shift ~ U(-shift, shift)^2, and in a share `turn` of the draws one of
            the eight symmetries of the square on top
    levels: u = (x - min) / (max - min); u^gamma, log gamma ~ U(-log gamma, log gamma)
            x' = c x + b, log c ~ U(-log contrast, log contrast),
            b ~ U(-brightness, brightness); in half of the draws a Gaussian blur,
            sigma ~ U(0, blur); then x' + s N(0, 1), s ~ U(0, noise)
    ```

    Args:
        rotation: largest angle in degrees. Defaults to 15.0.
        zoom: largest factor of enlarging and of shrinking. Defaults to 1.2.
        shift: largest shift down and right in mm. Defaults to 12.0.
        turn: share of slices that are turned by quarters and mirrored as well: for
            data whose files do not agree on how a patient lies. Defaults to 0.0.
        gamma: largest power on the grey levels and, inverted, the smallest.
            Defaults to 1.4.
        contrast: largest factor, likewise. Defaults to 1.2.
        brightness: largest offset, in the image's own units (after `"zscore"`,
            standard deviations). Defaults to 0.2.
        noise: largest standard deviation of Gaussian noise, likewise; each slice
            draws its own. Defaults to 0.1.
        blur: largest standard deviation of the blur in pixels. Defaults to 0.0.

    Raises:
        ValueError: for an argument out of its range.

    Example:

    >>> strong = keras_condattn.datasets.Augmentation(rotation=30, zoom=1.4, turn=0.5)
    >>> pose = strong.pose(np.random.default_rng(0))
    """

    rotation: float = 15.0
    zoom: float = 1.2
    shift: float = 12.0
    turn: float = 0.0
    gamma: float = 1.4
    contrast: float = 1.2
    brightness: float = 0.2
    noise: float = 0.1
    blur: float = 0.0

    def __post_init__(self) -> None:
        lowest = {"zoom": 1.0, "gamma": 1.0, "contrast": 1.0}
        for field in dataclasses.fields(self):
            value, low = getattr(self, field.name), lowest.get(field.name, 0.0)
            high = 1.0 if field.name == "turn" else math.inf
            number = isinstance(value, int | float) and math.isfinite(value)
            if not number or not low <= value <= high:
                raise ValueError(
                    f"{field.name} must be a number from {low} to {high}, got {value!r}"
                )

    def pose(self, rng: np.random.Generator) -> Pose:
        """Draws how a slice lies."""
        angle = math.radians(rng.uniform(-self.rotation, self.rotation))
        scale = math.exp(rng.uniform(-1, 1) * math.log(self.zoom))
        down, right = rng.uniform(-self.shift, self.shift, 2)
        turned, quarters, mirror = rng.random(), rng.integers(4), rng.integers(2)
        if turned < self.turn:
            return Pose((down, right), angle + quarters * math.pi / 2, scale,
                        bool(mirror))  # fmt: skip
        return Pose((down, right), angle, scale)

    def levels(self, image: Image, rng: np.random.Generator) -> Image:
        """Draws other grey levels for a slice (H, W)."""
        power, factor = (
            math.exp(rng.uniform(-1, 1) * math.log(most))
            for most in (self.gamma, self.contrast)
        )
        low, high = image.min(), image.max()
        unit = (image - low) / max(high - low, 1e-6)
        x = factor * (low + (high - low) * unit**power)
        x = x + rng.uniform(-self.brightness, self.brightness)
        sigma = rng.uniform(0, self.blur) if rng.random() < 0.5 else 0.0
        if sigma > 0:
            x = ndimage().gaussian_filter(x, sigma)
        deviation = rng.uniform(0, self.noise)
        noise = rng.standard_normal(image.shape, dtype="float32")
        return np.asarray(x + deviation * noise, "float32")
