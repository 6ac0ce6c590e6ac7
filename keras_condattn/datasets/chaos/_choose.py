"""Which volumes are read, and whose."""

from collections.abc import Sequence

from keras_condattn.datasets._arguments import check_some
from keras_condattn.datasets._split import by_fold
from keras_condattn.datasets._volumes import Seen
from keras_condattn.datasets.chaos._files import SEQUENCES, Case
from keras_condattn.datasets.chaos._read import read
from keras_condattn.datasets.chaos._source import MR

Found = dict[str, list[tuple[Case, Seen]]]


def cases_of(
    cases: dict[str, list[Case]], sequences: Sequence[str] | None
) -> dict[str, list[Case]]:
    """The volumes that are asked for, of each patient of that kind."""
    names = _names(
        {case.sequence for listed in cases.values() for case in listed}, sequences
    )
    # Folders of MR and of CT have the same numbers, and other people.
    kind = MR if names[0] in MR else names
    return {
        patient: [case for case in listed if case.sequence in names]
        for patient, listed in cases.items()
        if any(case.sequence in kind for case in listed)
    }


def _names(there: set[str], sequences: Sequence[str] | None) -> Sequence[str]:
    """The sequences to read; "" stands for NIfTI files."""
    published = [name for name in SEQUENCES if name in there]
    if sequences is None:
        if "" in there and published:
            raise ValueError(
                f"root holds NIfTI files and DICOM folders ({', '.join(published)}); "
                "give the folder of one, or name sequences"
            )
        return [name for name in published if name in MR] or published or [""]
    check_some(SEQUENCES, sequences=sequences)
    if "CT" in sequences and len(sequences) > 1:
        raise ValueError(
            "sequences: CT has other patients and the liver alone; load it alone, got "
            f"{sequences!r}"
        )
    if not there & set(sequences):
        raise ValueError(
            f"sequences: there is none of {tuple(sequences)} below root; found "
            f"{', '.join(published) or 'NIfTI files, which do not say what they are'}"
        )
    return sequences


def check_facts(cases: dict[str, list[Case]], facts: Sequence[str]) -> None:
    """Raises ValueError where a sequence is to steer that no file says."""
    names = {case.sequence for listed in cases.values() for case in listed}
    if "sequence" in facts and not names <= set(MR):
        raise ValueError("conditioning: 'sequence' is known of the MR folders alone")


def look(
    cases: dict[str, list[Case]], required: Sequence[str], labels: bool
) -> tuple[Found, dict[str, str]]:
    """The volumes of each patient, and why others cannot be used."""
    found: Found = {}
    problems = {}
    for patient, listed in cases.items():
        try:
            found[patient] = _patient(listed, required, labels)
        except (ValueError, OSError) as error:
            problems[patient] = str(error)
    return found, problems


def _patient(
    listed: list[Case], required: Sequence[str], labels: bool
) -> list[tuple[Case, Seen]]:
    names = [case.sequence for case in listed]
    twice = [str(case.image) for case in listed if names.count(case.sequence) > 1]
    if twice:
        raise ValueError(f"is there more than once: {', '.join(twice)}")
    missing = [name for name in required if name not in names]
    if missing:
        raise ValueError(f"has no {', '.join(missing)}")
    return [(case, read(case, labels)[1]) for case in listed]


def choose(
    patients: list[str], split: str | None, folds: int, fold: int, seed: int
) -> list[str]:
    """The patients of a split, or all of them for None."""
    if split is None:
        return patients
    sides = by_fold(patients, dict.fromkeys(patients, ""), seed, folds, fold)
    chosen = [patient for patient in patients if sides[patient] == split]
    if not chosen:
        raise ValueError(
            f"split={split!r} of folds={folds}, fold={fold} has no patient among the "
            f"{len(patients)} found"
        )
    return chosen
