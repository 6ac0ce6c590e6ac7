"""What is wrong with a copy of COCO is said in one error, by name and place."""

import json

import pytest

pytest.importorskip("PIL", reason="Pillow, the extra 'images', is not installed")
from coco_layout import CATEGORIES, content, image_entry, thing, write_part
from PIL import Image

from keras_condattn.datasets import coco

pytestmark = pytest.mark.pure
NUMBERS = [1, 2, 3, 4]
BOX = (16, 8, 32, 16)


@pytest.fixture
def root(tmp_path):
    write_part(tmp_path, "train2017", NUMBERS)
    return tmp_path


def say(root, listed):
    text = listed if isinstance(listed, str) else json.dumps(listed)
    (root / "annotations" / "instances_train2017.json").write_text(text)


def picture(root, number):
    return root / "train2017" / f"{number:012d}.jpg"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"images": [', "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ('{"images": NaN}', "NaN is no number of JSON"),
        ("[]", "no list 'images', 'categories', 'annotations'"),
        ('{"images": [], "categories": {}}', "no list 'categories', 'annotations'"),
        (
            '{"images": [], "categories": [], "annotations": []}',
            r"(?s)2 entries cannot.*images: an empty list.*categories: an empty list",
        ),
    ],
    ids=lambda text: text[:20],
)
def test_a_file_that_is_no_such_json(root, text, message):
    say(root, text)
    with pytest.raises(ValueError, match=message) as raised:
        coco.load(root)
    assert "instances_train2017.json: " in str(raised.value)


@pytest.mark.parametrize(
    ("key", "entry", "message"),
    [
        ("images", 7, r"images\[4\]: must be an object in braces, got 7"),
        ("images", {"id": 9}, r"images\[4\] \(id 9\): without 'file_name'"),
        ("images", image_entry(1), r"images\[4\] \(id 1\): id 1 or the name"),
        ("images", {**image_entry(9), "width": 0}, "'width' must be a whole number"),
        ("images", image_entry(9, "../../secret.jpg"), "file inside the folder"),
        ("images", image_entry(9, "/etc/secret.jpg"), "file inside the folder"),
        ("images", image_entry(9, "C:\\secret.jpg"), "file inside the folder"),
        ("images", image_entry(9, "a\\..\\b.jpg"), "file inside the folder"),
        ("images", image_entry(9, "a\0.jpg"), "file inside the folder"),
        ("images", {**image_entry(9), "file_name": 3}, "'file_name' must be a text"),
        ("categories", CATEGORIES[0], r"categories\[3\] \(id 18\): id 18 or the name"),
        ("categories", {"id": 7}, "without 'name'"),
        ("annotations", {}, r"annotations\[4\]: without 'image_id'"),
        ("annotations", thing(77, 1, BOX), "'image_id' is 77, which 'images' does not"),
        ("annotations", thing(1, 5, BOX), "'category_id' is 5, which 'categories'"),
        ("annotations", thing(1, True, BOX), "'category_id' must be a whole number"),
        ("annotations", {**thing(1, 1, BOX), "iscrowd": 2}, "'iscrowd' must be 0 or 1"),
        ("annotations", {"image_id": 1, "category_id": 1}, "without 'bbox'"),
        ("annotations", thing(1, 1, (70, 8, 4, 4)), "over a picture 64 pixels wide"),
        ("annotations", thing(1, 1, (0, 0, -3, 4)), "'bbox' must be"),
        ("annotations", {**thing(1, 1, BOX), "bbox": [1, 2, "3", 4]}, "'bbox' must be"),
        ("annotations", {**thing(1, 1, BOX), "bbox": [1, 2, 3]}, "'bbox' must be"),
        ("annotations", {**thing(1, 1, BOX), "bbox": [10**400, 0, 1, 1]}, "'bbox' m"),
    ],
)
def test_an_entry_that_cannot_be(root, key, entry, message):
    listed = content(NUMBERS)
    say(root, {**listed, key: [*listed[key], entry]})
    with pytest.raises(ValueError, match=message) as raised:
        coco.load(root, on_error="skip")
    assert "json: 1 entry cannot be used:\n" in str(raised.value)


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        (None, "without 'segmentation'"),
        ("abc", "must be a list of polygons or run lengths"),
        ([[1, 2, 3, 4, 5, 6, 7]], "a polygon must be"),
        ([[1, 2, 3, 4, 5, 1e9]], "a polygon must be"),
        ([[1, 2, 3, 4, 5, "6"]], "a polygon must be"),
        ([7], "a polygon must be"),
        ([[0, 0, 128, 128] * 40_000], "a polygon must be"),
        ({"size": [48, 64]}, "whole numbers that sum to 3072"),
        ({"size": [64, 48], "counts": [3072]}, r"that of the image, \[48, 64\]"),
        ({"size": [48, 64], "counts": [3071]}, "whole numbers that sum to 3072"),
        ({"size": [48, 64], "counts": [4000, -928]}, "whole numbers that sum to 3072"),
        ({"size": [48, 64], "counts": [3072.0]}, "whole numbers that sum to 3072"),
        ({"size": [48, 64], "counts": "23"}, "whole numbers that sum to 3072"),
        ({"size": [48, 64], "counts": "o" * 100_000}, "whole numbers that sum to 3072"),
        ({"size": [48, 64], "counts": "2\u1234"}, "whole numbers that sum to 3072"),
    ],
)  # fmt: skip
def test_an_outline_that_cannot_be(root, segmentation, message):
    pytest.importorskip(
        "pycocotools", reason="pycocotools, the extra 'coco', is not installed"
    )
    wrong = {**thing(1, 1, BOX), "segmentation": segmentation}
    if segmentation is None:
        del wrong["segmentation"]
    say(root, {**content(NUMBERS), "annotations": [thing(2, 1, BOX), wrong]})
    with pytest.raises(ValueError, match=rf"annotations\[1\] \(id 1\): .*{message}"):
        coco.load(root, masks=True)
    assert len(coco.load(root)) == 4  # nobody asked for masks


