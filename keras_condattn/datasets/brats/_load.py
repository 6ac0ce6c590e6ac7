"""`load` and `load_pictures`: check, deal, look at files once, make the source."""

import math
import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from keras_condattn._brain import LEAST_BRAIN
from keras_condattn._frame import Frame
from keras_condattn.datasets._arguments import (
    check_one,
    check_whole,
    pair,
    pixels,
    told,
)
from keras_condattn.datasets._split import SPLITS
from keras_condattn.datasets.brats._arguments import (
    check_choices,
    check_modalities,
    modalities_of_challenge,
)
from keras_condattn.datasets.brats._files import (
    MASK,
    MODALITIES,
    Scan,
    canonical,
    find_folders,
    patient_of,
    scan_of,
)
from keras_condattn.datasets.brats._picture_files import (
    find_pictures,
    scan_of_pictures,
)
from keras_condattn.datasets.brats._read import Seen, look
from keras_condattn.datasets.brats._source import Brains
from keras_condattn.datasets.brats._split import PROTOCOLS, deal

Found = tuple[list[Scan], list[Seen]]
# What the folders of the released code are called.
FOLDERS = {"train": "train", "validation": "val", "test": "test"}


def load(
    root: str | os.PathLike[str],
    split: str | None = None,
    *,
    modalities: Sequence[str] = MODALITIES,
    volumes: bool = False,
    spacing: float | tuple[float, float] | None = None,
    size: int | tuple[int, int] | None = None,
    normalise: str | None = None,
    labels: bool = True,
    least_brain: float = LEAST_BRAIN,
    protocol: str = "folds",
    fold: int = 0,
    on_error: str = "raise",
    cache: bool = False,
    seed: int = 42,
) -> Brains:
    """Gliomas in MR of several modalities: BraTS, as slices or as volumes.

    ```
    label of a slice = 1 where its mask has any part of the tumour, else 0
    ```

    Read wherever below `root` they lie: a folder for each scan with NIfTI files
    (`.nii` or `.nii.gz`) whose names end in `flair`, `t1`, `t1ce`, `t2` and `seg`, as
    from 2015 to 2021, or in `t2f`, `t1n`, `t1c`, `t2w` and `seg`, as from 2023 on;
    only those that are asked for must be there. The mask is the whole tumour: all
    that is not 0 in `seg`. The `.mha` files of 2015 must be converted first.

    Background, what lies outside the stripped skull, is the grey level of the
    volume's corners (0 as published, another one in rescaled copies), where at least
    four of the eight agree; else there is none. A slice is shown as a frame:
    resampled in-plane (images bilinearly with a Gaussian prefilter where that
    shrinks, masks by the nearest pixel), cropped or padded around the centre. Slices
    are never resampled across.

    Patients are split whole: scans of one patient at several times
    (`BraTS-GLI-00002-000` and `-001`, `brats_tcia_pat105_0001` and `_0117`) are on
    one side.

    Args:
        root: the folder.
        split: `"train"`, `"validation"`, `"test"`, or None for every patient.
            Defaults to None.
        modalities: those to read, by the names of any year; the items have them
            under these names. Defaults to ("flair", "t1", "t1ce", "t2").
        volumes: an item is a volume (D, H, W), else a slice. Defaults to False.
        spacing: in mm, (down, right) or one number for both. None keeps each
            image's own. Defaults to None.
        size: (height, width) in pixels after that, or one number for both. None
            keeps the image's extent. Defaults to None.
        normalise: `"zscore"` takes the brain in each volume and modality to mean 0
            and standard deviation 1, and what is around it to 0; None leaves the
            grey levels of the file. Defaults to None.
        labels: read the masks; False for the challenge's validation data, which
            have none, and whose items have no labels. Defaults to True.
        least_brain: slices of whose pixels a smaller share is brain are left out;
            volumes have them all. Defaults to 0.02.
        protocol: `"folds"`, five of them: `fold` tests, one in eight of the rest
            validates; `"leave_one_out"`, for few patients: patient number `fold`
            tests, the next one validates. Defaults to "folds".
        fold: from 0. Defaults to 0.
        on_error: `"raise"` one error that names each of the split's scans whose
            files cannot be used, or `"skip"` them with a warning; `source.skipped`
            lists them. Who is dealt to which split is up to the names of the folders
            alone. Defaults to "raise".
        cache: keep arrays in memory once read. Defaults to False.
        seed: of the split. Defaults to 42.

    Returns:
        A source: `len(source)`, `source[i]` a dict of arrays.

    Raises:
        FileNotFoundError: where `root` is no folder or holds no scan.
        ValueError: for an argument out of its range; a split without patients; or,
            in one error with a line for each scan, a missing modality, two files
            for one, a folder of one name in two places, a damaged file, files that
            differ in shape or affine, a mask with other numbers than the tumour's
            parts, a modality without grey levels. Every file of the split that is
            asked for is read once.
        ImportError: where nibabel or scipy is missing.

    Example:

    ```python
    train = keras_condattn.datasets.brats.load(
        "BraTS2020", "train", modalities=("flair", "t1ce"), spacing=2, size=96,
        normalise="zscore", cache=True,
    )
    batches = keras_condattn.datasets.Batches(train, 8, train.modalities, shuffle=True)
    ```

    Reference:
        Menze et al., "The Multimodal Brain Tumor Image Segmentation Benchmark
        (BRATS)", IEEE TMI 34(10), 2015. Image-level labels from its masks: Patel and
        Dolz, arXiv 2104.02488.
    """
    modalities_of_challenge(modalities)
    _check_split(split, protocol, fold, seed)
    check_choices(normalise, on_error, least_brain)
    frame = Frame(None, pair("spacing", spacing), pixels("size", size))
    kinds = [*map(canonical, modalities), *([MASK] if labels else [])]
    folders = find_folders(root)
    names = _dealt(list(folders), split, protocol, fold, seed)
    found, problems = _seen(
        names, lambda name: scan_of(name, folders[name], kinds), labels, frame,
        on_error,
    )  # fmt: skip
    return Brains(
        *found, frame, modalities=modalities, labels=labels,
        zscore=normalise == "zscore", volumes=volumes, least_brain=least_brain,
        cache=cache, skipped=problems,
    )  # fmt: skip


