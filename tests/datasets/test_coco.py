"""Items of the COCO source: labels, boxes, masks, frames, splits."""

import pickle
import sys

import numpy as np
import pytest

pytest.importorskip("PIL", reason="Pillow, the extra 'images', is not installed")
from coco_layout import (
    CATEGORIES,
    HEIGHT,
    WIDTH,
    crowd_mask,
    image_entry,
    runs,
    scene,
    thing,
    write_part,
)

from keras_condattn.datasets import Batches, coco

pytestmark = [
    pytest.mark.pure,
    # pycocotools 2.0.11 hands NumPy its arrays in the old way.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
TRAIN, VAL = list(range(10, 50)), [1003, 1001, 1002]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("coco")
    write_part(folder, "train2017", TRAIN)
    write_part(folder, "val2017", VAL)
    return folder


def masks_or_skip():
    pytest.importorskip(
        "pycocotools", reason="pycocotools, the extra 'coco', is not installed"
    )


def write_one(root, *things):
    listed = {
        "images": [image_entry(5)], "categories": CATEGORIES, "annotations": things,
    }  # fmt: skip
    write_part(root, "train2017", [5], listed)


def test_an_item_is_the_photograph_and_what_is_where(root):
    source = coco.load(root, "validation", size=None)
    assert source.classes == ("person", "dog", "toothbrush")
    assert source.category_ids == (1, 18, 90)
    assert source.ids == ["000000001001", "000000001002", "000000001003"]
    item = source[0]  # the second of VAL, which has the crowd
    assert item["image"].shape == (HEIGHT, WIDTH, 3)
    assert item["image"].dtype == item["label"].dtype == item["boxes"].dtype
    assert item["image"].dtype == "float32"
    np.testing.assert_allclose(item["image"], scene(1001) / 255, atol=0.03)
    assert item["label"].tolist() == [1, 1, 0]
    assert item["boxes"].tolist() == [[16, 8, 32, 16], [4, 30, 26, 14]]
    assert item["box_classes"].tolist() == [0, 1]
    assert item["crowd"].tolist() == [False, True]
    assert (item["id"], item["image_id"]) == ("000000001001", 1001)
    assert "masks" not in item
    empty = source[1]
    assert empty["label"].tolist() == [0, 0, 0] and empty["boxes"].shape == (0, 4)
    assert empty["box_classes"].shape == empty["crowd"].shape == (0,)


def test_a_frame_shows_all_of_the_image_and_moves_its_boxes(root):
    item = coco.load(root, "validation", size=32)[0]
    assert item["image"].shape == (32, 32, 3)
    scale = np.array([32 / WIDTH, 32 / HEIGHT] * 2)
    np.testing.assert_allclose(item["boxes"][0], [16, 8, 32, 16] * scale, rtol=1e-6)
    x, y, w, h = np.rint(item["boxes"][0]).astype(int)
    red = item["image"][..., 0] - item["image"][..., 1] > 0.3
    rows, columns = np.nonzero(red)
    assert abs(rows.mean() + 0.5 - (y + h / 2)) < 0.5
    assert abs(columns.mean() + 0.5 - (x + w / 2)) < 0.5
    assert abs(red.sum() - w * h) <= w + h


def test_masks_of_polygons_and_runs_of_both_kinds(tmp_path):
    masks_or_skip()
    from pycocotools import mask as official

    square, crowd = [16, 8, 48, 8, 48, 24, 16, 24], crowd_mask()
    packed = official.encode(np.asfortranarray(crowd.astype("uint8")))
    text = {"size": [HEIGHT, WIDTH], "counts": packed["counts"].decode()}
    write_one(
        tmp_path, thing(5, 1, (16, 8, 32, 16), [square]),
        thing(5, 18, (4, 30, 26, 14), runs(crowd), 1),
        thing(5, 18, (4, 30, 26, 14), text, 0),
        thing(5, 90, (0, 0, 50, 24), [[0, 0, 4, 0, 4, 4, 0, 4], square, [9, 9, 9, 9]]),
        thing(5, 90, (0, 0, 1, 1), []),
    )  # fmt: skip
    masks = coco.load(tmp_path, size=None, masks=True)[0]["masks"]
    assert masks.shape == (5, HEIGHT, WIDTH) and masks.dtype == "uint8"
    block = np.zeros((HEIGHT, WIDTH), "uint8")
    block[8:24, 16:48] = 1
    np.testing.assert_array_equal(masks[0], block)
    np.testing.assert_array_equal(masks[1], crowd)
    np.testing.assert_array_equal(masks[2], crowd)
    block[0:4, 0:4] = 1
    np.testing.assert_array_equal(masks[3], block)
    assert masks[4].sum() == 0
    half = coco.load(tmp_path, size=24, masks=True)[0]["masks"]
    assert half.shape == (5, 24, 24)
    assert half[0].sum() == 8 * 12 and half[0][4:12, 6:18].all()


def test_an_image_without_objects_has_no_masks(root):
    masks_or_skip()
    item = coco.load(root, "validation", size=16, masks=True)[1]
    assert item["masks"].shape == (0, 16, 16)


def test_boxes_are_cut_to_the_picture_and_no_side_is_nothing(tmp_path):
    write_one(
        tmp_path, thing(5, 1, (-4, 40, 10.5, 20)), thing(5, 1, (30.5, 10, 5, 0)),
        thing(5, 1, (64, 48, 0, 0)),
    )  # fmt: skip
    boxes = coco.load(tmp_path, size=None)[0]["boxes"].tolist()
    assert boxes == [[0, 40, 6.5, 8], [30.5, 10, 5, 1], [63, 47, 1, 1]]


def test_augmentation_follows_the_epoch_and_takes_masks_and_boxes_along(root):
    masks_or_skip()
    source = coco.load(root, "train", size=48, augment=True, masks=True)
    first = source[3]
    np.testing.assert_array_equal(source[3]["image"], first["image"])
    source.set_epoch(1)
    assert np.abs(source[3]["image"] - first["image"]).max() > 0.05
    for number in range(6):
        item = source[number]
        red = item["image"][..., 0] - item["image"][..., 1] > 0.25
        assert (red != item["masks"][0]).mean() < 0.08
        rows, columns = np.nonzero(item["masks"][0])
        x, y, w, h = item["boxes"][0]
        np.testing.assert_allclose(
            [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1],
            [x, y, x + w, y + h], atol=1,
        )  # fmt: skip


def test_what_a_window_leaves_out_is_in_no_label(tmp_path):
    write_one(tmp_path, thing(5, 1, (24, 16, 16, 16)), thing(5, 18, (0, 0, 2, 2)))
    small = coco.CropAndJitter(flip=0.0, scale=(0.3, 0.3), ratio=(1.0, 1.0))
    source = coco.load(tmp_path, "train", size=32, augment=small)
    seen = set()
    for epoch in range(40):
        source.set_epoch(epoch)
        item = source[0]
        label = item["label"].nonzero()[0]
        assert set(label) == set(item["box_classes"])
        seen.add(tuple(label))
    assert (0,) in seen and (0, 1) not in seen


def test_grey_levels(root):
    plain = coco.load(root, "validation", size=16)[0]["image"]
    imagenet = coco.load(root, "validation", size=16, normalise="imagenet")[0]["image"]
    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    np.testing.assert_allclose(imagenet, (plain - mean) / deviation, atol=1e-5)
    z = coco.load(root, "validation", size=16, normalise="zscore")[0]["image"]
    np.testing.assert_allclose((z.mean(), z.std()), (0, 1), atol=1e-4)
    assert z.dtype == imagenet.dtype == "float32"


def test_splits(root, tmp_path):
    def ids(split, protocol):
        return coco.load(root, split, protocol=protocol, size=8).ids

    train, val = ids("train", "official"), ids("validation", "official")
    assert (len(train), len(val)) == (40, 3)
    assert ids(None, "official") == ids(None, "held_out") == train + val
    rest, held_out = ids("train", "held_out"), ids("validation", "held_out")
    assert ids("test", "held_out") == val
    assert len(held_out) == 4 and sorted(rest + held_out) == train
    other = coco.load(root, "validation", protocol="held_out", size=8, seed=1).ids
    assert other != held_out and len(other) == 4
    with pytest.raises(ValueError, match="split='test' needs protocol='held_out'"):
        ids("test", "official")
    write_part(tmp_path, "val2017", VAL, folder=".")
    assert coco.load(tmp_path, size=8).ids == val
    with pytest.raises(FileNotFoundError, match=r"no annotations/instances_train2017"):
        coco.load(tmp_path, "train")


def test_the_cache_changes_nothing_and_belongs_to_no_caller(tmp_path):
    write_part(tmp_path, "val2017", VAL)
    plain, cached = coco.load(tmp_path, size=16), coco.load(tmp_path, cache=True)
    cached.size = 16
    cached[0]["image"][:] = 7
    np.testing.assert_array_equal(cached[0]["image"], plain[0]["image"])
    (tmp_path / "val2017" / "000000001001.jpg").unlink()
    np.testing.assert_array_equal(cached[0]["image"], cached[0]["image"])


def test_a_source_can_be_pickled_iterated_and_put_in_batches(root):
    source = coco.load(root, "validation", size=16)
    again = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(again[2]["image"], source[2]["image"])
    assert len(list(source)) == 3
    batches = Batches(source, 3, inputs="image", data_format="channels_last")
    images, labels = batches[0]
    assert images.shape == (3, 16, 16, 3) and labels.shape == (3, 3)


def test_masks_need_their_extra(root, monkeypatch):
    for name in ("pycocotools", "pycocotools.mask"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"masks=True.*keras-condattn\[coco\]"):
        coco.load(root, masks=True)
    assert len(coco.load(root, "validation")) == 3


def test_real_photographs(real_data):
    """Forty of train2017: masks as COCO's own reader draws them, boxes around them."""
    masks_or_skip()
    from pycocotools.coco import COCO

    folder = real_data / "coco_tiny"
    if not folder.is_dir():
        pytest.skip("KERAS_CONDATTN_DATA holds no coco_tiny")
    source = coco.load(folder, "train", masks=True, size=None, verify=True)
    assert len(source) == 40 and len(source.classes) == 80
    assert [source.classes.index(k) for k in ("person", "toothbrush")] == [0, 79]
    assert source.category_ids[-1] == 90
    official = COCO(folder / "instances_train2017.json")
    count = crowds = 0
    for item in source:
        count, crowds = count + len(item["boxes"]), crowds + int(item["crowd"].sum())
        assert set(item["label"].nonzero()[0]) == set(item["box_classes"])
        known = official.imgToAnns[item["image_id"]]
        for box, mask, one in zip(item["boxes"], item["masks"], known, strict=True):
            np.testing.assert_array_equal(mask, official.annToMask(one))
            rows, columns = np.nonzero(mask)
            around = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            x, y, w, h = box
            np.testing.assert_allclose(around, [x, y, x + w, y + h], atol=4)
    assert (count, crowds) == (332, 4)
    frames = coco.load(folder, "train", size=224, augment=True)
    assert frames[0]["image"].shape == (224, 224, 3)
