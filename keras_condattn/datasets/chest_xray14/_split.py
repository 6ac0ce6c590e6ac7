"""Which radiographs train, which validate and which test."""

import collections
import pathlib
import warnings
from collections.abc import Sequence

from keras_condattn.datasets._split import SPLITS as SPLITS
from keras_condattn.datasets._split import deal
from keras_condattn.datasets.chest_xray14._files import find_lists
from keras_condattn.datasets.chest_xray14._table import Entry, read_names

PROTOCOLS = ("random", "official", "nih_labels")

_FOLDS = {"train": "train", "val": "validation", "validation": "validation",
          "test": "test"}  # fmt: skip


def divide(
    entries: Sequence[Entry], protocol: str, root: pathlib.Path, seed: int
) -> tuple[list[str], dict[str, str]]:
    """The split of each entry, "" where the protocol has none; and why, by name."""
    if protocol == "nih_labels":
        splits, why = _by_fold(entries)
    elif protocol == "official":
        splits, why = _by_list(entries, root, seed)
    else:
        dealt = _dealt(entries, seed)
        splits, why = [dealt[entry.patient] for entry in entries], ""
    _warn_of_shared_patients(entries, splits, protocol)
    outside = {
        entry.name: why for entry, s in zip(entries, splits, strict=True) if not s
    }
    return splits, outside


def _by_fold(entries: Sequence[Entry]) -> tuple[list[str], str]:
    splits = [_FOLDS.get(entry.fold.lower(), "") for entry in entries]
    return splits, "its column 'fold' is none of train, val, test"


def _by_list(
    entries: Sequence[Entry], root: pathlib.Path, seed: int
) -> tuple[list[str], str]:
    learn, test = (read_names(path) for path in find_lists(root))
    dealt = _dealt([entry for entry in entries if entry.name in learn], seed)
    splits = []
    for entry in entries:
        if entry.name in test:
            splits.append("test")
        elif entry.name in learn:
            held_out = dealt[entry.patient] == "validation"
            splits.append("validation" if held_out else "train")
        else:
            splits.append("")
    return splits, "in neither train_val_list.txt nor test_list.txt"


def _dealt(entries: Sequence[Entry], seed: int) -> dict[str, str]:
    """70 / 10 / 20 per cent of the patients, by each one's rarest finding."""
    findings: dict[str, set[int]] = {}
    for entry in entries:
        findings.setdefault(entry.patient, set()).update(entry.findings)
    count = collections.Counter(f for found in findings.values() for f in found)
    patients = sorted(findings)
    rarest = [
        min((count[f], f) for f in findings[p])[1] if findings[p] else -1
        for p in patients
    ]
    return dict(zip(patients, deal(patients, rarest, seed), strict=True))


def _warn_of_shared_patients(
    entries: Sequence[Entry], splits: Sequence[str], protocol: str
) -> None:
    """Published divisions are taken as they are, but not in silence."""
    where: dict[str, set[str]] = {}
    for entry, split in zip(entries, splits, strict=True):
        if split:
            where.setdefault(entry.patient, set()).add(split)
    train_val = {"train", "validation"}
    shared = [p for p, s in where.items() if "test" in s and s & train_val]
    if shared:
        warnings.warn(
            f"protocol={protocol!r}: {len(shared)} of {len(where)} patients have "
            "images on both sides of the test split, so its numbers flatter; "
            "protocol='random' keeps patients apart",
            stacklevel=4,
        )
