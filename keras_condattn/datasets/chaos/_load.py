"""`load`: checks what is asked, looks at every file once, makes the source."""

import os
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
from keras_condattn.datasets._split import SPLITS
from keras_condattn.datasets.chaos._choose import (
    cases_of,
    check_facts,
    choose,
    look,
)
from keras_condattn.datasets.chaos._files import find_cases
from keras_condattn.datasets.chaos._ground import greys
from keras_condattn.datasets.chaos._source import FACTS, Abdomens


def load(
    root: str | os.PathLike[str],
    sequences: Sequence[str] | None = None,
    split: str | None = None,
    *,
    volumes: bool = False,
    conditioning: Sequence[str] = ("position",),
    spacing: float | tuple[float, float] | None = None,
    size: int | tuple[int, int] | None = None,
    normalise: str | None = None,
    labels: bool = True,
    scribbles: SimulatedScribbles | None = None,
    folds: int = 5,
    fold: int = 0,
    augment: bool | Augmentation = False,
    on_error: str = "raise",
    cache: bool = False,
    seed: int = 42,
) -> Abdomens:
    """Abdominal MR with liver, kidneys and spleen, or CT with the liver: CHAOS.

    ```
    conditioning of slice k of D = [k / (D - 1)]
    ```

    Read wherever below `root` they lie (`Train_Sets/MR/...`): the challenge's folders

    ```
    N/T1DUAL/DICOM_anon/InPhase/*.dcm, OutPhase/*.dcm    N/T1DUAL/Ground/*.png
    N/T2SPIR/DICOM_anon/*.dcm                            N/T2SPIR/Ground/*.png
    N/DICOM_anon/*.dcm                                   N/Ground/*.png        # CT
    ```

    or the NIfTI files `N/image.nii.gz` and `N/label.nii.gz` (or `.nii`), whose labels
    are class numbers. DICOM slices lie in the order of their positions along the
    normal of the image plane, whatever their names: of axial slices the feet first.
    Grey levels get the rescale slope and intercept of their file. Pictures in
    `Ground` belong to slices by name or, where no name is the same, by the order of
    names; their grey values are the challenge's: liver 55 to 70, right kidney 110 to
    135, left kidney 175 to 200, spleen 240 to 255, and in CT liver 255.

    A slice is shown as a frame, as by `datasets.acdc.load`. Rows and columns are
    those of the file: NIfTI files made of the challenge's data often have them
    swapped against the DICOM slices. Patients are split whole.

    Args:
        root: the folder.
        sequences: of `"InPhase"`, `"OutPhase"`, `"T2SPIR"`, those that every patient
            is read with, or `("CT",)`. None takes what is there: NIfTI files, which
            do not say what they are; else every MR sequence; else CT. Defaults to
            None.
        split: `"train"`, `"validation"`, `"test"`, or None for every patient.
            Defaults to None.
        volumes: an item is a volume (D, H, W), else a slice. Defaults to False.
        conditioning: what the vector holds, in this order: `"sequence"` (one-hot
            InPhase, OutPhase, T2SPIR), `"position"` (from 0 in the first slice to 1
            in the last). Defaults to ("position",).
        spacing: in mm, (down, right) or one number for both. None keeps each
            image's own. Defaults to None.
        size: (height, width) in pixels after that, or one number for both. None
            keeps the image's extent. Defaults to None.
        normalise: `"zscore"`, as in `datasets.acdc.load`; None leaves the grey levels
            of the file. Defaults to None.
        labels: give the labels; False for patients without. Defaults to True.
        scribbles: a pen that draws scribbles on the labels, which the challenge has
            none of; it needs the labels' files even with `labels=False`. Defaults to
            None.
        folds: into how many parts patients are dealt, in an order drawn from the
            seed: one tests, an eighth of the others validates. Defaults to 5.
        fold: the one that tests, from 0. Defaults to 0.
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
        FileNotFoundError: where `root` is no folder or holds no case.
        ValueError: for an argument out of its range; CT beside MR, or DICOM beside
            NIfTI; a split without patients; or, in one error with a line for each
            patient, a sequence that is not there, files in two places, other numbers
            of slices and pictures, a missing, damaged, oversized or linked file,
            slices that share a place or leave one out, pictures of another size,
            unknown grey values. Every file that is asked for is read once.
        ImportError: where pydicom, Pillow, nibabel or scipy is missing.

    Example:

    ```python
    train = keras_condattn.datasets.chaos.load(
        "CHAOS/Train_Sets/MR", ["T2SPIR"], "train", spacing=1.5, size=192,
        normalise="zscore", augment=True, cache=True,
        scribbles=keras_condattn.datasets.SimulatedScribbles(),
    )
    batches = keras_condattn.datasets.Batches(
        train, 12, "image", "scribble", shuffle=True
    )
    ```

    Reference:
        Kavur et al., "CHAOS Challenge: combined (CT-MR) healthy abdominal organ
        segmentation", Medical Image Analysis 69, 2021 (arXiv 2001.06535); the data
        are published under CC BY-NC-SA 4.0. The folds and scribbles are ours.
    """
    check_one((*SPLITS, None), split=split)
    check_one(NORMALISATIONS, normalise=normalise)
    check_one(("raise", "skip"), on_error=on_error)
    check_some(FACTS, conditioning=conditioning)
    check_whole(2, folds=folds)
    check_whole(0, folds - 1, fold=fold)
    check_whole(0, seed=seed)
    check_augment(augment, volumes)
    _check_scribbles(scribbles)
    frame = Frame(normalise, pair("spacing", spacing), pixels("size", size))
    cases = cases_of(find_cases(root), sequences)
    check_facts(cases, conditioning)
    first = next(case for listed in cases.values() for case in listed)
    check_pen(scribbles, len(greys(first.sequence)))
    found, problems = look(cases, sequences or (), labels or scribbles is not None)
    if problems and (on_error == "raise" or not found):
        raise ValueError(told(problems))
    if problems:
        warnings.warn(f"left out: {told(problems)}", stacklevel=2)
    chosen = choose(list(found), split, folds, fold, seed)
    pairs = [one for patient in chosen for one in found[patient]]
    return Abdomens(
        [case for case, _ in pairs], [seen for _, seen in pairs], frame=frame,
        facts=conditioning, labels=labels, scribbles=scribbles or False,
        volumes=volumes, augment=Augmentation() if augment is True else augment or None,
        cache=cache, seed=seed, skipped=problems,
    )  # fmt: skip


def _check_scribbles(scribbles: object) -> None:
    if scribbles is not None and not isinstance(scribbles, SimulatedScribbles):
        raise ValueError(
            "scribbles must be a SimulatedScribbles, which says how to draw them "
            f"(CHAOS has none), or None, got {scribbles!r}"
        )
