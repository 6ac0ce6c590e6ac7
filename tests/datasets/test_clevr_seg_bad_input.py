"""Damaged CLEVR-Seg folders and wrong arguments: each is named."""

import json
import shutil

import numpy as np
import pytest
from clevr_layout import FOUR, SIDE, write, write_folder

from keras_condattn.datasets import clevr_seg

pytestmark = pytest.mark.pure

Image = pytest.importorskip("PIL.Image", reason="Pillow reads the pictures")


@pytest.fixture
def root(tmp_path):
    return write_folder(tmp_path)


def broken_json(root):
    (root / "scenes/CLEVR_000003.json").write_text('{"objects": [')


def no_json(root):
    (root / "scenes/CLEVR_000003.json").unlink()


def no_image(root):
    (root / "images/CLEVR_000003.png").unlink()


def no_mask(root):
    (root / "segmentations/CLEVR_000003/part1.png").unlink()


def no_masks(root):
    shutil.rmtree(root / "segmentations/CLEVR_000003")


def edited(**changes):
    def break_it(root):
        path = root / "scenes/CLEVR_000003.json"
        scene = json.loads(path.read_text())
        scene["objects"][1].update(changes)
        path.write_text(json.dumps(scene))

    return break_it


def content(text):
    return lambda root: (root / "scenes/CLEVR_000003.json").write_text(text)


@pytest.mark.parametrize(
    ("break_it", "condition", "message"),
    [
        (broken_json, "shape", "CLEVR_000003.json: not readable as JSON"),
        (content("\xff\x00"), "shape", "CLEVR_000003.json: not readable as JSON"),
        (content("[" * 100_000), "shape", "CLEVR_000003.json: not readable as JSON"),
        (content("[]"), "shape", "CLEVR_000003.json: has no list 'objects'"),
        (content('{"objects": 3}'), "shape", "has no list 'objects'"),
        (content('{"objects": [1, 2]}'), "shape", "'shape' of object 0 must be one of"),
        (content('{"objects": [1, 2]}'), "quadrant", "'pixel_coords' of object 0"),
        (no_json, "shape", "CLEVR_000003.png: there is no .*CLEVR_000003.json"),
        (no_image, "shape", "CLEVR_000003.json: there is no image .*CLEVR_000003.png"),
        (no_mask, "shape", "CLEVR_000003: 1 masks, but .* has 2 objects"),
        (no_masks, "shape", "CLEVR_000003: 0 masks, but .* has 2 objects"),
        (edited(shape="cone"), "shape", "'shape' of object 1 .*got 'cone'"),
        (edited(color=["orange"]), "color", "'color' of object 1"),
        (edited(pixel_coords=[1]), "quadrant", r"'pixel_coords' of object 1 .*\[1\]"),
        (edited(pixel_coords=["1", "2"]), "quadrant", "'pixel_coords' of object 1"),
        (edited(pixel_coords=None), "quadrant", "'pixel_coords' of object 1"),
        (edited(pixel_coords=[1, float("nan"), 2]), "quadrant", "'pixel_coords'"),
        (edited(pixel_coords={"x": 1}), "quadrant", "'pixel_coords'"),
        (edited(pixel_coords=[10**400, 1, 1]), "quadrant", "'pixel_coords'"),
    ],
)
def test_bad_scenes_are_named_on_loading(root, break_it, condition, message):
    break_it(root)
    with pytest.raises(ValueError, match=f"(?s)1 scenes cannot be used.*{message}"):
        clevr_seg.load(root, condition=condition)


def test_a_word_that_is_not_asked_for_is_not_checked(root):
    edited(shape="cone")(root)
    assert len(clevr_seg.load(root, condition="size")) == 25


def test_all_bad_scenes_are_in_one_message(root):
    for k in range(8):
        (root / f"scenes/CLEVR_{k:06d}.json").write_text("{")
    with pytest.raises(ValueError, match="8 scenes cannot be used") as caught:
        clevr_seg.load(root)
    assert "CLEVR_000004.json" in str(caught.value)
    assert "CLEVR_000005.json" not in str(caught.value)
    assert str(caught.value).endswith("and 3 more")


@pytest.mark.parametrize("folder", ["images", "scenes", "segmentations", "."])
def test_missing_folders(root, folder):
    shutil.rmtree(root / folder)
    with pytest.raises(FileNotFoundError, match="root: there is no folder"):
        clevr_seg.load(root)


def test_a_folder_without_images(root):
    for name in ("images", "scenes"):
        shutil.rmtree(root / name)
        (root / name).mkdir()
    with pytest.raises(FileNotFoundError, match="no images in"):
        clevr_seg.load(root)


def save_mask(root, pixels):
    Image.fromarray(pixels).save(root / "segmentations/CLEVR_000000/part2.png")


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.full((SIDE, SIDE), 0, np.uint8), r"holds 64 .*255 .*got \[0\]"),
        (np.full((SIDE, SIDE), 128, np.uint8), r"got \[128\]"),
        (np.full((SIDE, SIDE), 64, np.uint16), "expected 8 bits a channel"),
        (np.full((SIDE, SIDE + 1), 64, np.uint8), "8x9 pixels, but its image has 8x8"),
    ],
)
def test_bad_masks_are_named_on_reading(root, pixels, message):
    save_mask(root, pixels)
    source = clevr_seg.load(root)
    with pytest.raises(ValueError, match=f"CLEVR_000000/part2.png: .*{message}"):
        source[0]
    assert source[1]["id"] == "CLEVR_000001"
    with pytest.raises(ValueError, match=f"1 scenes cannot be used:.*\n.*{message}"):
        clevr_seg.load(root, pairs="all")


@pytest.mark.parametrize("length", [0, 20, 60])
def test_damaged_pictures_are_named_on_reading(root, length):
    path = root / "images/CLEVR_000000.png"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"CLEVR_000000\.png: not readable as PNG"):
        clevr_seg.load(root)[0]


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("split", "val"),
        ("condition", "position"),
        ("condition", None),
        ("pairs", "random"),
        ("seed", -1),
        ("seed", 1.5),
        ("size", 0),
        ("size", (8, 8, 3)),
        ("size", 8.0),
    ],
)
def test_bad_arguments(root, argument, value):
    with pytest.raises(ValueError, match=f"{argument} must be .*got"):
        clevr_seg.load(root, **{argument: value})


def test_an_empty_split(tmp_path):
    write(tmp_path, "a", FOUR)
    with pytest.raises(ValueError, match="split='train' has none of the 1 images"):
        clevr_seg.load(tmp_path, "train")
