"""Roughly where the lungs of a frontal chest radiograph are."""

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]

# One ellipse a lung, as fractions of the width and height: centres across, centre
# down, half-axes. Set by eye on the mean of 466 frontal radiographs.
CENTRES = (0.31, 0.69)
MIDDLE = 0.45
HALF_AXES = (0.14, 0.28)

# The share of an ellipse's cells, by darkness, that counts as lung: lighter is heart,
# diaphragm or opacity; the darkest is often air beside the neck.
AIR, LEAST, MOST = 0.05, 0.25, 0.65
TAILS = (0.05, 0.95)
CELLS = 48


def lung_field(image: Image) -> Mask:
    """A rough field of the lungs: the darker part of two ellipses.

    ```
    ellipse:  ((x - 0.31) / 0.14)^2 + ((y - 0.45) / 0.28)^2 <= 1, and with 0.69
    field  =  of each ellipse, its cells from the 5th to the 100 s th percentile of grey
    s      =  share of its cells at most m, but no less than 0.25 or more than 0.65
    m      =  (P5 + P95) / 2 of the cells of both ellipses
    ```

    x and y are fractions of the width and height, and cells those of a 48 x 48 grid
    over the image, each the mean of its pixels. A prior with a look at the image, and
    no segmentation: it holds for upright frontal views in which lungs are dark, and
    can take in ribs, the hila or the edge of the heart.

    Args:
        image: (H, W), air dark and bone bright, at least 48 pixels a side.

    Returns:
        (48, 48), true in the field. Each ellipse keeps some of its cells.

    Raises:
        ValueError: for an image of another shape, or smaller.

    Example:

    >>> dark = np.ones((96, 96), "float32"); dark[20:70, 20:40] = 0.2
    >>> keras_condattn.datasets.nodules.lung_field(dark).shape
    (48, 48)
    """
    if image.ndim != 2 or min(image.shape) < CELLS:
        raise ValueError(
            f"image must be (H, W) of at least {CELLS} x {CELLS} pixels, got shape "
            f"{image.shape}"
        )
    grey, field = _cells(image), np.zeros((CELLS, CELLS), bool)
    y, x = cell_centres()
    lungs = in_lung(x, y)
    middle = np.quantile(grey[lungs >= 0], TAILS).mean()
    for lung in (0, 1):
        inside = np.flatnonzero(lungs == lung)
        # By rank, so that a share is kept however many cells are equally grey.
        ranked = inside[np.argsort(grey.flat[inside], kind="stable")]
        share = np.clip((grey.flat[inside] <= middle).mean(), LEAST, MOST)
        field.flat[ranked[int(AIR * len(ranked)) : int(share * len(ranked))]] = True
    return field


def lung_spread(image: Image) -> float:
    """P95 - P5 of the grey levels of the cells within both ellipses."""
    y, x = cell_centres()
    low, high = np.quantile(_cells(image)[in_lung(x, y) >= 0], TAILS)
    return float(high - low)


def cell_centres() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """y and x of the cells, as fractions of height and width."""
    y, x = (np.indices((CELLS, CELLS)) + 0.5) / CELLS
    return y, x


def in_lung(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.int64]:
    """0 or 1, the ellipse in which a point lies; -1 for neither."""
    lung = np.full(np.shape(x), -1)
    for number, centre in enumerate(CENTRES):
        across, down = (x - centre) / HALF_AXES[0], (y - MIDDLE) / HALF_AXES[1]
        lung[across**2 + down**2 <= 1] = number
    return lung


def _cells(image: Image) -> NDArray[np.float64]:
    """The mean of each cell."""
    rows, columns = ((np.arange(CELLS) * n) // CELLS for n in image.shape)
    sums = np.add.reduceat(np.add.reduceat(image, rows, 0, "float64"), columns, 1)
    heights, widths = (
        np.diff([*starts, n])
        for starts, n in zip((rows, columns), image.shape, strict=True)
    )
    return np.asarray(sums / np.outer(heights, widths))
