"""`load`: checks what is asked, looks at every file once, makes the source."""

import math
import os
import pathlib
import warnings
from collections.abc import Sequence

from keras_condattn._frame import NORMALISATIONS, Frame
from keras_condattn.datasets._arguments import (
    check_augment,
    check_one,
    check_some,
    check_whole,
    pair,
    pixels,
    told,
)
from keras_condattn.datasets._augment import Augmentation
from keras_condattn.datasets._pen import SimulatedScribbles, check_pen
from keras_condattn.datasets._split import subset
from keras_condattn.datasets._volumes import kinds_of
from keras_condattn.datasets.acdc._conditioning import FACTS, check_known
from keras_condattn.datasets.acdc._files import PHASES, Scan, find_patients, scans_of
from keras_condattn.datasets.acdc._read import CLASSES, Seen, look
from keras_condattn.datasets.acdc._source import Hearts
from keras_condattn.datasets.acdc._split import FOLDS, PROTOCOLS, SPLITS, deal

Found = dict[str, list[tuple[Scan, Seen]]]


def load(
    root: str | os.PathLike[str],
    split: str | None = None,
    *,
    volumes: bool = False,
    phases: Sequence[str] = ("ED", "ES"),
    conditioning: Sequence[str] = ("phase", "position"),
    spacing: float | tuple[float, float] | None = None,
    size: int | tuple[int, int] | None = None,
    normalise: str | None = None,
    labels: bool = True,
    scribbles: bool | SimulatedScribbles = False,
    protocol: str = "stratified",
    fold: int = 0,
    share: float = 1.0,
    subset_seed: int = 0,
    augment: bool | Augmentation = False,
    on_error: str = "raise",
    cache: bool = False,
    seed: int = 42,
) -> Hearts:
    """Cardiac cine MR with right ventricle, myocardium and left ventricle: ACDC.

    ```
    conditioning of slice k of D = [phase == ED, phase == ES, k / (D - 1)]
    ```

    Slice 0 is the base of the heart and slice D - 1 the apex, as in all of the
    challenge's files. Read wherever below `root` they lie (`training/`, `testing/`,
    `database/...`): folders `patientNNN` with `Info.cfg`, `patientNNN_frameFF.nii.gz`
    (or `.nii`) and beside it `_gt` and `_scribble`; and the preprocessed volumes
    `patientNNN_frameFF.h5` with the keys image, label and scribble that the scribble
    literature shares. These have no spacing and no `Info.cfg`: their ED is the
    earlier frame (in patient090 the later), their group that of the challenge's
    numbering, 20 patients each of DCM, HCM, MINF, NOR, RV.

    A slice is shown as a frame: grey levels normalised over the volume, resampled
    in-plane (images bilinearly with a Gaussian prefilter where that shrinks, labels
    by the nearest pixel), cropped or padded around the centre. Slices are never
    resampled across.

    Patients are split whole, and patients with the same images count as one: in the
    published training set patient074 and patient076 are one heart, segmented twice.

    Args:
        root: the folder.
        split: `"train"`, `"validation"`, `"test"`, or None for every patient.
            Defaults to None.
        volumes: an item is a volume (D, H, W), else a slice. Defaults to False.
        phases: of `"ED"` and `"ES"`, those to read. Defaults to ("ED", "ES").
        conditioning: what the vector holds, in this order: `"phase"` (one-hot ED,
            ES), `"position"` (from 0 at the base to 1 at the apex), `"group"`
            (one-hot NOR, DCM, HCM, MINF, RV: a diagnosis, not known before the
            segmentation in practice), `"height"` (m), `"weight"` (100 kg). Defaults
            to ("phase", "position").
        spacing: in mm, (down, right) or one number for both. None keeps each
            image's own. Defaults to None.
        size: (height, width) in pixels after that, or one number for both. None
            keeps the image's extent. Defaults to None.
        normalise: `"zscore"`, which clips a volume at the 99th percentile of what
            the centred frame shows of it and takes the mean to 0 and the standard
            deviation to 1; None leaves the grey levels of the file. Defaults to
            None.
        labels: read the labels; False for patients without. Defaults to True.
        scribbles: read the scribbles; or a `SimulatedScribbles`, which draws others
            on the labels. Defaults to False.
        protocol: `"stratified"`, five folds with each group in proportion: `fold`
            tests, an eighth of the rest validates; `"blocks"`, the literature's
            consecutive twenties: patients 20 `fold` + 1 to 20 `fold` + 20 test, all
            others train, none validates (each block is one group); `"official"`,
            what lies in `testing/` tests, `fold` of the rest validates. Defaults to
            "stratified".
        fold: 0 to 4. Defaults to 0.
        share: of the split's patients to keep, in (0, 1], the groups in turn; a
            smaller share is part of a larger one. Defaults to 1.0.
        subset_seed: of that choice; the split does not depend on it. Defaults to 0.
        augment: vary slices anew each epoch (`set_epoch`, which `Batches` calls):
            True, or an `Augmentation` of your own. Defaults to False.
        on_error: `"raise"` one error that names each patient whose files cannot be
            used, or `"skip"` them with a warning; `source.skipped` lists them. What
            is skipped can change who is dealt to which split. Defaults to "raise".
        cache: keep arrays in memory once read. Defaults to False.
        seed: of the split and of the augmentation. Defaults to 42.

    Returns:
        A source: `len(source)`, `source[i]` a dict of arrays.

    Raises:
        FileNotFoundError: where `root` is no folder or holds no patient.
        ValueError: for an argument out of its range; a split without patients; or,
            in one error with a line for each patient, no `Info.cfg`, frames that
            are not those it names, files in two places, a missing or damaged file,
            arrays of different shape, unknown label values, one slice only, a
            spacing of 0 or not in mm. Every file that is asked for is read once.
        ImportError: where nibabel or scipy is missing.

    Example:

    ```python
    train = keras_condattn.datasets.acdc.load(
        "ACDC/database", "train", spacing=1.5, size=128, normalise="zscore",
        augment=True, cache=True,
    )
    batches = keras_condattn.datasets.Batches(train, 12, shuffle=True)
    ```

    Reference:
        Bernard et al., "Deep Learning Techniques for Automatic MRI Cardiac
        Multi-structures Segmentation and Diagnosis: Is the Problem Solved?", IEEE
        TMI 37(11), 2018. Scribbles: Valvano et al., "Learning to Segment from
        Scribbles using Multi-scale Adversarial Attention Gates", IEEE TMI 40(8),
        2021. Phase and slice position as conditions: Jacenków et al., INSIDE,
        MICCAI 2020 (arXiv 2008.10418), whose encoding is not published; this one is
        ours.
    """
    check_one((*SPLITS, None), split=split)
    check_one(NORMALISATIONS, normalise=normalise)
    check_one(PROTOCOLS, protocol=protocol)
    check_one(("raise", "skip"), on_error=on_error)
    check_some(PHASES, phases=phases)
    check_some(FACTS, conditioning=conditioning)
    check_whole(0, seed=seed, subset_seed=subset_seed)
    check_whole(0, FOLDS - 1, fold=fold)
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1, got {share!r}")
    check_augment(augment, volumes)
    if not isinstance(scribbles, bool | SimulatedScribbles):
        raise ValueError(
            f"scribbles must be a bool or a SimulatedScribbles, got {scribbles!r}"
        )
    check_pen(scribbles, len(CLASSES))
    frame = Frame(normalise, pair("spacing", spacing), pixels("size", size))
    kinds = kinds_of(labels, scribbles)
    found, problems = _found(root, phases, kinds, conditioning, frame)
    if problems and (on_error == "raise" or not found):
        raise ValueError(told(problems))
    if problems:
        warnings.warn(f"left out: {told(problems)}", stacklevel=2)
    chosen = _chosen(found, split, protocol, fold, seed)
    kept = subset(chosen, _groups(found), share, subset_seed)
    pairs = [one for patient in sorted(kept) for one in found[patient]]
    return Hearts(
        [scan for scan, _ in pairs], [seen for _, seen in pairs], frame=frame,
        facts=conditioning, labels=labels, scribbles=scribbles, volumes=volumes,
        augment=Augmentation() if augment is True else augment or None,
        cache=cache, seed=seed, skipped=problems,
    )  # fmt: skip


