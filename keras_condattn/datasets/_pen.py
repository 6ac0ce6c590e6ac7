"""How scribbles are drawn where a data set has none."""

import dataclasses
import math
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keras_condattn.datasets._scribbles import simulate_scribble


@dataclasses.dataclass(frozen=True)
class SimulatedScribbles:
    """A pen for `load(..., scribbles=...)` of a data set without scribbles.

    ```
    scribble of slice z of a volume = simulate_scribble(label, seed of (seed, id, z))
    ```

    Each slice is drawn once and for all, on the pixels of its file and before any
    augmentation, which then moves it with its slice.

    Args:
        length: of the stroke of a class over the square root of its area in pixels,
            or one number for each class but the background. Defaults to 2.0.
        background: the same of the background's stroke; 0 draws none. Defaults to
            1.2.
        width: mean width of the strokes in pixels, from 1. Defaults to 1.4.
        jitter: as in `simulate_scribble`. Defaults to 1.0.
        distance: in pixels, of the background's stroke from the other classes.
            Defaults to 15.0.
        seed: the same seed draws the same scribbles. Defaults to 0.

    Raises:
        ValueError: for an argument out of its range.

    Example:

    >>> pen = keras_condattn.datasets.SimulatedScribbles(length=1.5, width=2.0)
    >>> label = np.zeros((40, 40), "uint8")
    >>> label[12:28, 12:28] = 1
    >>> scribble = pen.draw(label, 2, "case 1", 0)
    >>> np.unique(scribble).tolist()
    [0, 1, 2]

    Reference:
        The defaults are those measured on ACDC's expert scribbles: see
        `simulate_scribble`.
    """

    length: float | Sequence[float] = 2.0
    background: float = 1.2
    width: float = 1.4
    jitter: float = 1.0
    distance: float = 15.0
    seed: int = 0

    def __post_init__(self) -> None:
        lowest = {"width": 1.0, "distance": 1.0}
        for name in ("background", "width", "jitter", "distance"):
            value, low = getattr(self, name), lowest.get(name, 0.0)
            if not _number(value) or value < low:
                raise ValueError(f"{name} must be a number from {low}, got {value!r}")
        lengths = self._lengths(1)
        if not lengths or not all(_number(one) and one >= 0 for one in lengths):
            raise ValueError(
                "length must be a number from 0, or one for each class but the "
                f"background, got {self.length!r}"
            )
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise ValueError(f"seed must be a whole number, got {self.seed!r}")
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, got {self.seed}")

    def draw(
        self, label: NDArray[np.uint8], classes: int, name: str, z: int
    ) -> NDArray[np.uint8]:
        """The scribble of a slice.

        Args:
            label: (H, W), whole numbers from 0 to `classes` - 1.
            classes: how many there are, the background included.
            name: of the volume that the slice is of.
            z: the number of the slice.

        Returns:
            (H, W), uint8, `classes` where unlabelled.

        Raises:
            ValueError: for another label, or a number of lengths that does not fit.
        """
        lengths = self._lengths(classes - 1)
        if len(lengths) != classes - 1:
            raise ValueError(
                f"length must hold a number for each of {classes - 1} classes but the "
                f"background, got {self.length!r}"
            )
        entropy = [self.seed, zlib.crc32(name.encode()), z]
        seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])
        return simulate_scribble(
            label, classes, length=[self.background, *lengths], width=self.width,
            jitter=self.jitter, distance=self.distance, seed=seed,
        )  # fmt: skip

    def _lengths(self, count: int) -> list[float]:
        """Those that are given, or the one number `count` times."""
        many = isinstance(self.length, Sequence)
        return list(self.length) if many else [self.length] * count  # type: ignore


def check_pen(scribbles: object, classes: int) -> None:
    """Draws once, so that a pen of another number of classes is refused at once."""
    if isinstance(scribbles, SimulatedScribbles):
        scribbles.draw(np.zeros((4, 4), "uint8"), classes, "", 0)


def _number(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)  # type: ignore[arg-type]
