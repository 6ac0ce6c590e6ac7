"""Which condition an image is asked for."""

import hashlib
from collections.abc import Sequence

import numpy as np

PAIRS = ("fixed", "fresh", "all")
DRAWS, TRIES = 150, 101


def fixed_condition(present: Sequence[bool], rng: np.random.Generator) -> int:
    """The paper's rule: the mode of 150 draws, again until its mask has a pixel.

    Args:
        present: for each condition, whether its mask has a pixel.
        rng: the image's own generator.

    Returns:
        A condition. After 101 tries without a pixel, the last one.
    """
    for _ in range(TRIES):
        draws = (rng.random(DRAWS) * len(present)).astype(int)
        # argmax takes the first of equals: ties go to the lower condition.
        condition = int(np.argmax(np.bincount(draws, minlength=len(present))))
        if present[condition]:
            break
    return condition


def fresh_condition(present: Sequence[bool], rng: np.random.Generator) -> int:
    """A uniform draw among the conditions that have a pixel.

    Args:
        present: for each condition, whether its mask has a pixel.
        rng: the generator of the image and epoch.

    Returns:
        A condition; any one, where none has a pixel.
    """
    choices = np.flatnonzero(present) if any(present) else np.arange(len(present))
    return int(choices[int(rng.random() * len(choices))])


def generator(seed: int, name: str, *more: int) -> np.random.Generator:
    """Draws that the image's name fixes: no other image, nor the order, matters."""
    digest = hashlib.sha256(name.encode()).digest()
    words = [seed, int.from_bytes(digest[:8], "big"), *more]
    return np.random.default_rng(np.random.SeedSequence(words))