def _found(
    root: str | os.PathLike[str],
    phases: Sequence[str],
    kinds: list[str],
    facts: Sequence[str],
    frame: Frame,
) -> tuple[Found, dict[str, str]]:
    """The scans of each patient, and why others cannot be used."""
    found: Found = {}
    problems = {}
    for patient, places in find_patients(root).items():
        try:
            found[patient] = _patient(patient, places, phases, kinds, facts, frame)
        except (ValueError, OSError) as error:
            problems[patient] = str(error)
    return found, problems


def _patient(
    patient: str,
    places: list[pathlib.Path],
    phases: Sequence[str],
    kinds: list[str],
    facts: Sequence[str],
    frame: Frame,
) -> list[tuple[Scan, Seen]]:
    pairs = []
    for scan in scans_of(patient, places):
        if scan.phase not in phases:
            continue
        check_known(scan, facts)
        seen = look(scan, kinds)
        if frame.spacing and not math.isfinite(seen.spacing[0]):
            raise ValueError(
                f"{scan.image.name} has no spacing in mm, which spacing= needs"
            )
        pairs.append((scan, seen))
    return pairs


def _chosen(
    found: Found, split: str | None, protocol: str, fold: int, seed: int
) -> list[str]:
    if split is None:
        return sorted(found)
    parts = {patient: pairs[0][0].part for patient, pairs in found.items()}
    splits = deal(_groups(found), _twins(found), parts, protocol, fold, seed)
    chosen = sorted(patient for patient, side in splits.items() if side == split)
    if not chosen:
        raise ValueError(
            f"split={split!r} of protocol={protocol!r}, fold={fold} has no patient "
            f"among the {len(found)} found"
        )
    return chosen


def _groups(found: Found) -> dict[str, str]:
    return {patient: pairs[0][0].group for patient, pairs in found.items()}


def _twins(found: Found) -> dict[str, str]:
    """Patients whose images another patient has, and that other.

    Where several share images, in a chain or not, the same one leads them all.
    """
    first: dict[str, str] = {}
    leaders = {patient: patient for patient in found}
    for patient, pairs in found.items():
        for _, seen in pairs:
            other = leaders[first.setdefault(seen.digest, patient)]
            mine = leaders[patient]
            for member, leader in leaders.items():
                if leader in (mine, other):
                    leaders[member] = min(mine, other)
    return {member: leader for member, leader in leaders.items() if member != leader}