def test_many_problems_are_counted_and_the_first_named(root):
    listed = content(NUMBERS)
    listed["annotations"] = [thing(77, 1, BOX)] * 30
    say(root, listed)
    with pytest.raises(ValueError, match=r"(?s)30 entries.*\.\.\. and 20 more$"):
        coco.load(root)


def spoil(root):
    picture(root, 1).unlink()
    picture(root, 2).write_bytes(b"")


def test_one_error_names_every_image_that_is_not_there(root):
    spoil(root)
    with pytest.raises(ValueError, match="2 images cannot be used") as raised:
        coco.load(root)
    for number, what in ((1, "annotated, but no such file"), (2, "an empty file")):
        assert f"{picture(root, number)}: {what}" in str(raised.value)


def test_skipping_leaves_them_out_and_nobody_else_changes_split(tmp_path):
    write_part(tmp_path, "train2017", list(range(1, 41)))
    options = {"protocol": "held_out", "size": 8}
    splits = ("train", "validation")
    whole = {s: coco.load(tmp_path, s, **options).ids for s in splits}
    for ids in whole.values():
        picture(tmp_path, int(ids[0])).unlink()
    for split, ids in whole.items():
        with pytest.warns(UserWarning, match=f"left out: 1 image cannot.*\n.*{ids[0]}"):
            kept = coco.load(tmp_path, split, on_error="skip", **options)
        assert kept.ids == ids[1:]
        assert list(kept.skipped) == [str(picture(tmp_path, int(ids[0])))]


def test_nothing_left_is_an_error_even_when_skipping(root):
    for number in NUMBERS:
        picture(root, number).unlink()
    with pytest.raises(ValueError, match="4 images cannot be used"):
        coco.load(root, on_error="skip")


def test_damage_and_other_sizes_are_named_when_read_or_by_verify(root):
    picture(root, 1).write_bytes(b"<html>not found</html>")
    Image.new("RGB", (64, 40)).save(picture(root, 2))
    source = coco.load(root, size=8)
    with pytest.raises(ValueError, match=r"0001\.jpg: cannot be read as a picture"):
        source[0]
    with pytest.raises(ValueError, match="0002.jpg: the picture is 40 x 64 pixels .* "
                       "annotations say 48 x 64"):  # fmt: skip
        source[1]
    with pytest.raises(ValueError, match=r"(?s)2 images .*0001\.jpg.*0002\.jpg"):
        coco.load(root, verify=True)


def test_folders_that_are_not_there(root, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        coco.load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"no instances_train2017\.json or"):
        coco.load(root / "train2017")
    (root / "train2017").rename(root / "pictures")
    with pytest.raises(FileNotFoundError, match=r"no folder train2017/"):
        coco.load(root)


def test_parts_of_other_categories_do_not_go_together(root):
    listed = {**content([8, 9]), "categories": [*CATEGORIES, {"id": 2, "name": "cat"}]}
    write_part(root, "val2017", [8, 9], listed)
    with pytest.raises(ValueError, match="list different categories"):
        coco.load(root)
    assert len(coco.load(root, "validation").classes) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "val2017"}, "split must be one of"),
        ({"protocol": "random"}, "protocol must be one of"),
        ({"size": 0}, "size must be a whole number of at least 1"),
        ({"size": (4, 4)}, "size must be a whole number"),
        ({"normalise": "minmax"}, "normalise must be one of"),
        ({"on_error": "ignore"}, "on_error must be one of"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"augment": 3}, "augment must be a bool or a CropAndJitter"),
        ({"augment": True, "size": None}, "augment crops and resizes"),
        ({"augment": True, "split": "validation"}, "augment is for training"),
    ],
)
def test_arguments_out_of_range_are_named(root, arguments, message):
    with pytest.raises(ValueError, match=message):
        coco.load(root, **arguments)
