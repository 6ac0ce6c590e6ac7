"""The geometry of a drawn heart: what lies where, in each phase, at each height."""

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_condattn.datasets.acdc._files import GROUPS

Array = NDArray[Any]
# Left ventricle: radius and wall in mm at end-diastole, the share of the radius that
# is left at end-systole; and the width of the right ventricle in mm. The values that
# tell the groups apart in words, not a measurement of any patient.
SHAPES = dict(
    zip(
        GROUPS,
        (
            (24.0, 9.0, 0.66, 24.0),  # NOR
            (31.0, 8.0, 0.88, 26.0),  # DCM: wide, hardly contracts
            (21.0, 13.5, 0.58, 23.0),  # HCM: thick
            (28.0, 7.5, 0.82, 24.0),  # MINF: thinned, contracts less
            (22.0, 9.0, 0.68, 34.0),  # RV: right ventricle wide
        ),
        strict=True,
    )
)


@dataclasses.dataclass(frozen=True)
class Heart:
    """One heart, in mm and radians.

    Attributes:
        centre: of the left ventricle, (down, right) of the image's centre.
        toward: direction of the right ventricle as seen from the left.
        radius, wall: of the left ventricle at its base at end-diastole.
        squeeze: share of that radius that is left at end-systole.
        width: of the right ventricle.
        oval, twist: how far the left ventricle is from round, and which way.
        band: how far trabeculae reach into the cavity.
        descent: how far the valves move to the apex in systole, as a share of the
            heart's length.
    """

    centre: tuple[float, float]
    toward: float
    radius: float
    wall: float
    squeeze: float
    width: float
    oval: float
    twist: float
    band: float
    descent: float

    @classmethod
    def draw(cls, group: str, rng: np.random.Generator) -> "Heart":
        """A heart of a group."""
        radius, wall, squeeze, width = SHAPES[group] * rng.uniform(0.92, 1.08, 4)
        toward = math.pi + rng.uniform(-0.6, 0.4)
        # The middle of both ventricles is near the image's centre, not the left one.
        down, right = rng.uniform(-9, 9, 2)
        return cls(
            (down - 10 * math.sin(toward), right - 10 * math.cos(toward)), toward,
            radius, wall, min(squeeze, 0.92), width,
            rng.uniform(0.0, 0.05), rng.uniform(0, math.pi), rng.uniform(4.0, 5.5),
            rng.uniform(0.09, 0.13),
        )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Section:
    """A heart cut across: signed distances in mm on a grid, above 0 inside.

    Attributes:
        cavity: of the left ventricle, to its compact wall.
        outer: of the left ventricle with its wall.
        right: of the right ventricle, before `outer` is taken from it.
        band: how far trabeculae reach into the cavity here.
        height: 0 at the valves, 1 at the apex, below 0 above the valves.
        polar: distance from the left ventricle's axis, and angle.
    """

    cavity: Array
    outer: Array
    right: Array
    band: float
    height: float
    polar: tuple[Array, Array]

    def labels(self, phase: str) -> NDArray[np.uint8]:
        """The annotation, (H, W).

        Where trabeculae end and wall begins is a convention, and here it depends on
        the phase: at end-diastole they count as cavity, at end-systole, when the
        gaps between them are closed, as myocardium. Above the valves nothing is
        annotated.
        """
        cavity = self.cavity - (self.band if phase == "ES" else 0.0)
        # A later entry lies on top of an earlier one.
        parts = ((1, self.right), (2, self.outer), (3, cavity))
        label = np.zeros(self.outer.shape, "uint8")
        for number, inside in parts:
            label[(inside > 0) & (self.height >= 0)] = number
        return label


def cut(heart: Heart, phase: str, place: float, down: Array, right: Array) -> Section:
    """The section at `place`, 0 at the first slice and 1 at the last."""
    base = heart.descent if phase == "ES" else 0.0
    height = (place - base) / (1 - base)
    inner, outer = _radii(heart, phase, height)
    y, x = down - heart.centre[0], right - heart.centre[1]
    rho, phi = np.hypot(y, x), np.arctan2(y, x)
    round_ = 1 + heart.oval * np.cos(2 * (phi - heart.twist))
    return Section(
        inner * round_ - rho, outer * round_ - rho,
        _right(heart, phase, height, outer, rho, phi),
        min(heart.band, 0.45 * inner), height, (rho, phi),
    )  # fmt: skip


def _radii(heart: Heart, phase: str, height: float) -> tuple[float, float]:
    """Of the cavity and of the whole left ventricle, in mm."""
    taper = math.sqrt(1 - (0.92 * max(height, 0.0)) ** 2)
    inner = heart.radius * taper
    wall = heart.wall * (1 - 0.3 * max(height, 0.0))
    if height <= 0:
        # At the valves and in the atrium above them it looks alike: wide and thin.
        return inner, inner + 0.6 * wall
    if phase == "ED":
        return inner, inner + wall
    # Muscle does not shrink: what the cavity loses, the wall gains in thickness.
    muscle = (inner + wall) ** 2 - inner**2
    inner *= heart.squeeze
    return inner, math.sqrt(inner**2 + muscle)


def _right(
    heart: Heart, phase: str, height: float, outer: float, rho: Array, phi: Array
) -> Array:
    """An ellipse beside the left ventricle; nothing of it near the apex."""
    low = max(height, 0.0) / 0.92
    taper = math.sqrt(max(1 - low**2, 0.0))
    if taper < 0.3:
        return np.full_like(rho, -100.0)
    share = 0.62 if phase == "ES" and height > 0 else 1.0
    along = rho * np.cos(phi - heart.toward) - 0.55 * outer
    across = rho * np.sin(phi - heart.toward)
    reach = 0.45 * outer + heart.width * share * taper
    side = (0.95 * outer + 5.0) * taper
    return np.asarray(
        (1 - np.hypot(along / reach, across / side)) * min(reach, side), "float64"
    )
