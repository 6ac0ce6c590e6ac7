"""Which patients train, which validate and which test."""

from collections.abc import Mapping

from keras_condattn.datasets._split import SPLITS as SPLITS
from keras_condattn.datasets._split import by_fold
from keras_condattn.datasets._split import folds as folds_of

PROTOCOLS = ("stratified", "blocks", "official")
FOLDS = 5
BLOCK = 20


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
        folds = folds_of(train, groups, seed, FOLDS)
        split = {p: ("train", "validation")[folds[p] == fold] for p in train}
        split |= {p: "test" for p in leaders if parts[p] == "testing"}
    else:
        split = by_fold(leaders, groups, seed, FOLDS, fold)
    return split | {twin: split[leader] for twin, leader in twins.items()}


def _block(patient: str) -> int:
    return (int(patient[-3:]) - 1) // BLOCK
