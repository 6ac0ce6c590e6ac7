"""`load`: checks what is asked, looks at every file once, makes the source."""

import os

from keras_condattn.datasets._pictures import read_image
from keras_condattn.datasets._split import SPLITS, deal
from keras_condattn.datasets.dsb2018._files import Record, find_records
from keras_condattn.datasets.dsb2018._frame import Framing
from keras_condattn.datasets.dsb2018._modality import MODALITIES, modality_of
from keras_condattn.datasets.dsb2018._nuclei import PAIRS, Nuclei, Shape, raise_all


def load(
    root: str | os.PathLike[str],
    split: str | None = None,
    *,
    condition: str | None = "quadrant",
    pairs: str = "fixed",
    size: int | tuple[int, int] | None = None,
    crop: int | tuple[int, int] | None = None,
    channels: int = 3,
    normalise: bool = True,
    modality: str | None = None,
    instances: bool = False,
    augment: bool = False,
    cache: bool = False,
    seed: int = 42,
) -> Nuclei:
    """Nuclei of the 2018 Data Science Bowl, by the quadrant in which they lie.

    ```
    label(y, x) = 1 where the nucleus at (y, x) has its centroid in the quadrant
    x' = clip((x - p1) / max(p99.8 - p1, 1/255), 0, 1)      # normalise, per image
    ```

    Two layouts are read, whoever wrote them: `images/*.png` beside `labels/*.png`
    with an instance number at each pixel (16 bits; `.tif` too), and the challenge's
    own `stage1_train/<id>/images/<id>.png` beside `stage1_train/<id>/masks/*.png`,
    a mask a nucleus; `root` may also be `stage1_train` itself.

    The images are of two kinds: bright nuclei on black (fluorescence, grey, often
    using a tenth of the grey levels) and dark nuclei on a bright ground (stained
    tissue in purple and pink). The default keeps three channels, so that colour can
    tell a network which of the two it sees, and stretches the grey levels.

    A frame is made in this order: channels, grey levels (percentiles of the whole
    image, all channels together), centre crop, resize, mirroring. Where the crop
    exceeds the image, the frame is filled with the image's median colour. The image
    is resized bilinearly with antialiasing, instances by the nearest pixel. The
    quadrant is decided last, in the frame the network sees: a nucleus belongs to the
    quadrant of the centroid of its visible pixels, whole, even where it reaches
    across; a centroid on the middle line counts as right, or bottom.

    Splits are 70 / 10 / 20 per cent by a seeded permutation, the same on every
    machine, made within each kind of image (modality, height and width), so every
    split has each kind in proportion. They are by image: which images come from one
    slide is not published.

    Args:
        root: the folder.
        split: `"train"`, `"validation"`, `"test"`, or None for every image.
            Defaults to None.
        condition: `"quadrant"`, or None for plain segmentation: items without
            `"conditioning"`, whose label is every nucleus. Defaults to "quadrant".
        pairs: `"fixed"`, each image with one quadrant drawn from those that hold a
            nucleus; `"fresh"`, a new draw each epoch (`set_epoch`, which `Batches`
            calls); `"all"`, an item for every quadrant that holds a nucleus. Images
            without nuclei have no pair and are left out; with `condition=None`,
            which needs no pairs, they stay. Defaults to "fixed".
        size: height and width in pixels to resize to, or one number for both. None
            keeps each image's own size. Defaults to None.
        crop: height and width in pixels of the centre crop (or padding) before
            that. Defaults to None.
        channels: 3, grey repeated, or 1, luminance. Defaults to 3.
        normalise: stretch the grey levels of each image, as above. False leaves
            them as fractions of the file's bit depth. Defaults to True.
        modality: `"fluorescence"` or `"brightfield"` keeps one kind, by the median
            luminance of the file (at most a quarter of full scale, or more); the
            split of an image does not depend on it. Defaults to None.
        instances: add `"instances"` to each item. Defaults to False.
        augment: mirror and turn by quarters (by halves where the frame is not
            square), drawn anew each epoch with the pair. For training:
            `pairs="fresh"` or `condition=None`. Defaults to False.
        cache: keep the frames in memory. Defaults to False.
        seed: of the split and of every draw; at least 0. Defaults to 42.

    Returns:
        A source: `len(source)`, `source[i]` a dict of arrays, `source.steer(i)` the
        same image under all four conditions.

    Raises:
        FileNotFoundError: where `root` is no folder or holds no images.
        ValueError: for an argument out of its range, or one error that names all
            files that cannot be used: without partner, damaged, of another size
            than its image, or a label that does not hold whole numbers. Every
            image is looked at, and every label of the split.
        ImportError: where Pillow is missing.

    Example:

    >>> import pathlib, tempfile
    >>> from PIL import Image
    >>> folder = tempfile.TemporaryDirectory()
    >>> square = np.zeros((8, 8), "uint8")
    >>> square[1:3, 1:3] = 1
    >>> for name, picture in (("images", 200 * square), ("labels", square)):
    ...     pathlib.Path(folder.name, name).mkdir()
    ...     Image.fromarray(picture).save(pathlib.Path(folder.name, name, "a.png"))
    >>> source = keras_condattn.datasets.dsb2018.load(folder.name, size=(4, 4))
    >>> source[0]["image"].shape, source[0]["conditioning"].tolist()
    ((4, 4, 3), [1.0, 0.0, 0.0, 0.0])
    >>> [int(item["label"].sum()) for item in source.steer(0)]
    [1, 0, 0, 0]

    Reference:
        Caicedo et al., "Nucleus segmentation across imaging experiments: the 2018
        Data Science Bowl", Nature Methods 16, 2019; image set BBBC038v1 of the
        Broad Bioimage Benchmark Collection, CC0. Steering by quadrant is ours,
        after CLEVR-Seg of INSIDE (arXiv 2008.10418).
    """
    _check_choices(split=split, condition=condition, pairs=pairs, modality=modality)
    _check_numbers(channels, seed)
    _check_augment(augment, split, condition, pairs)
    framing = Framing(channels, normalise, _pair("crop", crop), _pair("size", size))
    records, shapes = _chosen(root, split, modality, seed)
    return Nuclei(
        records,
        shapes,
        framing,
        condition=condition,
        pairs=pairs,
        instances=instances,
        augment=augment,
        cache=cache,
        seed=seed,
    )


