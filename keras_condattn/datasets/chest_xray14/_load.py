"""`load`: checks what is asked, reads the tables, looks at the images of the split."""

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

from keras_condattn.datasets._arguments import (
    check_one,
    check_whole,
    listed,
    usable,
)
from keras_condattn.datasets._pictures import pillow
from keras_condattn.datasets._view import NORMALISATIONS, CropAndJitter
from keras_condattn.datasets.chest_xray14._files import (
    BOXES,
    checked,
    find_images,
    find_table,
)
from keras_condattn.datasets.chest_xray14._findings import indices_of
from keras_condattn.datasets.chest_xray14._source import Radiographs
from keras_condattn.datasets.chest_xray14._split import PROTOCOLS, SPLITS, divide
from keras_condattn.datasets.chest_xray14._table import read_boxes, read_entries
from keras_condattn.datasets.nodules import Nodules

REAL_NODULES = ("Nodule", "Mass")


def load(
    root: str | os.PathLike[str],
    split: str | None = None,
    *,
    protocol: str = "random",
    table: str | None = None,
    size: int | None = 448,
    margin: float = 1.05,
    channels: int = 1,
    normalise: str | None = None,
    exclude: Sequence[str] | None = None,
    nodules: bool | Nodules = False,
    augment: bool | CropAndJitter = False,
    on_error: str = "raise",
    verify: bool = False,
    cache: bool = False,
    seed: int = 42,
) -> Radiographs:
    """Frontal chest radiographs with fourteen findings: ChestX-ray14.

    ```
    label[k] = 1 where classes[k] is among the image's findings, else 0
    boxes    = of those of BBox_List_2017.csv in view, pixels of the frame
    ```

    Read below `root`: the table of labels, `Data_Entry_2017.csv`, its later version
    `Data_Entry_2017_v2020.csv`, or the `nih_labels.csv` (also `nih_labels_2017.csv`)
    in which the field passes on a random division, with a column of 0 and 1 for each
    finding and `fold`; `BBox_List_2017.csv` where it is there, about 1000 boxes of
    eight findings (its "Infiltrate" is Infiltration), taken as they are even where the
    table does not list the finding; and the PNGs, in `images/`, `images_001/` to
    `images_012/` as unpacked, or beside the table. Of the columns only "Image Index",
    "Patient ID" and the findings must be there.

    Labels were taken from reports by a program. Box pixels are those of the published
    1024 x 1024 images, so they are scaled to the file, and then with the frame; one of
    which the frame shows less than half is left out.

    Without augmentation the shorter side becomes int(size margin) pixels and the middle
    `size` x `size` is shown, as in the paper's tests (in one bilinear step, its window
    not rounded to whole pixels). With it, `CropAndJitter`.

    With `nodules`, simulated nodules are drawn into the radiographs (`Nodules`, in
    pixels of the file, before any crop), and the label and the boxes are theirs alone:
    a public stand-in for lesion sets that are private. Which images get them, and
    where, hangs on the seed and the image's name only.

    Args:
        root: the folder.
        split: `"train"`, `"validation"`, `"test"`, or None for every image. Defaults
            to None.
        protocol: `"random"`: 70 / 10 / 20 per cent of the patients by the seed, dealt
            within the patients that share a rarest finding; no patient is in two.
            `"official"`: `train_val_list.txt` and `test_list.txt`, where a tenth of
            the former's patients validate. `"nih_labels"`: the column `fold`, as ACM
            used it. Defaults to "random".
        table: file name of the table in `root`. None takes the first of those above
            that is there; with `protocol="nih_labels"`, of the last two. Defaults to
            None.
        size: pixels a side of the frame; None keeps each file's own pixels. Defaults
            to 448.
        margin: at least 1; 1.0 shows as much as fits. Defaults to 1.05.
        channels: 1, or 3, grey repeated. Defaults to 1.
        normalise: `"imagenet"`, less mean and by deviation of ImageNet's colours (of
            their averages for one channel); `"zscore"`, likewise of the frame itself;
            None, fractions of the file's bit depth. Defaults to None.
        exclude: findings whose images are left out, after the division. None means
            none of them, but with `nodules` ("Nodule", "Mass"): what is real and
            unmarked would count as wrong. Defaults to None.
        nodules: draw simulated ones; `Nodules(...)` says which. Defaults to False.
        augment: vary the frames anew each epoch; `CropAndJitter(...)` says how. For
            training. Defaults to False.
        on_error: `"raise"`, or `"skip"`: leave out the images that cannot be used,
            with a warning; `source.skipped` lists them. Nobody else's split changes.
            Defaults to "raise".
        verify: decode every image of the split once, now. False looks at the first and
            last bytes of each, which finds files missing, empty, cut short or of
            another kind; what is damaged inside is then found, and named, when read.
            Defaults to False.
        cache: keep decoded images in memory, a byte a pixel of the file. Defaults to
            False.
        seed: of the split, the nodules and the augmentation. Defaults to 42.

    Returns:
        A source: `len(source)`, `source[i]` a dict of arrays and texts.

    Raises:
        FileNotFoundError: without the folder, a table, or the official lists.
        ValueError: for an argument out of its range; a table without its columns or
            that is no text; a box that is none; a split without images; or, in one
            error, rows with an unknown finding, without patient, a second time, in no
            fold, and images of the split that are missing or damaged.
        ImportError: where Pillow is missing.

    Example:

    >>> import pathlib, tempfile
    >>> from PIL import Image
    >>> folder = tempfile.TemporaryDirectory()
    >>> root = pathlib.Path(folder.name)
    >>> Image.fromarray(np.full((64, 64), 51, "uint8")).save(root / "00000001_000.png")
    >>> written = (root / "Data_Entry_2017.csv").write_text(
    ...     "Image Index,Finding Labels,Patient ID\\n00000001_000.png,Mass|Edema,1\\n"
    ... )
    >>> source = keras_condattn.datasets.chest_xray14.load(root, size=32)
    >>> item = source[0]
    >>> item["image"].shape, float(item["image"][0, 0, 0])
    ((32, 32, 1), 0.20000000298023224)
    >>> [source.classes[k] for k in item["label"].nonzero()[0]]
    ['Mass', 'Edema']

    Reference:
        Wang et al., "ChestX-ray8: Hospital-scale Chest X-ray Database and Benchmarks
        on Weakly-Supervised Classification and Localization of Common Thorax
        Diseases", CVPR 2017. Order of the findings, sizes and the augmentation: the
        code released with ACM (arXiv 2007.07506), whose division is that of Zech's
        reproduce-chexnet, not the official one: results on the two do not compare.
    """
    _check(split, protocol, normalise, channels, on_error, seed)
    drawn = Nodules() if nodules is True else nodules or None
    varied = CropAndJitter() if augment is True else augment or None
    _check_frame(size, margin, varied, drawn, split)
    left_out = indices_of(_excluded(exclude, drawn))
    pillow()  # before the reading starts, should it be missing
    path = find_table(root, table, protocol)
    entries, problems = read_entries(path)
    splits, outside = divide(entries, protocol, path.parent, seed)
    if split is not None:
        problems |= outside
    chosen = [
        entry
        for entry, side in zip(entries, splits, strict=True)
        if (split is None or side == split) and not entry.findings & left_out
    ]
    found = find_images(path.parent)
    problems |= checked((entry.name for entry in chosen), found, verify)
    kept = usable(
        chosen, lambda entry: entry.name, problems, _told(problems), on_error,
        f"split={split!r}, protocol={protocol!r}",
    )  # fmt: skip
    boxes = path.parent / BOXES
    return Radiographs(
        kept, [found[entry.name] for entry in kept],
        read_boxes(boxes) if boxes.is_file() else {},
        size=size, margin=margin, channels=channels, normalise=normalise,
        nodules=drawn, augment=varied, cache=cache, seed=seed, skipped=problems,
    )  # fmt: skip


