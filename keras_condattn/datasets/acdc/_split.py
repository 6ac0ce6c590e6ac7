"""Which patients train, which validate and which test."""

import hashlib
from collections.abc import Mapping, Sequence

SPLITS = ("train", "validation", "test")
PROTOCOLS = ("stratified", "blocks", "official")
FOLDS = 5
BLOCK = 20
# Of the patients that are not in the test fold, one in eight validates.
VALIDATION = 8


def deal(
    groups: Mapping[str, str],
    twins: Mapping[str, str],
    parts: Mapping[str, str],
    protocol: str,
    fold: int,
    seed: int,
) -> dict[str, str]:
    """The split of each patient.

    Args:
        groups: the group of each patient.
        twins: for a patient whose images are those of another: that other. Both go
            where the other goes, so no image is on two sides.
        parts: `"training"` or `"testing"`, where each patient was found.
        protocol: `"stratified"`: patients of a group, in an order drawn from the
            seed, are dealt to five folds in turn; `fold` tests and one in eight of
            the rest validates. `"blocks"`: patients 20 `fold` + 1 to 20 `fold` + 20
            test and all others train, as in the scribble literature; nothing
            validates. `"official"`: the challenge's testing part tests; of its
            training part one fold in turn of `"stratified"` validates.
        fold: 0 to 4.
        seed: of the order.

    Returns:
        One of `SPLITS` for each patient.
    """
    leaders = [patient for patient in groups if patient not in twins]
    if protocol == "blocks":
        split = {p: ("train", "test")[_block(p) == fold] for p in leaders}
    elif protocol == "official":
        train = [p for p in leaders if parts[p] == "training"]
        folds = _folds(train, groups, seed, FOLDS)
        split = {p: ("train", "validation")[folds[p] == fold] for p in train}
        split |= {p: "test" for p in leaders if parts[p] == "testing"}
    else:
        folds = _folds(leaders, groups, seed, FOLDS)
        rest = [p for p in leaders if folds[p] != fold]
        inner = _folds(rest, groups, seed, VALIDATION)
        split = {p: "test" for p in leaders}
        split |= {p: ("train", "validation")[inner[p] == 0] for p in rest}
    return split | {twin: split[leader] for twin, leader in twins.items()}


def subset(patients: Sequence[str], groups: Mapping[str, str], share: float, seed: int
           ) -> list[str]:  # fmt: skip
    """A share of the patients, drawn by the seed, the groups taken in turn.

    Smaller shares of one seed are parts of larger ones.
    """
    queues: dict[str, list[str]] = {}
    for patient in sorted(patients, key=lambda p: _rank(p, seed)):
        queues.setdefault(groups[patient], []).append(patient)
    turn = sorted(queues, key=lambda group: _rank(group, seed))
    order = [
        queues[group][place]
        for place in range(len(patients))
        for group in turn
        if place < len(queues[group])
    ]
    return order[: max(round(share * len(patients)), 1)]


def _folds(
    patients: Sequence[str], groups: Mapping[str, str], seed: int, folds: int
) -> dict[str, int]:
    # One group after another, so that neither a group nor the whole is uneven.
    order = sorted(patients, key=lambda p: (groups[p], _rank(p, seed)))
    return {patient: place % folds for place, patient in enumerate(order)}


def _rank(name: str, seed: int) -> str:
    """A permutation that no library version changes."""
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()


def _block(patient: str) -> int:
    return (int(patient[-3:]) - 1) // BLOCK
