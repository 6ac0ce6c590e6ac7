"""`load`: checks what is asked, looks at every scene file, makes the source."""

import os
import pathlib

from keras_condattn.datasets.clevr_seg._index import Record, find_records
from keras_condattn.datasets.clevr_seg._pairs import PAIRS
from keras_condattn.datasets.clevr_seg._source import ClevrSeg
from keras_condattn.datasets.clevr_seg._vocabulary import CONDITIONS

SPLITS = {"train": (0, 72), "validation": (72, 80), "test": (80, 100)}


def load(
    root: str | os.PathLike[str],
    split: str | None = None,
    condition: str = "quadrant",
    pairs: str = "fixed",
    seed: int = 42,
    size: int | tuple[int, int] | None = None,
    cache: bool = False,
) -> ClevrSeg:
    """CLEVR-Seg: the objects of an image that meet one condition.

    ```
    label(y, x) = 1 where an object seen at (y, x) meets the condition
    ```

    Reads `images/<name>.png`, `scenes/<name>.json` and one
    `segmentations/<name>/*.png` an object (the i-th sorted file is the i-th object;
    the first channel is 64 outside it and 255 on it), whoever wrote them: the
    authors' release or `render`.

    The one-hot codes, in order: quadrant top_left, top_right, bottom_right,
    bottom_left; colour alizarin, nephritis, orange; shape cube, sphere, triangle;
    size small, medium, large. An object is in the quadrant of its centre
    (`pixel_coords`), whole; a centre on the middle line counts as right, or bottom.

    Splits are by sorted file name, in order: 72 % train, 8 % validation, 20 % test.
    Only names, scene files and the number of masks are checked here; pictures are
    decoded when an item is read.

    Args:
        root: the folder.
        split: `"train"`, `"validation"`, `"test"`, or None for every image.
            Defaults to None.
        condition: `"quadrant"`, `"color"` (or `"colour"`), `"shape"` or `"size"`.
            Defaults to "quadrant".
        pairs: `"fixed"`, each image with one condition by the paper's rule: the
            mode of 150 uniform draws, ties to the lower, drawn again until its mask
            has a pixel, at most 101 times; `"fresh"`, a uniform draw among the
            conditions whose masks have a pixel, new each epoch (`set_epoch`, which
            `Batches` calls); `"all"`, an item for every such condition, for which
            every picture is decoded at once. Defaults to "fixed".
        seed: of the draws, at least 0. What is drawn for an image depends on the
            seed and its name (and the epoch) only. Defaults to 42.
        size: height and width in pixels to resize to, or one number for both:
            images bilinearly, masks to the nearest pixel. None keeps each image's
            own size. Defaults to None.
        cache: keep decoded pictures in memory as bytes, four a pixel (37 kB for 96
            pixels square), so that only the first epoch decodes. Defaults to False.

    Returns:
        A source: `len(source)`, `source[i]` a dict of `"image"` (H, W, 3) in [0, 1],
        `"label"` (H, W, 1), `"conditioning"` (conditions,) and `"id"`;
        `source.steer(i)` the same image under every condition.

    Raises:
        FileNotFoundError: where one of the folders is missing, or holds no image.
        ValueError: for an argument out of its range; one error for all scenes that
            cannot be used: a damaged scene file, an image without its scene file or
            the other way round, more or fewer masks than objects. Reading an item, for
            a damaged picture, a mask of another size than its image, or one with
            other values.
        ImportError: where Pillow is missing, when an item is read.

    Example:

    ```python
    source = keras_condattn.datasets.clevr_seg.load("clevr", "train", cache=True)
    source[0]["image"].shape          # (200, 200, 3)
    source[0]["conditioning"]         # e.g. array([0., 0., 1., 0.])
    ```

    Reference:
        Jacenków et al., "INSIDE: Steering Spatial Attention with Non-Imaging
        Information in CNNs", MICCAI 2020 (arXiv 2008.10418). The released loader
        draws with one generator for all images; ours draws for each image alone, so
        that order and split do not change its pair, and the draws differ from it.
    """
    condition = "color" if condition == "colour" else condition
    _check_choice("split", split, (*SPLITS, None))
    _check_choice("condition", condition, tuple(CONDITIONS))
    _check_choice("pairs", pairs, PAIRS)
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed must be a whole number of at least 0, got {seed!r}")
    size = _sides(size)
    folder = pathlib.Path(root).expanduser()
    records = _part(find_records(folder, condition), split)
    return ClevrSeg(records, folder, condition, pairs, seed, size, cache)


def _part(records: list[Record], split: str | None) -> list[Record]:
    if split is None:
        return records
    start, stop = (len(records) * percent // 100 for percent in SPLITS[split])
    if start == stop:
        raise ValueError(
            f"split={split!r} has none of the {len(records)} images; at least 13 give "
            "every split one"
        )
    return records[start:stop]


def _check_choice(name: str, value: object, allowed: tuple[str | None, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {allowed}, got {value!r}")


def _sides(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    sides = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(sides) != 2 or any(type(n) is not int or n < 1 for n in sides):
        raise ValueError(
            "size must be (height, width) in pixels, or one number for both, got "
            f"{size!r}"
        )
    return sides[0], sides[1]
