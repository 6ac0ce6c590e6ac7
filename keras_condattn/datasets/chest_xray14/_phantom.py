"""Drawn radiographs in the layout of ChestX-ray14, for trying things without data."""

import csv
import os
import pathlib

import numpy as np

from keras_condattn.datasets._arguments import check_whole
from keras_condattn.datasets._pictures import pillow
from keras_condattn.datasets.chest_xray14._phantom_image import Chest
from keras_condattn.datasets.chest_xray14._table import LISTED, NAME, PATIENT

TABLE = "Data_Entry_2017.csv"
MOST = 99_999
SMALLEST, LARGEST = 48, 4096


def write_phantoms(
    root: str | os.PathLike[str],
    images: int = 100,
    *,
    size: int = 256,
    seed: int = 0,
) -> pathlib.Path:
    """Writes drawn radiographs as images of ChestX-ray14: for guides and trying out.

    ```
    root/Data_Entry_2017.csv              # each of a patient of its own, No Finding
    root/images/00000001_000.png, ...     # 8 bits
    ```

    No picture of anyone is in it: a chest of ellipses and arcs, computed here, with
    lungs, heart, diaphragm, spine, ribs, clavicles and vessels that differ from image
    to image, and noise. There is nothing to find in them until `load(root,
    nodules=True)` draws nodules. What a network learns from them says nothing about
    real radiographs.

    Args:
        root: the folder, made where it is not there. Give it to `load`.
        images: how many. Defaults to 100.
        size: pixels a side, 48 to 4096. Defaults to 256.
        seed: the same seed draws the same images, and `images` does not change those
            it begins with. Defaults to 0.

    Returns:
        `root`, as a path.

    Raises:
        ValueError: for an argument out of its range.
        FileExistsError: where the table or the folder of images is there already;
            nothing is then written.
        ImportError: where Pillow is missing.

    Example:

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> root = keras_condattn.datasets.chest_xray14.write_phantoms(
    ...     folder.name, 2, size=64
    ... )
    >>> source = keras_condattn.datasets.chest_xray14.load(root, size=64, nodules=True)
    >>> source[0]["image"].shape, source.classes
    ((64, 64, 1), ('Nodule',))
    """
    check_whole(1, MOST, images=images)
    check_whole(SMALLEST, LARGEST, size=size)
    check_whole(0, seed=seed)
    module, top = pillow(), pathlib.Path(root).expanduser()
    for path in (top / TABLE, top / "images"):
        if path.exists():
            raise FileExistsError(f"root: {path} is there already; name another folder")
    (top / "images").mkdir(parents=True)
    rows = []
    for number in range(1, images + 1):
        image = Chest.draw(size, np.random.default_rng([seed, number])).image()
        name = f"{number:08d}_000.png"
        levels = np.rint(image * 255).astype("uint8")
        module.fromarray(levels).save(top / "images" / name)
        rows.append([name, "No Finding", number])
    # The table last: a folder without it is refused by `load`.
    with open(top / TABLE, "w", newline="") as file:
        csv.writer(file).writerows([[NAME, LISTED, PATIENT], *rows])
    return top
