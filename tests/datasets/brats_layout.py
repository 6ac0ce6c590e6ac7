"""Small scans, written in the layouts that `brats` reads."""

import nibabel
import numpy as np

SHAPE = (4, 6, 5)
SPACING = (3.0, 1.5, 1.25)
AFFINE = np.array(
    [[-1.25, 0, 0, 7], [0, -1.5, 0, -3], [0, 0, 3, 40], [0, 0, 0, 1]], float
)
OLD = ("flair", "t1", "t1ce", "t2")
NEW = {"flair": "t2f", "t1": "t1n", "t1ce": "t1c", "t2": "t2w"}


def brain(seed, shape=SHAPE, level=0):
    """Grey levels in air of one level, and a tumour in slices 1 and 2."""
    rng = np.random.default_rng(seed)
    image = np.full(shape, level, "uint16")
    image[:, 1:-1, 1:-1] = rng.integers(
        100, 4000, (shape[0], *(n - 2 for n in shape[1:]))
    )
    image[0, 1:-1, 1:-1] = level
    image[0, 2, 2] = 700
    label = np.zeros(shape, "uint8")
    label[1, 2, 2:4] = (1, 4)
    label[2, 2:4, 2] = 2
    return image, label


def write_volume(path, array, affine=AFFINE):
    """A NIfTI file of an array (D, H, W)."""
    image = nibabel.Nifti1Image(np.asarray(array).transpose(2, 1, 0), affine)
    image.header.set_xyzt_units("mm")
    image.to_filename(path)


def write_scan(root, name, number=0, modalities=OLD, kind="nii", new=False, **given):
    """A scan's folder; modality i has the seed 10 number + i. Returns the folder."""
    folder = root / name
    folder.mkdir(parents=True)
    for place, modality in enumerate(modalities):
        image, label = brain(10 * number + place, **given)
        token = f"-{NEW[modality]}" if new else f"_{modality}"
        write_volume(folder / f"{name}{token}.{kind}", image)
    write_volume(folder / f"{name}{'-' if new else '_'}seg.{kind}", label)
    return folder


def write_many(root, count, **given):
    for number in range(count):
        write_scan(root, f"scan_{number:02d}", number, **given)


def write_pictures(
    root, patient, folders=("MR_T1", "MR_T2"), slices=(7, 9, 10), seed=0
):
    """Pictures of a patient; slice i of folder j has the values of `picture`."""
    from PIL import Image

    for place, folder in enumerate([*folders, "GT"]):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number in slices:
            array = picture(seed, place, number) if folder != "GT" else truth(number)
            Image.fromarray(array).save(root / folder / f"{patient}_{number}.png")


def picture(seed, place, number):
    rng = np.random.default_rng([seed, place, number])
    array = np.zeros((6, 5), "uint8")
    array[1:-1, 1:-1] = rng.integers(1, 255, (4, 3))
    return array


def truth(number):
    array = np.zeros((6, 5), "uint8")
    array[2, 2] = 255 * (number % 2)
    return array
