"""Which part of an image is seen, at what size, and in what grey levels."""

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_condattn.datasets._pictures import pillow

Image = NDArray[np.float32]
TRIES = 10
# A box belongs to a view that shows at least this share of it.
SEEN = 0.5
# Of ImageNet's photographs, whose parameters many networks start from.
IMAGENET_MEAN = np.array([0.485, 0.456, 0.406])
IMAGENET_DEVIATION = np.array([0.229, 0.224, 0.225])
NORMALISATIONS = (None, "imagenet", "zscore")


@dataclasses.dataclass(frozen=True)
class View:
    """A window on an image: left, top, width and height in its pixels, mirrored or not.

    Attributes:
        left, top, width, height: of the window, not always whole pixels.
        mirrored: whether left and right are exchanged, in the view.
        size: pixels a side of the frame, or None for the window's own.
    """

    left: float
    top: float
    width: float
    height: float
    mirrored: bool = False
    size: int | None = None

    def image(self, image: Image) -> Image:
        """The frame, (size, size): bilinear, with a filter that widens to shrink."""
        if self.size is None:
            return image
        window = (
            self.left, self.top, self.left + self.width, self.top + self.height
        )  # fmt: skip
        module = pillow()
        frame = np.asarray(
            module.fromarray(np.ascontiguousarray(image, "float32")).resize(
                (self.size, self.size), module.Resampling.BILINEAR, box=window
            )
        )
        frame = frame[:, ::-1] if self.mirrored else frame
        seen: Image = frame.clip(0, 1)
        return seen

    def boxes(self, boxes: NDArray[np.float64]) -> NDArray[np.float32]:
        """Boxes (n, 5) of the image in pixels of the frame, cut off at its border.

        Those of which less than half of the area is seen are left out.
        """
        if not len(boxes):
            return np.zeros((0, 5), "float32")
        scale = np.array([self._side(0) / self.width, self._side(1) / self.height])
        start = (boxes[:, 1:3] - (self.left, self.top)) * scale
        stop = start + boxes[:, 3:] * scale
        if self.mirrored:
            start[:, 0], stop[:, 0] = (
                self._side(0) - stop[:, 0],
                self._side(0) - start[:, 0],
            )
        limit = (self._side(0), self._side(1))
        low, high = start.clip(0, limit), stop.clip(0, limit)
        whole = (stop - start).prod(1)
        seen = (high - low).prod(1) >= SEEN * whole
        cut = np.concatenate([boxes[:, :1], low, high - low], axis=1)
        shown: NDArray[np.float32] = cut[seen].astype("float32")
        return shown

    def _side(self, axis: int) -> float:
        return float(self.size or (self.width, self.height)[axis])


def whole_view(shape: tuple[int, ...]) -> View:
    """The image as it is."""
    return View(0.0, 0.0, float(shape[1]), float(shape[0]))


def central_view(shape: tuple[int, ...], size: int, margin: float) -> View:
    """The shorter side resized to int(size margin), then the middle size x size."""
    side = min(shape) * size / int(size * margin)
    return View((shape[1] - side) / 2, (shape[0] - side) / 2, side, side, size=size)


def normalised(image: Image, how: str | None) -> Image:
    """A frame (H, W, 1 or 3) in the grey levels that are asked for."""
    if how == "zscore":
        image = (image - image.mean()) / max(float(image.std()), 1e-6)
    elif how == "imagenet":
        mean, deviation = IMAGENET_MEAN, IMAGENET_DEVIATION
        if image.shape[-1] == 1:  # the averages over the three colours
            mean, deviation = mean.mean(), deviation.mean()
        image = (image - mean) / deviation
    return np.ascontiguousarray(image, "float32")


@dataclasses.dataclass(frozen=True)
class CropAndJitter:
    """How whole images vary in training: crop, mirror image, brightness, contrast.

    ```
    window: area ~ U(scale) of the image, log(width / height) ~ U(log ratio), anywhere
            inside; where ten draws do not fit, the largest central one that does
    levels: x -> clip(b x), b ~ U(1 - brightness, 1 + brightness), and
            x -> clip(m + c (x - m)), c ~ U(1 - contrast, 1 + contrast), m the mean of
            x, in either order; clip is to [0, 1]
    ```

    The window is resized to the frame, so its sides are stretched unequally. A mirror
    image of a radiograph puts the heart on the right; ACM's recipe has it, so this has.

    Args:
        flip: chance of the mirror image, in [0, 1]. Defaults to 0.5.
        scale: range of the area, above 0 and at most 1. Defaults to (0.8, 1.0).
        ratio: range of width to height. Defaults to (0.75, 1.333).
        brightness: in [0, 1]. Defaults to 0.2.
        contrast: in [0, 1]. Defaults to 0.2.

    Raises:
        ValueError: for an argument out of its range.

    Example:

    >>> still = keras_condattn.datasets.chest_xray14.CropAndJitter(flip=0.0)

    Reference:
        The training script released with ACM (arXiv 2007.07506): torchvision's
        RandomHorizontalFlip, RandomResizedCrop(scale=(0.8, 1)) and ColorJitter(0.2,
        0.2, 0.2), whose third number, saturation, does nothing to grey. Ours does not
        round windows to whole pixels.
    """

    flip: float = 0.5
    scale: tuple[float, float] = (0.8, 1.0)
    ratio: tuple[float, float] = (0.75, 1.333)
    brightness: float = 0.2
    contrast: float = 0.2

    def __post_init__(self) -> None:
        for name in ("flip", "brightness", "contrast"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")
        for name, most in (("scale", 1.0), ("ratio", math.inf)):
            _check_range(name, getattr(self, name), most)

    def view(self, shape: tuple[int, ...], size: int, rng: np.random.Generator) -> View:
        """Draws a window on an image of this shape."""
        height, width = shape[:2]
        mirrored = bool(rng.random() < self.flip)
        for _ in range(TRIES):
            area = rng.uniform(*self.scale) * height * width
            ratio = math.exp(rng.uniform(*np.log(self.ratio)))
            w, h = math.sqrt(area * ratio), math.sqrt(area / ratio)
            if w <= width and h <= height:
                left, top = rng.uniform(0, width - w), rng.uniform(0, height - h)
                return View(left, top, w, h, mirrored, size)
        ratio = min(max(width / height, self.ratio[0]), self.ratio[1])
        w, h = min(width, height * ratio), min(height, width / ratio)
        return View((width - w) / 2, (height - h) / 2, w, h, mirrored, size)

    def levels(self, image: Image, rng: np.random.Generator) -> Image:
        """Draws other grey levels."""
        brightness, contrast = (
            rng.uniform(1 - most, 1 + most) for most in (self.brightness, self.contrast)
        )
        for of_brightness in (True, False) if rng.random() < 0.5 else (False, True):
            if of_brightness:
                image = (brightness * image).clip(0, 1)
            else:
                mean = image.mean()
                image = (mean + contrast * (image - mean)).clip(0, 1)
        return np.asarray(image, "float32")


def _check_range(name: str, value: Any, most: float) -> None:
    pair = tuple(value) if isinstance(value, tuple | list) else ()
    numbers = len(pair) == 2 and all(isinstance(v, int | float) for v in pair)
    if not numbers or not 0 < pair[0] <= pair[1] <= most or pair[1] == math.inf:
        raise ValueError(
            f"{name} must be a range (least, most) above 0 and at most {most}, got "
            f"{value!r}"
        )
