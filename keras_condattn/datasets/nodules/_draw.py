"""Draws nodules whose place and shape are known."""

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_condattn.datasets.nodules._field import (
    CELLS,
    Image,
    cell_centres,
    in_lung,
    lung_field,
    lung_spread,
)

# What fits into an ellipse of the lung field with room to spare.
LARGEST, LONGEST = 0.15, 2.0
TRIES = 40
GAP = 1.2


@dataclasses.dataclass(frozen=True)
class Nodules:
    """What simulated nodules look like, and how many images get any.

    ```
    x'(p) = min(1, x(p) + c D g(p)),   D = P95 - P5 of x over the lungs' ellipses
    g(p)  = (1 - erf((rho(p) - 1) r / (sqrt(2) s))) / 2          # 1 inside, 0 outside
    rho(p) = 1 on an ellipse of half-axes r sqrt(e) and r / sqrt(e), turned at random
    r = diameter / 2,   s = blur r,   c contrast,   e elongation
    ```

    A disc or ellipse with a Gaussian edge is added to the grey levels, as tissue adds
    to what it lies over. Each of diameter, contrast, blur and elongation is drawn
    uniformly from its range for every nodule, independently, so a small faint blurred
    nodule is as likely as any and some will be missed by everybody.

    The centre lies in `lung_field(image)`, the whole outline within one of the two
    ellipses that bound it, and outlines keep apart. Where there is no room for a
    further nodule it is left out; the first always finds a place. The box is the
    smallest that holds the outline rho = 1, where g is 1/2.

    Args:
        share: of images that get nodules, in [0, 1]. Defaults to 0.5.
        most: an image that gets any gets 1 to `most`, each number as likely. Defaults
            to 3.
        diameter: range, as a fraction of the image's shorter side; 0.03 of a film 400
            mm wide is 12 mm. At most 0.15. Defaults to (0.03, 0.07).
        contrast: range, in units of the lungs' spread D. Defaults to (0.15, 0.5).
        blur: range of the edge's standard deviation, in radii; above 0. Defaults to
            (0.2, 0.5).
        elongation: range of the ratio of the axes, from 1 to 2. Defaults to
            (1.0, 1.5).
        fresh: draw them anew each epoch, for training: then every image is seen with
            nodules and without. False draws once for each image. Defaults to False.

    Raises:
        ValueError: for an argument out of its range.

    Example:

    >>> faint = keras_condattn.datasets.nodules.Nodules(share=1.0, contrast=(0.05, 0.1))
    >>> image = np.full((96, 96), 0.5, "float32")
    >>> image[:48] = 0.2
    >>> drawn, boxes = faint.draw(image, np.random.default_rng(0))
    >>> 1 <= len(boxes) <= 3 and bool((drawn >= image).all())
    True
    """

    share: float = 0.5
    most: int = 3
    diameter: tuple[float, float] = (0.03, 0.07)
    contrast: tuple[float, float] = (0.15, 0.5)
    blur: tuple[float, float] = (0.2, 0.5)
    elongation: tuple[float, float] = (1.0, 1.5)
    fresh: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share must be in [0, 1], got {self.share!r}")
        if isinstance(self.most, bool) or not isinstance(self.most, int):
            raise ValueError(f"most must be a whole number, got {self.most!r}")
        if self.most < 1:
            raise ValueError(f"most must be at least 1, got {self.most!r}")
        limits = {
            "diameter": (0.0, LARGEST),
            "contrast": (0.0, math.inf),
            "blur": (0.0, math.inf),
            "elongation": (1.0, LONGEST),
        }
        for name, (low, high) in limits.items():
            _check_range(name, getattr(self, name), low, high)

    def draw(
        self, image: Image, rng: np.random.Generator
    ) -> tuple[Image, NDArray[np.float32]]:
        """Draws nodules into a copy of an image, or, by `share`, none.

        Args:
            image: (H, W) in [0, 1], air dark, upright and frontal.
            rng: what decides.

        Returns:
            The image, and the boxes of its nodules (n, 4): x, y of the left upper
            corner, width and height in pixels.

        Raises:
            ValueError: for an image under 48 pixels a side, or not of two axes.
        """
        field = lung_field(image)
        drawn, outlines = image.copy(), list[_Outline]()
        if rng.random() >= self.share:
            return drawn, np.zeros((0, 4), "float32")
        spread = lung_spread(image)
        for _ in range(int(rng.integers(1, self.most + 1))):
            outline = self._placed(field, image.shape, outlines, rng)
            contrast, blur = rng.uniform(*self.contrast), rng.uniform(*self.blur)
            if outline is not None:
                outlines.append(outline)
                outline.add_to(drawn, contrast * spread, blur)
        boxes = [outline.box for outline in outlines]
        return drawn, np.array(boxes, "float32").reshape(-1, 4)

    def _placed(
        self,
        field: NDArray[np.bool_],
        shape: tuple[int, ...],
        others: list["_Outline"],
        rng: np.random.Generator,
    ) -> "_Outline | None":
        """An outline at a place where it fits, if there is one."""
        radius = rng.uniform(*self.diameter) / 2 * min(shape)
        stretch, angle = math.sqrt(rng.uniform(*self.elongation)), rng.uniform(0, np.pi)
        half = radius * stretch, radius / stretch
        fits = _room(half[0] / shape[1], half[0] / shape[0])
        cells = np.argwhere(fits & field if (fits & field).any() else fits)
        for _ in range(TRIES):
            cell = cells[rng.integers(len(cells))] + rng.uniform(0, 1, 2)
            centre = cell / CELLS * shape
            outline = _Outline((centre[1], centre[0]), half, angle)
            if all(outline.clear_of(other) for other in others):
                return outline
        return None