def _told(problems: Mapping[str, str]) -> str:
    lines = [f"{name}: {problem}" for name, problem in sorted(problems.items())]
    return listed(lines, "images", "images", shown=10)


def _excluded(exclude: Any, nodules: Nodules | None) -> Sequence[str]:
    if exclude is None:
        return REAL_NODULES if nodules else ()
    if isinstance(exclude, str):
        raise ValueError(f"exclude must list findings, got the text {exclude!r}")
    return tuple(exclude)


def _check(
    split: Any, protocol: Any, normalise: Any, channels: Any, on_error: Any, seed: Any
) -> None:
    check_one((*SPLITS, None), split=split)
    check_one(PROTOCOLS, protocol=protocol)
    check_one(NORMALISATIONS, normalise=normalise)
    check_one((1, 3), channels=channels)
    check_one(("raise", "skip"), on_error=on_error)
    check_whole(0, seed=seed)


def _check_frame(
    size: Any,
    margin: Any,
    augment: CropAndJitter | None,
    nodules: Nodules | None,
    split: str | None,
) -> None:
    whole = isinstance(size, int) and not isinstance(size, bool) and size >= 1
    if size is not None and not whole:
        raise ValueError(f"size must be pixels of at least 1, or None, got {size!r}")
    if not isinstance(margin, int | float) or not 1 <= margin < math.inf:
        raise ValueError(f"margin must be a number of at least 1, got {margin!r}")
    if augment and size is None:
        raise ValueError("augment crops and resizes: it needs size, got size=None")
    if split in ("validation", "test") and (augment or (nodules and nodules.fresh)):
        raise ValueError(
            f"augment and nodules with fresh=True are for training, got split={split!r}"
        )
