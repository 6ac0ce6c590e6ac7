"""Which images train, which validate and which test."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keras_condattn.datasets.dsb2018._read import LUMINANCE

SPLITS = ("train", "validation", "test")
MODALITIES = ("fluorescence", "brightfield")

# 70 / 10 / 20 per cent of any ten in a row.
_DEAL = (
    *("train", "train", "test", "train", "train"),
    *("validation", "train", "train", "test", "train"),
)

BRIGHT_BACKGROUND = 0.25


def modality_of(image: NDArray[np.float32]) -> str:
    """Brightfield where the median luminance exceeds a quarter of full scale.

    Fluorescence is bright nuclei on black, brightfield dark nuclei on a bright
    ground; the median pixel is ground in both.
    """
    grey = image @ LUMINANCE if image.shape[-1] == 3 else image[..., 0]
    return MODALITIES[int(np.median(grey) > BRIGHT_BACKGROUND)]


def deal(ids: Sequence[str], strata: Sequence[object], seed: int) -> list[str]:
    """The split of each id: 70 / 10 / 20 per cent of each stratum, within one image.

    The ids of a stratum are ordered by the SHA-256 of `"seed/id"`, a permutation
    that no library version changes; the strata, one after another, are dealt in
    tens: seven to train, one to validation, two to test.

    Args:
        ids: of the images, in any order.
        strata: the kind of each of them.
        seed: of the permutation.

    Returns:
        One of `SPLITS` for each id.
    """

    def rank(index: int) -> tuple[str, str]:
        digest = hashlib.sha256(f"{seed}/{ids[index]}".encode()).hexdigest()
        return str(strata[index]), digest

    splits = [""] * len(ids)
    for place, index in enumerate(sorted(range(len(ids)), key=rank)):
        splits[index] = _DEAL[place % len(_DEAL)]
    return splits
