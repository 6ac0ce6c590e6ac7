"""`load`: checks what is asked, reads the annotations, looks at the split's images."""

import collections
import os
import pathlib
from collections.abc import Sequence
from typing import Any

from keras_condattn.datasets._arguments import check_one, check_whole, usable
from keras_condattn.datasets._pictures import pillow
from keras_condattn.datasets._split import SPLITS, folds
from keras_condattn.datasets._view import NORMALISATIONS, CropAndJitter
from keras_condattn.datasets.coco._annotations import Record, read_annotations, told
from keras_condattn.datasets.coco._entries import Named
from keras_condattn.datasets.coco._files import PARTS, checked, find_part, parts_in
from keras_condattn.datasets.coco._outlines import pycocotools
from keras_condattn.datasets.coco._source import Photographs

TRAIN, VAL = PARTS
PROTOCOLS = {
    "official": {"train": TRAIN, "validation": VAL},
    "held_out": {"train": TRAIN, "validation": TRAIN, "test": VAL},
}
TENTHS = 10


def load(
    root: str | os.PathLike[str],
    split: str | None = None,
    *,
    protocol: str = "official",
    size: int | None = 448,
    normalise: str | None = None,
    masks: bool = False,
    augment: bool | CropAndJitter = False,
    on_error: str = "raise",
    verify: bool = False,
    cache: bool = False,
    seed: int = 42,
) -> Photographs:
    """Photographs with objects of eighty categories: COCO 2017, for multi-label work.

    ```
    label[k] = 1 where the frame shows an object or a crowd of classes[k], else 0
    boxes    = of all that the frame shows, pixels of the frame
    ```

    Read below `root`, as COCO publishes it: `annotations/instances_train2017.json` or
    `instances_train2017.json`, and the images it names in `train2017/`; the same for
    `val2017`. Any file of that form is read, with other categories too.

    The whole image is shown, its sides resized unequally to `size` x `size` (bilinear,
    with a filter that widens to shrink), so that no object is cropped away. With
    `augment`, a window of it (`CropAndJitter`, which takes the contrast about the mean
    of all three colours): what the window shows less than half of, by its box, is left
    out of the boxes, the masks and the label.

    An annotation with `iscrowd` is a region with many of its category, not one object.
    It counts in the label and is in the boxes and the masks, told by `crowd`: a score
    of localisation should take neither a hit nor a miss there for an error. Boxes are
    cut to the picture; a side of 0, which two boxes of `train2017` have, is taken as
    one pixel. Images without annotations stay, and their label is all 0.

    Args:
        root: the folder.
        split: `"train"`, `"validation"`, `"test"`, or None for all that is there.
            Defaults to None.
        protocol: `"official"`: `train2017` trains, `val2017` validates, and there is no
            test, whose annotations COCO keeps. `"held_out"`, where something is chosen
            by validation: a tenth of the images of `train2017` validates, drawn by the
            seed and spread over the rarest category of each; `val2017` tests. Defaults
            to "official".
        size: pixels a side of the frame; None keeps each file's own pixels. Defaults
            to 448.
        normalise: `"imagenet"`, less mean and by deviation of ImageNet's colours;
            `"zscore"`, likewise of the frame itself, all colours together; None,
            fractions of the file's bit depth. Defaults to None.
        masks: add `"masks"` to each item. Needs pycocotools, the extra `coco`.
            Defaults to False.
        augment: vary the frames anew each epoch; `CropAndJitter(...)` says how. For
            training. Defaults to False.
        on_error: `"raise"`, or `"skip"`: leave out the images whose files cannot be
            used, with a warning; `source.skipped` lists them. Nobody else's split
            changes. Defaults to "raise".
        verify: decode every image of the split once, now. False finds the files that
            are missing or empty; what is damaged, or of another size than its
            annotations say, is then found, and named, when read. Defaults to False.
        cache: keep decoded images in memory, three bytes a pixel of the file: about
            0.9 MB each. Defaults to False.
        seed: of the split and the augmentation. Defaults to 42.

    Returns:
        A source: `len(source)`, `source[i]` a dict of arrays and texts.

    Raises:
        FileNotFoundError: without the folder, the annotations or the images' folder.
        ValueError: for an argument out of its range; annotations that are no such
            JSON; in one error, entries that lack something, that are there a second
            time, whose file is named outside the folder, of an image or a category
            that is not listed, with a box or an outline that is none; `train2017` and
            `val2017` of different categories; or, in one error, images that are
            missing or cannot be used.
        ImportError: where Pillow is missing, or pycocotools with `masks=True`.

    Example:

    >>> import json, pathlib, tempfile
    >>> from PIL import Image
    >>> folder = tempfile.TemporaryDirectory()
    >>> root = pathlib.Path(folder.name)
    >>> (root / "val2017").mkdir()
    >>> Image.fromarray(np.full((48, 64, 3), 51, "uint8")).save(root / "val2017/a.png")
    >>> written = (root / "instances_val2017.json").write_text(json.dumps({
    ...     "images": [{"id": 7, "file_name": "a.png", "height": 48, "width": 64}],
    ...     "categories": [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}],
    ...     "annotations": [{"id": 1, "image_id": 7, "category_id": 18, "iscrowd": 0,
    ...                      "bbox": [32, 24, 16, 12]}],
    ... }))
    >>> source = keras_condattn.datasets.coco.load(root, size=32)
    >>> item = source[0]
    >>> item["image"].shape, item["label"].tolist(), item["boxes"].tolist()
    ((32, 32, 3), [0.0, 1.0], [[16.0, 16.0, 8.0, 8.0]])
    >>> [source.classes[k] for k in item["box_classes"]]
    ['dog']

    Reference:
        Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014. ACM (arXiv
        2007.07506) detects and segments its objects; labels for class maps are ours.
    """
    _check(split, protocol, size, normalise, on_error, seed)
    varied = CropAndJitter() if augment is True else augment or None
    _check_augment(varied, size, split)
    pillow()  # before the reading starts, should it be missing
    if masks:
        pycocotools()
    categories, chosen = _chosen(
        pathlib.Path(root).expanduser(), split, protocol, masks, seed
    )
    problems = checked(chosen, verify)
    kept = usable(
        chosen, lambda record: str(record.path), problems,
        told(problems.values(), "image", "images"), on_error,
        f"split={split!r}, protocol={protocol!r}",
    )  # fmt: skip
    return Photographs(
        categories, kept, size=size, normalise=normalise, masks=masks, augment=varied,
        cache=cache, seed=seed, skipped=problems,
    )  # fmt: skip


