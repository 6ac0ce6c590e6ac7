"""A drawn head: tissue, lesions, and what only looks like one."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
# Levels of grey matter, white matter and fluid.
TISSUE = {"flair": (1.0, 0.84, 0.3), "t1ce": (0.74, 1.0, 0.34)}
# Share of lesions that the second modality hardly shows.
FAINT = 0.3
APART = 14.0


@dataclasses.dataclass(frozen=True)
class Blob:
    """An ellipsoid in mm from the volume's centre.

    Attributes:
        centre: (z, y, x).
        radii: likewise.
        kind: `"rim"` or `"faint"` for lesions, `"flair"`, `"t1ce"` or `"ring"` for
            what only one modality shows.
        strength: 1 is the usual contrast.
    """

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    kind: str
    strength: float

    def depth(self, grid: Array) -> Array:
        """mm inside of its surface, roughly; negative outside."""
        unit = (grid - _column(self.centre)) / _column(self.radii)
        return np.asarray((1 - np.sqrt((unit**2).sum(0))) * min(self.radii[1:]))


@dataclasses.dataclass(frozen=True)
class Head:
    """A brain and all that is in it; lengths in mm.

    Attributes:
        radii: of the brain, (z, y, x).
        lesions: what the mask shows.
        others: what it does not.
    """

    radii: tuple[float, float, float]
    lesions: tuple[Blob, ...]
    others: tuple[Blob, ...]

    @classmethod
    def draw(cls, height: float, rng: np.random.Generator) -> "Head":
        """A head that fills a volume of this height."""
        radii = (0.62 * height, rng.uniform(74, 84), rng.uniform(62, 70))
        kind = "faint" if rng.random() < FAINT else "rim"
        half = rng.uniform(0.2, 0.3) * height
        first = _placed(radii, (half, *rng.uniform(13, 23, 2)), kind, (), rng)
        lesions = [first]
        if rng.random() < 0.35:
            # In the same slices, so that half of them stay without any.
            small = _placed(radii, (0.5 * half, *rng.uniform(8, 12, 2)), kind, lesions,
                            rng, first.centre[0])  # fmt: skip
            lesions.append(small)
        others: list[Blob] = []
        for kind, number, size in (
            ("flair", 4, (5, 9)), ("t1ce", 4, (3, 6)), ("ring", 3, (6, 10)),
        ):  # fmt: skip
            for _ in range(number):
                shape = (rng.uniform(0.08, 0.2) * height, *rng.uniform(*size, 2))
                others.append(_placed(radii, shape, kind, lesions + others, rng))
        return cls(radii, tuple(lesions), tuple(others))


def show(
    head: Head, grid: Array, spacing: tuple[float, float, float],
    rng: np.random.Generator,
) -> dict[str, Array]:  # fmt: skip
    """Both modalities (uint16) and the mask `"seg"`, (D, H, W).

    Args:
        head: what is shown.
        grid: (3, D, H, W), mm from the centre.
        spacing: of it.
        rng: draws shapes, textures and noise.
    """

    def texture(length: float) -> Array:
        return _smooth(grid.shape[1:], spacing, length, rng)

    unit = grid / _column(head.radii)
    depth = (1 - np.sqrt((unit**2).sum(0))) * min(head.radii[1:]) + 1.5 * texture(12)
    brain = depth > 0
    white = _step(depth - 11 + 5 * texture(7), 1.5)
    lesions = [blob.depth(grid) + 2.2 * texture(6) for blob in head.lesions]
    mask = brain & (np.max(lesions, 0) > 0)
    found = {"seg": mask.astype("uint8")}
    fluid = _ventricles(head, grid, texture(8)) * ~mask
    for modality, (grey, bright, csf) in TISSUE.items():
        level = grey + white * (bright - grey) + 0.035 * texture(3)
        level += fluid * (csf - level)
        for blob, inside in zip(head.lesions, lesions, strict=True):
            level += blob.strength * _lesion(blob, inside, modality, texture(2.5))
        for blob in head.others:
            level += blob.strength * _other(blob, grid, modality)
        level *= np.exp(0.1 * texture(60))
        real, imaginary = rng.normal(0, 0.045, (2, *level.shape))
        image = rng.uniform(350, 1200) * np.hypot(level + real, imaginary)
        # The skull is stripped, and nothing within is 0.
        found[modality] = (brain * image.clip(1, 65535).round()).astype("uint16")
    return found


def _lesion(blob: Blob, depth: Array, modality: str, texture: Array) -> Array:
    if modality == "flair":
        # Bright, with a border that one could draw here or there.
        return _step(depth, 2.6) * (0.5 + 0.1 * texture)
    if blob.kind == "faint":
        return 0.05 * _step(depth, 2.6)
    return 0.55 * _ring(depth - 2, 1.6) - 0.3 * _step(depth - 5, 1.2)


def _other(blob: Blob, grid: Array, modality: str) -> Array:
    """What the other modality refutes: sharp and even where lesions are not."""
    if blob.kind == "flair" and modality == "flair":
        return 0.5 * _step(blob.depth(grid), 0.5)
    if blob.kind == "t1ce" and modality == "t1ce":
        return 0.55 * _step(blob.depth(grid), 0.5)
    if blob.kind == "ring" and modality == "t1ce":
        return 0.55 * _ring(blob.depth(grid) - 2, 1.6)
    return np.zeros(grid.shape[1:])


def _ventricles(head: Head, grid: Array, texture: Array) -> Array:
    """Share of fluid: two horns beside the midline."""
    height, length, width = (0.35 * head.radii[0], 0.36 * head.radii[1], 6.0)
    horns = [
        Blob((0.0, -4.0, side * 9.0), (height, length, width), "", 1.0).depth(grid)
        for side in (-1, 1)
    ]
    return _step(np.max(horns, 0) + 0.8 * texture, 0.7)


def _placed(
    brain: tuple[float, float, float], radii: tuple[float, ...], kind: str,
    others: Any, rng: np.random.Generator, height: float | None = None,
) -> Blob:  # fmt: skip
    """A blob inside the brain, away from the others as far as there is room."""
    best: tuple[float, Blob] | None = None
    for _ in range(20):
        unit = rng.uniform(-1, 1, 3) * (0.55, 0.85, 0.85)
        room = 1 - 1.1 * max(radii[1:]) / min(brain[1:])
        unit[1:] *= room / max(np.hypot(*unit[1:]), room)
        centre = unit * brain
        if height is not None:
            centre[0] = height
        strength = rng.uniform(0.85, 1.15)
        blob = Blob((centre[0], centre[1], centre[2]), (radii[0], radii[1], radii[2]),
                    kind, strength)  # fmt: skip
        gap = min((_gap(blob, other) for other in others), default=APART)
        if best is None or gap > best[0]:
            best = gap, blob
        if gap >= APART:
            break
    return best[1] if best else blob


def _gap(one: Blob, other: Blob) -> float:
    """mm between two blobs seen from above, where slices may show both."""
    if abs(one.centre[0] - other.centre[0]) > one.radii[0] + other.radii[0]:
        return APART
    apart = np.hypot(*np.subtract(one.centre[1:], other.centre[1:]))
    return float(apart - max(one.radii[1:]) - max(other.radii[1:]))


def _step(depth: Array, soft: float) -> Array:
    """From 0 outside to 1 inside, over about four times `soft` mm."""
    return np.asarray(0.5 + 0.5 * np.tanh(depth / (2 * soft)))


def _ring(depth: Array, soft: float) -> Array:
    return np.asarray(np.exp(-((depth / soft) ** 2) / 2))


def _smooth(
    shape: tuple[int, ...], spacing: tuple[float, float, float], length: float,
    rng: np.random.Generator,
) -> Array:  # fmt: skip
    """Noise of mean 0 and standard deviation 1, smooth over `length` mm."""
    waves = np.fft.rfftn(rng.standard_normal(shape))
    for axis, (count, step) in enumerate(zip(shape, spacing, strict=True)):
        last = axis == len(shape) - 1
        frequency = (np.fft.rfftfreq if last else np.fft.fftfreq)(count, step)
        kernel = np.exp(-2 * (np.pi * length * frequency) ** 2)
        waves = waves * kernel.reshape([-1 if a == axis else 1 for a in range(3)])
    waves[0, 0, 0] = 0
    noise = np.fft.irfftn(waves, shape, (0, 1, 2))
    return np.asarray(noise / max(float(noise.std()), 1e-12))


def _column(values: Any) -> Array:
    return np.reshape(np.asarray(values), (3, 1, 1, 1))