def load_pictures(
    root: str | os.PathLike[str],
    split: str = "train",
    *,
    modalities: Sequence[str] = ("t1", "t2"),
    volumes: bool = False,
    size: int | tuple[int, int] | None = None,
    normalise: str | None = None,
    labels: bool = True,
    least_brain: float = LEAST_BRAIN,
    on_error: str = "raise",
    cache: bool = False,
) -> Brains:
    """Slices written as pictures, in the folders that the released code reads.

    ```
    root/train/MR_T1/<patient>_<slice>.png      MR_T2, MR_T1c, MR_Flair: brains
               T2/<patient>_<slice>.png         ADC: prostates
               GT/<patient>_<slice>.png         masks: what is not 0
    root/val/...,  root/test/...
    ```

    8 (or 16) bits a pixel. How the authors made these pictures, which slices they
    chose and who is in which part is not published, nor are the pictures: this reads
    what is laid out this way. The folders decide the split; there is no spacing.

    Args:
        root: the folder with `train`, `val` and `test`, or one fold of the
            prostates.
        split: `"train"`, `"validation"` (the folder `val`) or `"test"`. Defaults to
            "train".
        modalities: the folders' names without `MR_`, in any case: `"t1"`, `"t2"`,
            `"t1c"` or `"t1ce"`, `"flair"`, `"adc"`. Defaults to ("t1", "t2").
        volumes: an item is the stack of a patient's slices, in the order of their
            numbers, else a slice. Defaults to False.
        size: (height, width) in pixels, cropped or padded around the centre, or one
            number for both. None keeps the image's extent. Defaults to None.
        normalise: `"zscore"` or None, as in `load`. Defaults to None.
        labels: read the masks. Defaults to True.
        least_brain: slices of whose pixels a smaller share is not background are
            left out; volumes have them all. Defaults to 0.02.
        on_error: `"raise"` or `"skip"`, as in `load`. Defaults to "raise".
        cache: keep arrays in memory once read. Defaults to False.

    Returns:
        A source, as `load` returns it; `"slice"` is the number in the file's name.

    Raises:
        FileNotFoundError: where a folder is missing or holds no pictures.
        ValueError: for an argument out of its range; or, in one error with a line
            for each patient, a modality or slice that is missing, pictures of
            different size, or a damaged one.
        ImportError: where Pillow is missing, or scipy where a size is given.

    Example:

    ```python
    train = keras_condattn.datasets.brats.load_pictures("brats_classification")
    train[0]["t1"].shape, train[0]["label"]
    ```

    Reference:
        The data folders of the released code of arXiv 2104.02488.
    """
    check_modalities(modalities, None)
    check_one(SPLITS, split=split)
    check_choices(normalise, on_error, least_brain)
    frame = Frame(None, None, pixels("size", size))
    kinds = [*map(canonical, modalities), *([MASK] if labels else [])]
    pictures = find_pictures(os.path.join(root, FOLDERS[split]), kinds)
    found, problems = _seen(
        pictures, lambda name: scan_of_pictures(name, pictures[name], kinds), labels,
        frame, on_error,
    )  # fmt: skip
    return Brains(
        *found, frame, modalities=modalities, labels=labels,
        zscore=normalise == "zscore", volumes=volumes, least_brain=least_brain,
        cache=cache, skipped=problems,
    )  # fmt: skip


def _seen(
    names: Iterable[str],
    scan_named: Callable[[str], Scan],
    labels: bool,
    frame: Frame,
    on_error: str,
) -> tuple[Found, dict[str, str]]:
    """The scans that can be used, and why others cannot."""
    found: Found = ([], [])
    problems = {}
    for name in names:
        try:
            scan = scan_named(name)
            modalities = [kind for kind in scan.files if kind != MASK]
            seen = look(scan, modalities, labels, frame)
            if frame.spacing and not math.isfinite(seen.spacing[0]):
                raise ValueError("has no spacing in mm, which spacing= needs")
            found[0].append(scan)
            found[1].append(seen)
        except (ValueError, OSError) as error:
            problems[name] = str(error)
    if problems and (on_error == "raise" or not found[0]):
        raise ValueError(told(problems, "scan"))
    if problems:
        warnings.warn(f"left out: {told(problems, 'scan')}", stacklevel=3)
    return found, problems


def _dealt(
    names: list[str], split: str | None, protocol: str, fold: int, seed: int
) -> list[str]:
    """The scans of a split's patients: by their names, before a file is read."""
    if split is None:
        return names
    patients = sorted(set(map(patient_of, names)))
    sides = deal(patients, protocol, fold, seed)
    chosen = [name for name in names if sides[patient_of(name)] == split]
    if not chosen:
        raise ValueError(
            f"split={split!r} of protocol={protocol!r}, fold={fold} has no patient "
            f"among the {len(patients)} found"
        )
    return chosen


def _check_split(split: Any, protocol: Any, fold: Any, seed: Any) -> None:
    check_one((*SPLITS, None), split=split)
    check_one(PROTOCOLS, protocol=protocol)
    check_whole(0, fold=fold, seed=seed)