def _chosen(
    root: pathlib.Path, split: str | None, protocol: str, masks: bool, seed: int
) -> tuple[list[Named], list[Record]]:
    """The categories, and the images of a split."""
    parts = (PROTOCOLS[protocol][split],) if split else parts_in(root)
    read = [read_annotations(*find_part(root, part), masks) for part in parts]
    categories = read[0][0]
    if any(others != categories for others, _ in read):
        raise ValueError(
            f"{str(root)!r}: instances_{' and instances_'.join(parts)} list different "
            "categories; load one of them, by split"
        )
    records = [record for _, found in read for record in found]
    if protocol == "held_out" and parts == (TRAIN,) and split:
        held_out = _tenth(records, seed)
        wanted = split == "validation"
        records = [r for r in records if (str(r.id) in held_out) == wanted]
    return categories, records


def _tenth(records: Sequence[Record], seed: int) -> frozenset[str]:
    """The numbers of a tenth of the images, spread over each one's rarest category."""
    present = {str(record.id): set(record.classes.tolist()) for record in records}
    count = collections.Counter(k for found in present.values() for k in found)
    rarest = {
        number: str(min(found, key=lambda k: (count[k], k), default=-1))
        for number, found in present.items()
    }
    fold = folds(list(present), rarest, seed, TENTHS)
    return frozenset(number for number, place in fold.items() if place == 0)


def _check(
    split: Any, protocol: Any, size: Any, normalise: Any, on_error: Any, seed: Any
) -> None:
    check_one((*SPLITS, None), split=split)
    check_one(tuple(PROTOCOLS), protocol=protocol)
    check_one(NORMALISATIONS, normalise=normalise)
    check_one(("raise", "skip"), on_error=on_error)
    check_whole(0, seed=seed)
    if size is not None:
        check_whole(1, size=size)
    if split is not None and split not in PROTOCOLS[protocol]:
        raise ValueError(
            f"split={split!r} needs protocol='held_out', in which val2017 tests: the "
            "annotations of COCO's own test are not published"
        )


def _check_augment(
    augment: CropAndJitter | None, size: int | None, split: str | None
) -> None:
    if augment is None:
        return
    if not isinstance(augment, CropAndJitter):
        raise ValueError(f"augment must be a bool or a CropAndJitter, got {augment!r}")
    if size is None:
        raise ValueError("augment crops and resizes: it needs size, got size=None")
    if split in ("validation", "test"):
        raise ValueError(f"augment is for training, got split={split!r}")
