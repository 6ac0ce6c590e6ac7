"""Small hearts, written in the layouts that `acdc.load` reads."""

import h5py
import nibabel
import numpy as np

SPACING = (10.0, 1.5, 1.25)  # slices, rows, columns, mm
SHAPE = (4, 6, 5)
# As in the challenge's files, x and y run against the patient's; with a position.
AFFINE = np.array(
    [[-1.25, 0, 0, 7], [0, -1.5, 0, -3], [0, 0, 10, 40], [0, 0, 0, 1]], float
)
GROUPS = ("NOR", "DCM", "HCM", "MINF", "RV")


def heart(seed, shape=SHAPE):
    """Grey levels, labels (0 to 3) and scribbles (0 to 4), (D, H, W)."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 4, shape).astype("uint8")
    scribble = np.where(rng.random(shape) < 0.3, label, 4).astype("uint8")
    return rng.integers(0, 4000, shape).astype("uint16"), label, scribble


def write_volume(path, array, affine=AFFINE):
    """A NIfTI file of an array (D, H, W)."""
    image = nibabel.Nifti1Image(np.asarray(array).transpose(2, 1, 0), affine)
    image.header.set_xyzt_units("mm")
    image.to_filename(path)


def write_info(folder, **lines):
    text = "".join(f"{key}: {value}\n" for key, value in lines.items())
    (folder / "Info.cfg").write_text(text)


def write_patient(root, number, group="NOR", frames=(1, 12), hearts=None, kind="nii"):
    """A patient's folder; ED is the first of `frames`. Returns the folder."""
    name = f"patient{number:03d}"
    folder = root / name
    folder.mkdir(parents=True)
    write_info(
        folder, ED=frames[0], ES=frames[1], Group=group, Height="184.0", Weight="95.0"
    )
    for frame, arrays in zip(frames, hearts or both(number), strict=True):
        for suffix, array in zip(("", "_gt", "_scribble"), arrays, strict=True):
            write_volume(folder / f"{name}_frame{frame:02d}{suffix}.{kind}", array)
    return folder


def both(number):
    """The hearts at the two phases that `write_patient` gives a patient."""
    return heart(2 * number), heart(2 * number + 1)


def write_packed(root, number, frames=(1, 12)):
    """The preprocessed volumes of a patient; the earlier frame has the even seed."""
    root.mkdir(parents=True, exist_ok=True)
    for frame, (image, label, scribble) in zip(frames, both(number), strict=True):
        with h5py.File(root / f"patient{number:03d}_frame{frame:02d}.h5", "w") as file:
            file["image"] = (image / 4000).astype("float32")
            file["label"], file["scribble"] = label, scribble


def write_many(root, count=10):
    """Patients 1 to `count`, the groups in turn."""
    for number in range(1, count + 1):
        write_patient(root, number, GROUPS[number % 5])
