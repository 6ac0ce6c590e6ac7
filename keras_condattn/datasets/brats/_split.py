"""Which patients train, which validate and which test."""

from collections.abc import Sequence

from keras_condattn.datasets._split import by_fold, rank

PROTOCOLS = ("folds", "leave_one_out")
FOLDS = 5


def deal(
    patients: Sequence[str], protocol: str, fold: int, seed: int
) -> dict[str, str]:
    """The split of each patient, `"train"`, `"validation"` or `"test"`.

    Args:
        patients: their ids.
        protocol: `"folds"`: in an order drawn from the seed they are dealt to five
            folds in turn; `fold` tests and one in eight of the rest validates.
            `"leave_one_out"`: in that order, number `fold` tests, the next one
            validates and all others train.
        fold: 0 to 4, or to the number of patients - 1.
        seed: of the order.

    Raises:
        ValueError: for a fold that there is not, or fewer than three patients.
    """
    last = (len(patients) if protocol == "leave_one_out" else FOLDS) - 1
    if fold > last:
        raise ValueError(
            f"fold of protocol={protocol!r} must be from 0 to {last}, got {fold}"
        )
    if len(patients) < 3:
        raise ValueError(
            f"split needs three patients, to train, validate and test, found "
            f"{len(patients)}"
        )
    if protocol == "leave_one_out":
        order = sorted(patients, key=lambda patient: rank(patient, seed))
        split = dict.fromkeys(order, "train")
        split[order[(fold + 1) % len(order)]] = "validation"
        return split | {order[fold]: "test"}
    return by_fold(patients, dict.fromkeys(patients, ""), seed, FOLDS, fold)
