"""Small micrographs, written in the two layouts that `dsb2018.load` reads."""

import numpy as np
from PIL import Image

from keras_condattn.datasets import dsb2018


def scene(seed, shape=(16, 20), nuclei=3):
    """A grey micrograph and its instance numbers, small discs at random places."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, "uint16")
    y, x = np.indices(shape)
    for number in range(1, nuclei + 1):
        cy, cx = rng.uniform(2, shape[0] - 2), rng.uniform(2, shape[1] - 2)
        labels[(y - cy) ** 2 + (x - cx) ** 2 <= 4] = 40 * number
    image = (labels > 0) * 30 + rng.integers(0, 4, shape)
    return image.astype("uint8"), labels


def write_labelled(root, scenes):
    for folder in ("images", "labels"):
        (root / folder).mkdir(exist_ok=True)
    for name, (image, labels) in scenes.items():
        Image.fromarray(image).save(root / "images" / f"{name}.png")
        Image.fromarray(labels).save(root / "labels" / f"{name}.png")


def write_challenge(root, scenes):
    for name, (image, labels) in scenes.items():
        for folder in ("images", "masks"):
            (root / name / folder).mkdir(parents=True)
        rgba = np.dstack([image] * 3 + [np.full_like(image, 255)])
        Image.fromarray(rgba).save(root / name / "images" / f"{name}.png")
        for number in np.unique(labels)[1:]:
            mask = (labels == number).astype("uint8") * 255
            Image.fromarray(mask).save(root / name / "masks" / f"{number:05d}.png")


def brute_label(labels, quadrant):
    """The rule written out: a nucleus, whole, where its centroid is."""
    out = np.zeros(labels.shape, "uint8")
    height, width = labels.shape
    for number in set(labels.ravel().tolist()) - {0}:
        y, x = np.nonzero(labels == number)
        bottom, right = y.mean() + 0.5 >= height / 2, x.mean() + 0.5 >= width / 2
        name = f"{'bottom' if bottom else 'top'}_{'right' if right else 'left'}"
        if name == dsb2018.QUADRANTS[quadrant]:
            out[labels == number] = 1
    return out
