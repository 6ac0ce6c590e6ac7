"""What a drawn radiograph shows: a chest of ellipses, arcs and lines."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float64]

AIR, SOFT, LUNG = 0.04, 0.72, 0.30
RIBS = 9
VESSELS = 14
NOISE = 0.012


@dataclasses.dataclass(frozen=True)
class Chest:
    """The coordinates of a chest, fractions of width and height, drawn at random.

    Args:
        x, y: of every pixel, in the chest's own frame: moved, turned and stretched.
        rng: what decides.
    """

    x: Grey
    y: Grey
    rng: np.random.Generator

    @classmethod
    def draw(cls, size: int, rng: np.random.Generator) -> "Chest":
        """A chest on a grid of size x size pixels."""
        down, right = (np.indices((size, size)) + 0.5) / size - 0.5
        angle, zoom = rng.normal(0, 0.02), rng.uniform(0.95, 1.05, 2)
        x = 0.5 + (right + angle * down) / zoom[0] + rng.normal(0, 0.01)
        y = 0.5 + (down - angle * right) / zoom[1] + rng.normal(0, 0.01)
        return cls(x, y, rng)

    def image(self) -> NDArray[np.float32]:
        """(size, size) in [0, 1]: air dark, bone bright."""
        grey = AIR + SOFT * self._soft(self._ellipse(0.5, 0.62, 0.46, 0.72), 0.03)
        heart = self._heart()
        lungs = self._lungs() * (1 - 0.85 * heart)
        grey -= (SOFT - LUNG) * lungs
        grey += lungs * (self._vessels() + 0.05 * self._cloud(6))
        grey += 0.06 * heart + 0.10 * self._spine()
        grey += self._ribs() + self._clavicles()
        grey = self.rng.uniform(0.9, 1.1) * grey + 0.03 * self._cloud(3)
        grey += self.rng.normal(0, NOISE, grey.shape)
        return grey.clip(0, 1).astype("float32")

    def _lungs(self) -> Grey:
        """1 in the lungs: an ellipse each, cut off by the dome of the diaphragm."""
        found = np.zeros_like(self.x)
        for centre in (0.31, 0.69):
            across, tall = self.rng.normal(0.15, 0.006), self.rng.normal(0.31, 0.01)
            lung = self._soft(self._ellipse(centre, 0.44, across, tall), 0.04)
            dome = self._ellipse(centre, self.rng.normal(0.86, 0.01), 0.2, 0.17)
            found = np.maximum(found, lung * (1 - self._soft(dome, 0.05)))
        return found

    def _heart(self) -> Grey:
        width = self.rng.uniform(0.11, 0.15)
        body = self._soft(self._ellipse(0.55, 0.60, width, 0.14), 0.08)
        vessels = self._soft(self._ellipse(0.51, 0.40, 0.055, 0.2), 0.15)
        return np.maximum(body, vessels)

    def _spine(self) -> Grey:
        discs = 1 + 0.15 * np.sin(2 * np.pi * self.y * 16)
        column: Grey = np.exp(-(((self.x - 0.5) / 0.035) ** 4)) * discs
        return column

    def _ribs(self) -> Grey:
        """Behind, ribs fall away from the spine; in front, they rise to the sides."""
        ribs, side = np.zeros_like(self.x), np.abs(self.x - 0.5)
        chest = self._soft(self._ellipse(0.5, 0.52, 0.36, 0.44), 0.1)
        for number in range(RIBS):
            top = 0.12 + 0.065 * number + self.rng.normal(0, 0.003)
            behind = top + 0.9 * (side - 0.16) ** 2 + 0.05 * side
            front = top + 0.08 + 0.28 * (0.3 - side)
            for line, strength, width in ((behind, 0.07, 0.009), (front, 0.04, 0.012)):
                # Brightest where the rays pass along the rib's edges.
                away = np.abs(self.y - line) / width
                ribs += strength * np.exp(-((away - 0.6) ** 2) * 2)
        return ribs * chest * (side > 0.04)

    def _clavicles(self) -> Grey:
        side = np.abs(self.x - 0.5)
        line = 0.17 - 0.12 * (side - 0.05) + self.rng.normal(0, 0.005)
        bone: Grey = np.exp(-(((self.y - line) / 0.014) ** 4))
        return 0.14 * bone * (side > 0.04) * (side < 0.36)

    def _vessels(self) -> Grey:
        """Lines from the hila outwards, thinner as they go."""
        found = np.zeros_like(self.x)
        for side in (-1, 1):
            for _ in range(VESSELS):
                angle, bend = self.rng.uniform(-1.3, 1.3), self.rng.normal(0, 1.5)
                length = self.rng.uniform(0.12, 0.3)
                cos, sin = np.cos(angle), np.sin(angle)
                across, down = side * (self.x - 0.5) - 0.08, self.y - 0.47
                along = across * cos + down * sin
                beside = down * cos - across * sin - bend * along**2
                left = np.clip(1 - along / length, 0, 1) * (along > 0)
                line = left * np.exp(-((beside / (0.002 + 0.006 * left)) ** 2))
                found = np.maximum(found, 0.16 * line)
        return found

    def _cloud(self, cells: int) -> Grey:
        """Smooth noise of about unit size."""
        grid = self.rng.normal(size=(cells + 1, cells + 1))
        # Smooth steps between the values of a grid.
        at = [np.clip(v, 0, 1 - 1e-9) * cells for v in (self.y, self.x)]
        low = [v.astype(int) for v in at]
        t, u = ((v - w) ** 2 * (3 - 2 * (v - w)) for v, w in zip(at, low, strict=True))
        i, j = low
        top = grid[i, j] * (1 - u) + grid[i, j + 1] * u
        bottom = grid[i + 1, j] * (1 - u) + grid[i + 1, j + 1] * u
        smooth: Grey = top * (1 - t) + bottom * t
        return smooth

    def _ellipse(self, x: float, y: float, across: float, down: float) -> Grey:
        """1 on the ellipse, below inside."""
        return np.hypot((self.x - x) / across, (self.y - y) / down)

    @staticmethod
    def _soft(radius: Grey, edge: float) -> Grey:
        """1 where the radius is below 1, 0 where it is above, with a soft edge."""
        step: Grey = 1 / (1 + np.exp(np.clip((radius - 1) / edge, -50, 50)))
        return step
