"""Grey levels of a drawn heart in its chest, and scribbles on it."""

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_condattn.datasets.acdc._phantom_heart import Heart, Section
from keras_condattn.datasets.acdc._read import CLASSES, UNLABELLED

Array = NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Chest:
    """What surrounds a heart and how the scanner shows it; levels where blood is 1.

    Attributes:
        wall: where the chest's skin is left of the heart, in mm, and its fat's width.
        liver: how high it reaches, in mm below the heart.
        muscle, lung, fat: levels.
        bias: waves of the receive field, (waves, 3): down, right, phase.
        gain: grey levels for blood.
        noise: standard deviation.
        papillary: angles of the two papillary muscles.
        vessels: (vessels, 3) in the lung: down, right, radius in mm.
    """

    wall: tuple[float, float]
    liver: float
    muscle: float
    lung: float
    fat: float
    bias: Array
    gain: float
    noise: float
    papillary: Array
    vessels: Array

    @classmethod
    def draw(cls, heart: Heart, rng: np.random.Generator) -> "Chest":
        """A chest for a heart."""
        skin = heart.centre[1] - heart.radius - heart.wall - heart.width
        return cls(
            (skin - rng.uniform(13, 19), rng.uniform(7, 13)),
            rng.uniform(40, 48), rng.uniform(0.26, 0.42), rng.uniform(0.05, 0.1),
            rng.uniform(0.7, 1.05),
            np.column_stack([rng.uniform(-0.012, 0.012, (3, 2)), rng.uniform(0, 6, 3)]),
            rng.uniform(180, 1100), rng.uniform(0.025, 0.055),
            heart.toward + np.array([2.2, 4.1]) + rng.uniform(-0.3, 0.3, 2),
            np.column_stack([
                rng.uniform(-85, -30, 9), rng.uniform(-20, 85, 9),
                rng.uniform(1.2, 2.6, 9),
            ]),
        )  # fmt: skip


def photograph(
    section: Section, heart: Heart, chest: Chest, down: Array, right: Array,
    rng: np.random.Generator,
) -> NDArray[np.uint16]:  # fmt: skip
    """The grey levels (H, W) of a section, on pixels at (down, right) in mm."""
    soft = 1.5 * float(down[1, 0] - down[0, 0])
    image = np.full(section.outer.shape, 0.01)
    _paint_chest(image, section, heart, chest, down, right, soft)
    _paint_heart(image, section, chest, soft)
    waves = np.cos(chest.bias[:, :2] @ np.stack([down.ravel(), right.ravel()])
                   + chest.bias[:, 2:])  # fmt: skip
    image *= np.exp(0.18 * waves.sum(0)).reshape(image.shape)
    # A magnitude of two noisy channels, as a scanner's: never below 0.
    real, imaginary = rng.normal(0, chest.noise, (2, *image.shape))
    levels = chest.gain * np.hypot(image + real, imaginary)
    return np.asarray(levels.round().clip(0, 65535), "uint16")


def _paint(image: Array, inside: Array, level: Any, soft: float) -> None:
    """Covers what is inside; the border is as wide as `soft` mm."""
    cover = np.clip(inside / soft + 0.5, 0, 1)
    image += cover * (level - image)


def _paint_chest(
    image: Array, section: Section, heart: Heart, chest: Chest, down: Array,
    right: Array, soft: float,
) -> None:  # fmt: skip
    skin, fat = chest.wall
    y, x = down - heart.centre[0], right - heart.centre[1]

    def ellipse(cy: float, cx: float, height: float, width: float) -> Array:
        unit = np.hypot((down - cy) / height, (right - cx) / width)
        return np.asarray((1 - unit) * min(height, width))

    body = ellipse(0.0, skin + 115, 125.0, 115.0)
    _paint(image, body, chest.fat, soft)
    _paint(image, body - fat, chest.muscle, soft)
    _paint(image, body - fat - 5, chest.lung, soft)
    for cy, cx, radius in chest.vessels:
        _paint(image, np.minimum(ellipse(cy, cx, radius, radius), body - fat - 6),
               0.5, soft)  # fmt: skip
    ripple = 0.05 * np.cos(0.21 * x + 0.13 * y) * np.cos(0.17 * y - 0.09 * x + 1)
    liver = ellipse(heart.centre[0] + chest.liver + 60, skin + 95, 60.0, 100.0)
    _paint(image, np.minimum(liver, body - fat - 5), 1.35 * chest.muscle + ripple, soft)
    # The descending aorta: as bright and round as a ventricle, and none.
    aorta = ellipse(heart.centre[0] + 26, heart.centre[1] + 58, 10.0, 10.0)
    _paint(image, aorta, 0.95, soft)
    # Fat around the heart, where it touches the chest wall.
    around = np.maximum(section.outer, section.right)
    _paint(image, np.minimum(around + 7, body - fat - 3), 0.6 * chest.fat, 2 * soft)


