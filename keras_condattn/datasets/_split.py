"""Which images train, which validate and which test."""

import hashlib
from collections.abc import Sequence

SPLITS = ("train", "validation", "test")

# 70 / 10 / 20 per cent of any ten in a row.
_DEAL = (
    *("train", "train", "test", "train", "train"),
    *("validation", "train", "train", "test", "train"),
)


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