@dataclasses.dataclass(frozen=True)
class _Outline:
    """An ellipse in pixels: centre (x, y), half-axes (long, short), angle."""

    centre: tuple[float, float]
    half: tuple[float, float]
    angle: float

    @property
    def box(self) -> tuple[float, float, float, float]:
        (x, y), (long, short) = self.centre, self.half
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        width = math.hypot(long * cos, short * sin)
        height = math.hypot(long * sin, short * cos)
        return x - width, y - height, 2 * width, 2 * height

    def clear_of(self, other: "_Outline") -> bool:
        return math.dist(self.centre, other.centre) >= GAP * (
            self.half[0] + other.half[0]
        )

    def add_to(self, image: Image, height: float, blur: float) -> None:
        """Adds the ellipse to the part of the image where it is not 0."""
        (x, y), (long, short) = self.centre, self.half
        reach = long * (1 + 4 * blur)  # beyond, g < 1e-4
        rows, columns = (
            slice(max(int(at - reach), 0), int(at + reach) + 2) for at in (y, x)
        )
        part = image[rows, columns]
        down, right = np.indices(part.shape) + 0.5
        down, right = down + rows.start - y, right + columns.start - x
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        along, across = right * cos + down * sin, down * cos - right * sin
        distance = np.hypot(along / long, across / short) - 1
        part += height * (1 - _erf(distance / (math.sqrt(2) * blur))) / 2
        np.minimum(part, 1, out=part)


def _room(across: float, down: float) -> NDArray[np.bool_]:
    """The cells around which a disc lies in one ellipse, by sixteen of its points.

    The disc may be centred anywhere in the cell, hence half a cell more.
    """
    y, x = cell_centres()
    lung = in_lung(x, y)
    room = lung >= 0
    half = 0.5 / CELLS
    for turn in np.arange(16) * np.pi / 8:
        cos, sin = math.cos(turn), math.sin(turn)
        at_x = x + across * cos + math.copysign(half, cos)
        at_y = y + down * sin + math.copysign(half, sin)
        room &= in_lung(at_x, at_y) == lung
    return room


def _erf(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Within 1.5e-7: Abramowitz and Stegun, 7.1.26. NumPy has none."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    series = np.polyval(
        (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592, 0.0), t
    )
    return np.asarray(np.copysign(1 - series * np.exp(-(x**2)), x))


def _check_range(name: str, value: Any, low: float, high: float) -> None:
    pair = tuple(value) if isinstance(value, tuple | list) else ()
    numbers = len(pair) == 2 and all(isinstance(v, int | float) for v in pair)
    if not numbers or not low <= pair[0] <= pair[1] <= high or pair[1] == math.inf:
        raise ValueError(
            f"{name} must be a range (least, most) from {low} to {high}, got {value!r}"
        )
    if pair[0] == 0 and name in ("blur", "diameter"):
        raise ValueError(f"{name} must be above 0, got {value!r}")
