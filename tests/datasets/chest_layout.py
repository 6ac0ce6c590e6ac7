"""Small radiographs of nobody, in the layouts that `chest_xray14.load` reads."""

import numpy as np
from PIL import Image

from keras_condattn.datasets import chest_xray14

FINDINGS = chest_xray14.FINDINGS
# As published: the brackets' commas part the headings.
PUBLISHED = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,"
    "View Position,OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
)
BOX_HEADING = "Image Index,Finding Label,Bbox [x,y,w,h],,,"
COLUMNS = (
    "Cardiomegaly", "Emphysema", "Effusion", "Hernia", "Infiltration", "Mass", "Nodule",
    "Atelectasis", "Pneumothorax", "Pleural_Thickening", "Pneumonia", "Fibrosis",
    "Edema", "Consolidation",
)  # fmt: skip


def film(seed, side=64):
    """Bright, with two dark lungs, one dark corner and some grain."""
    rng = np.random.default_rng(seed)
    y, x = (np.indices((side, side)) + 0.5) / side
    lungs = np.minimum(abs(x - 0.31), abs(x - 0.69)) / 0.14
    image = np.where(lungs**2 + ((y - 0.45) / 0.28) ** 2 < 1, 60, 180)
    image[: side // 8, : side // 8] = 5
    return (image + rng.integers(0, 8, (side, side))).astype("uint8")


def cases(patients=30, images=2):
    """(name, findings, patient) of a few films a patient."""
    return [
        (f"{p:08d}_{k:03d}.png", [FINDINGS[p % 14]] * (p % 3 > 0), p)
        for p in range(1, patients + 1)
        for k in range(images)
    ]


def write_films(folder, rows, side=64):
    folder.mkdir(parents=True, exist_ok=True)
    for number, row in enumerate(rows):
        Image.fromarray(film(number, side)).save(folder / row[0])


def write_published(root, rows, name="Data_Entry_2017.csv"):
    lines = [
        f"{image},{'|'.join(found) or 'No Finding'},0,{patient},58,M,PA,2682,2749,"
        "0.143,0.143,"
        for image, found, patient in rows
    ]
    (root / name).write_text("\n".join([PUBLISHED, *lines]) + "\n")


def write_random(root, rows, folds, name="nih_labels.csv"):
    heading = ["Image Index", "Follow-up #", "Patient ID", "Patient Age",
               "Patient Gender", "View Position", *COLUMNS, "fold"]  # fmt: skip
    lines = [
        ",".join(
            [image, "0", str(patient), "58", "M", "PA"]
            + [str(int(column in found)) for column in COLUMNS]
            + [fold]
        )
        for (image, found, patient), fold in zip(rows, folds, strict=True)
    ]
    (root / name).write_text("\n".join([",".join(heading), *lines]) + "\n")


def write_boxes(root, boxes):
    """Boxes: (image, finding, x, y, w, h) in pixels of 1024."""
    lines = [",".join(map(str, box)) + ",,," for box in boxes]
    (root / "BBox_List_2017.csv").write_text("\n".join([BOX_HEADING, *lines]) + "\n")


def write_lists(root, learn, test):
    (root / "train_val_list.txt").write_text("\n".join(learn) + "\n")
    (root / "test_list.txt").write_text("\n".join(test))


def write_set(root, rows=None, side=64):
    rows = cases() if rows is None else rows
    write_films(root / "images", rows, side)
    write_published(root, rows)
    return rows
