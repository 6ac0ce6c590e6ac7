"""Which images or patients train, which validate and which test."""

import hashlib
from collections.abc import Mapping, Sequence

SPLITS = ("train", "validation", "test")
# Of the patients that are not in the test fold, one in eight validates.
VALIDATION = 8

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

    def order(index: int) -> tuple[str, str]:
        return str(strata[index]), rank(ids[index], seed)

    splits = [""] * len(ids)
    for place, index in enumerate(sorted(range(len(ids)), key=order)):
        splits[index] = _DEAL[place % len(_DEAL)]
    return splits


def subset(patients: Sequence[str], groups: Mapping[str, str], share: float, seed: int
           ) -> list[str]:  # fmt: skip
    """A share of the patients, drawn by the seed, the groups taken in turn.

    Smaller shares of one seed are parts of larger ones.
    """
    queues: dict[str, list[str]] = {}
    for patient in sorted(patients, key=lambda p: rank(p, seed)):
        queues.setdefault(groups[patient], []).append(patient)
    turn = sorted(queues, key=lambda group: rank(group, seed))
    order = [
        queues[group][place]
        for place in range(len(patients))
        for group in turn
        if place < len(queues[group])
    ]
    return order[: max(round(share * len(patients)), 1)]


def folds(
    patients: Sequence[str], groups: Mapping[str, str], seed: int, count: int
) -> dict[str, int]:
    """The fold of each patient, 0 to count - 1; each group is spread evenly."""
    # One group after another, so that neither a group nor the whole is uneven.
    order = sorted(patients, key=lambda p: (groups[p], rank(p, seed)))
    return {patient: place % count for place, patient in enumerate(order)}


def by_fold(
    patients: Sequence[str], groups: Mapping[str, str], seed: int, count: int, fold: int
) -> dict[str, str]:
    """The split of each patient: one of `count` folds tests, of the rest some validate.

    Args:
        patients: their ids.
        groups: the group of each, spread evenly over the folds.
        seed: of the order in which they are dealt.
        count: of folds.
        fold: the one that tests. Of the others one patient in eight validates.
    """
    outer = folds(patients, groups, seed, count)
    rest = [patient for patient in patients if outer[patient] != fold]
    inner = folds(rest, groups, seed, VALIDATION)
    split = dict.fromkeys(patients, "test")
    return split | {p: ("train", "validation")[inner[p] == 0] for p in rest}


def rank(name: str, seed: int) -> str:
    """A permutation that no library version changes."""
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()
