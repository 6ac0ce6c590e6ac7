"""Writes small scenes in CLEVR-Seg's layout, for the tests of its reader."""

import json

import numpy as np

SIDE = 8
# An object: corner (row, column) of its 2x2 square, then its words.
TOP_LEFT = (0, 0, "cube", "small", "alizarin")
TOP_RIGHT = (1, 5, "sphere", "medium", "nephritis")
BOTTOM_RIGHT = (5, 4, "triangle", "large", "orange")
BOTTOM_LEFT = (6, 2, "cube", "large", "nephritis")
FOUR = (TOP_LEFT, TOP_RIGHT, BOTTOM_RIGHT, BOTTOM_LEFT)


def write(root, name, things, mode="L", mask_values=(64, 255)):
    from PIL import Image

    for folder in ("images", "scenes", f"segmentations/{name}"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    image = np.full((SIDE, SIDE, 3), 100, np.uint8)
    objects = []
    for k, (row, column, shape, size, color) in enumerate(things):
        image[row : row + 2, column : column + 2] = 10 * k
        mask = np.full((SIDE, SIDE), mask_values[0], np.uint8)
        mask[row : row + 2, column : column + 2] = mask_values[1]
        picture = Image.fromarray(mask).convert(mode)
        picture.save(root / f"segmentations/{name}/part{k}.png")
        words = {"shape": shape, "size": size, "color": color, "rotation": 0.0}
        place = {"3d_coords": [0, 0, 0], "pixel_coords": [column + 1, row + 1, 9.5]}
        objects.append({**words, **place})
    Image.fromarray(image).save(root / f"images/{name}.png")
    (root / f"scenes/{name}.json").write_text(json.dumps({"objects": objects}))


def square(thing):
    mask = np.zeros((SIDE, SIDE, 1), np.uint8)
    mask[thing[0] : thing[0] + 2, thing[1] : thing[1] + 2] = 1
    return mask


def write_folder(root):
    """25 scenes: five with all four quadrants, twenty with two of them."""
    for k in range(25):
        things = FOUR if k % 5 == 0 else (FOUR[k % 4], FOUR[(k + 1) % 4])
        write(root, f"CLEVR_{k:06d}", things)
    return root
