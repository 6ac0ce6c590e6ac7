"""Small pictures of coloured blocks, in the layout in which COCO is published."""

import json

import numpy as np
from PIL import Image

# Not in the order of their numbers, which have gaps, as COCO's have.
CATEGORIES = [{"id": 18, "name": "dog"}, {"id": 1, "name": "person"},
              {"id": 90, "name": "toothbrush"}]  # fmt: skip
HEIGHT, WIDTH = 48, 64


def scene(number):
    """Grey, with a red block where objects() has its polygon."""
    image = np.full((HEIGHT, WIDTH, 3), 60 + number % 100, "uint8")
    image[8:24, 16:48] = (200, 40, 40)
    return image


def image_entry(number, name=None):
    name = name or f"{number:012d}.jpg"
    return {"id": number, "file_name": name, "height": HEIGHT, "width": WIDTH}


def thing(image, category, box, segmentation=None, crowd=0, number=1):
    x, y, w, h = box
    around = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    return {
        "id": number, "image_id": image, "category_id": category, "iscrowd": crowd,
        "bbox": list(box), "area": w * h,
        "segmentation": around if segmentation is None else segmentation,
    }  # fmt: skip


def runs(mask):
    """Uncompressed run lengths, by columns, outside first."""
    flat = np.concatenate([[0], mask.T.ravel(), [0]]).astype(int)
    ends = np.flatnonzero(np.diff(flat))
    counts = np.diff([0, *ends, mask.size]).tolist()
    return {"size": list(mask.shape), "counts": counts}


def crowd_mask():
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[30:40, 4:20] = mask[34:44, 10:30] = True
    return mask


def annotations(numbers):
    """A red person in each; a crowd of dogs in the second; the last shows nothing."""
    things = [thing(n, 1, (16, 8, 32, 16), number=n) for n in numbers[:-1]]
    crowd = runs(crowd_mask())
    things.append(thing(numbers[1], 18, (4, 30, 26, 14), crowd, 1, number=900))
    return things


def content(numbers):
    return {
        "images": [image_entry(n) for n in reversed(numbers)],
        "categories": CATEGORIES,
        "annotations": annotations(numbers),
    }


def write_part(root, part, numbers, listed=None, folder="annotations"):
    """Pictures, and what is said of them (`listed` where it is not the usual)."""
    (root / part).mkdir(parents=True, exist_ok=True)
    (root / folder).mkdir(exist_ok=True)
    for number in numbers:
        path = root / part / f"{number:012d}.jpg"
        Image.fromarray(scene(number)).save(path, quality=100, subsampling=0)
    listed = content(numbers) if listed is None else listed
    (root / folder / f"instances_{part}.json").write_text(json.dumps(listed))