def _paint_heart(image: Array, section: Section, chest: Chest, soft: float) -> None:
    rho, phi = section.polar
    _paint(image, section.right + 3, chest.muscle, soft)
    _paint(image, section.right, 0.93, soft)
    _paint(image, section.outer, chest.muscle, soft)
    # Fingers of muscle in blood: brighter and brighter from the wall inwards.
    fingers = 0.5 + 0.5 * np.cos(11 * phi + 5 * np.sin(2 * phi + 9 * section.height))
    depth = np.clip(section.cavity / max(section.band, 1e-3), 0, 1)
    blood = np.clip(depth * (0.55 + 0.45 * fingers) + 0.12 * (depth > 0), 0, 1)
    blood = np.where(depth >= 1, 1.0, blood)
    _paint(image, section.cavity, chest.muscle + (1 - chest.muscle) * blood, soft)
    if 0.2 < section.height < 0.75:
        inner = float((section.cavity + rho).max())
        for angle in chest.papillary:
            across = np.hypot(rho * np.cos(phi - angle) - 0.55 * inner,
                              rho * np.sin(phi - angle))  # fmt: skip
            _paint(image, 0.13 * inner - across, 1.1 * chest.muscle, soft)


def scribble(
    label: Array, heart: Heart, down: Array, right: Array, rng: np.random.Generator
) -> NDArray[np.uint8]:  # fmt: skip
    """Short lines one pixel wide, one in each class; `UNLABELLED` elsewhere.

    A line follows the middle of its class as rays from the left ventricle's axis
    cross it, over a part of the circle.
    """
    strokes = np.full(label.shape, UNLABELLED, "uint8")
    step = np.array([down[1, 0] - down[0, 0], right[0, 1] - right[0, 0]])
    origin = np.array([heart.centre[0] - down[0, 0], heart.centre[1] - right[0, 0]])
    reach = float(np.hypot(*(label.shape * step)))
    # So many rays that a line has no gaps at half the image's diagonal.
    turns = math.ceil(math.pi * reach / step.min())
    angles = np.linspace(0, 2 * math.pi, turns, endpoint=False)
    rays = np.stack([np.sin(angles), np.cos(angles)], -1)[:, None]
    radii = np.arange(0.0, reach, step.min() / 2)
    pixels = ((origin + rays * radii[:, None]) / step).round().astype(int)
    shown = ((pixels >= 0) & (pixels < label.shape)).all(-1)
    y, x = np.moveaxis(pixels.clip(0, np.array(label.shape) - 1), -1, 0)
    classes = np.where(shown, label[y, x], UNLABELLED)
    for number in range(len(CLASSES)):
        crossed = classes == number
        seen = np.flatnonzero(crossed.any(1))
        if not len(seen):
            continue
        middle = (crossed * radii).sum(1) / crossed.sum(1).clip(1)
        turn = (angles - angles[rng.choice(seen)] + math.pi) % (2 * math.pi) - math.pi
        kept = crossed.any(1) & (abs(turn) < rng.uniform(0.4, 0.9))
        line = ((origin + rays[:, 0] * middle[:, None]) / step).round().astype(int)
        rows, columns = line[kept].T
        inside = label[rows, columns] == number
        strokes[rows[inside], columns[inside]] = number
    return strokes
