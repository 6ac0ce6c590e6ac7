"""What a CLEVR scene holds: a camera, three lights and solids on a plane.

Lengths are in the scene's own unit; the camera looks at the origin from about
twelve units away, and the plane is z = 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ._vocabulary import COLOURS, SHAPES, SIZES

Vector = npt.NDArray[np.float64]
ImageSize = tuple[int, int]

CAMERA = (6.5, -6.5, 8.0)
FIELD_OF_VIEW = 34.0
# Key at the camera's right, fill at its left, back behind the solids.
LIGHTS = ((6.8, 0.2, 7.2), (-4.7, -4.6, 6.0), (-2.2, 4.6, 7.4))
CAMERA_JITTER, LIGHT_JITTER = 0.5, 1.0
MINIMUM_GAP = 0.25
OBJECTS = (3, 10)
TRIES = 60

# Height of the centre and silhouette area, for a solid of radius 1; the area is
# that of the view from the camera, and needs to be right to a tenth or so.
CENTRE = {"cube": math.sqrt(0.5), "sphere": 1.0, "triangle": 1.75 / 4}
SILHOUETTE = {"cube": 3.3, "sphere": math.pi, "triangle": 2.0}


@dataclass(frozen=True)
class Solid:
    """One object: words, degrees about the vertical, and its centre."""

    shape: str
    size: str
    color: str
    rotation: float
    centre: tuple[float, float, float]

    @property
    def radius(self) -> float:
        return SIZES[self.size]


@dataclass(frozen=True)
class Camera:
    """A pinhole at `origin` that looks at the world's origin."""

    origin: tuple[float, float, float]

    def axes(self) -> Vector:
        """Rows: right, down, forward."""
        forward = -np.asarray(self.origin) / math.dist(self.origin, (0, 0, 0))
        right = np.cross(forward, (0.0, 0.0, 1.0))
        right /= np.linalg.norm(right)
        return np.stack([right, np.cross(forward, right), forward])

    def project(self, point: Vector, size: ImageSize) -> Vector:
        """World point to (x, y, depth): pixels from the top left corner."""
        right, down, depth = self.axes() @ (point - np.asarray(self.origin))
        scale = focal(size) / depth
        return np.array(
            [size[1] / 2 + scale * right, size[0] / 2 + scale * down, depth]
        )

    def unproject(self, x: float, y: float, height: float, size: ImageSize) -> Vector:
        """The point of the plane z = height that pixel (x, y) sees."""
        pixel = np.array([x - size[1] / 2, y - size[0] / 2, focal(size)])
        ray = pixel @ self.axes()
        origin = np.asarray(self.origin)
        point: Vector = origin + ray * (height - origin[2]) / ray[2]
        return point


@dataclass(frozen=True)
class Scene:
    """Everything the renderer needs."""

    camera: Camera
    lights: tuple[tuple[float, float, float], ...]
    solids: tuple[Solid, ...]


def focal(size: ImageSize) -> float:
    """Focal length in pixels; the field of view is that of the shorter side."""
    return min(size) / 2 / math.tan(math.radians(FIELD_OF_VIEW / 2))


def random_scene(rng: np.random.Generator, size: ImageSize, count: int) -> Scene:
    """A scene of `count` solids that leave a gap and lie inside the frame.

    Only `rng.random()` is drawn from, the one method whose stream NumPy is
    least likely to change.
    """
    while True:
        camera = Camera(_jitter(rng, CAMERA, CAMERA_JITTER))
        lights = tuple(_jitter(rng, light, LIGHT_JITTER) for light in LIGHTS)
        solids: list[Solid] = []
        for _ in range(TRIES * count):
            solid = _random_solid(rng, camera, size)
            if _fits(solid, solids, camera, size):
                solids.append(solid)
            if len(solids) == count:
                return Scene(camera, lights, tuple(solids))


def _jitter(
    rng: np.random.Generator, point: tuple[float, float, float], amount: float
) -> tuple[float, float, float]:
    x, y, z = (value + amount * (2 * rng.random() - 1) for value in point)
    return x, y, z


def _random_solid(rng: np.random.Generator, camera: Camera, size: ImageSize) -> Solid:
    """Uniform words, and a centre uniform over the *image*: all quadrants fill."""
    shape, word, colour = (
        names[int(rng.random() * len(names))]
        for names in (SHAPES, tuple(SIZES), tuple(COLOURS))
    )
    rotation = 360 * rng.random()
    x, y = rng.random() * size[1], rng.random() * size[0]
    centre = camera.unproject(x, y, CENTRE[shape] * SIZES[word], size)
    position = (float(centre[0]), float(centre[1]), float(centre[2]))
    return Solid(shape, word, colour, rotation, position)


def _fits(solid: Solid, others: list[Solid], camera: Camera, size: ImageSize) -> bool:
    x, y, depth = camera.project(np.asarray(solid.centre), size)
    reach = solid.radius * focal(size) / depth
    inside = reach <= x <= size[1] - reach and reach <= y <= size[0] - reach
    return inside and all(
        math.dist(solid.centre[:2], other.centre[:2])
        >= solid.radius + other.radius + MINIMUM_GAP
        for other in others
    )