def _chosen(
    root: str | os.PathLike[str], split: str | None, modality: str | None, seed: int
) -> tuple[list[Record], list[Shape]]:
    """The records of a split, and their images' shapes; looks at every image."""
    records, problems = find_records(os.fspath(root))
    seen: list[tuple[Record, str, Shape]] = []
    for record in records:
        try:
            image = read_image(record.image)
        except ValueError as error:
            problems.append(str(error))
            continue
        seen.append((record, modality_of(image), (image.shape[0], image.shape[1])))
    raise_all(problems)
    splits = deal([r.id for r, *_ in seen], [kind for _, *kind in seen], seed)
    kept = [
        (record, shape)
        for (record, kind, shape), where in zip(seen, splits, strict=True)
        if split in (None, where) and modality in (None, kind)
    ]
    if not kept:
        raise ValueError(
            f"split={split!r}, modality={modality!r}: none of the {len(seen)} images "
            f"in {os.fspath(root)!r}"
        )
    return [record for record, _ in kept], [shape for _, shape in kept]


def _check_choices(**chosen: str | None) -> None:
    allowed: dict[str, tuple[str | None, ...]] = {
        "split": (*SPLITS, None),
        "condition": ("quadrant", None),
        "pairs": PAIRS,
        "modality": (*MODALITIES, None),
    }
    for name, value in chosen.items():
        if value not in allowed[name]:
            raise ValueError(f"{name} must be one of {allowed[name]}, got {value!r}")


def _check_numbers(channels: int, seed: int) -> None:
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 or 3, got {channels!r}")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed must be a whole number of at least 0, got {seed!r}")


def _check_augment(
    augment: bool, split: str | None, condition: str | None, pairs: str
) -> None:
    if not augment:
        return
    if split in ("validation", "test"):
        raise ValueError(f"augment=True is for training, got split={split!r}")
    if condition is not None and pairs != "fresh":
        raise ValueError(
            "augment=True moves the nuclei to other quadrants each epoch, so it needs "
            f"pairs='fresh', got pairs={pairs!r}"
        )


def _pair(name: str, value: int | tuple[int, int] | None) -> tuple[int, int] | None:
    """(height, width) of an argument given as such, or as one number for both."""
    if value is None:
        return None
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or any(
        isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in pair
    ):
        raise ValueError(
            f"{name} must be (height, width) in pixels, or one number for both, got "
            f"{value!r}"
        )
    return pair[0], pair[1]
