"""Items of the radiograph source: labels, boxes, frames, splits, nodules."""

import pickle

import numpy as np
import pytest

pytest.importorskip("PIL", reason="Pillow, the extra 'images', is not installed")
from chest_layout import (
    FINDINGS,
    cases,
    film,
    write_boxes,
    write_films,
    write_lists,
    write_published,
    write_random,
    write_set,
)

from keras_condattn.datasets import Batches, chest_xray14
from keras_condattn.datasets.nodules import Nodules

pytestmark = pytest.mark.pure
SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chest")
    write_set(folder)
    return folder


def test_an_item_is_the_film_its_findings_and_who(root):
    source = chest_xray14.load(root, size=None)
    rows = cases()
    assert len(source) == len(rows) == 60 and source.classes == FINDINGS
    for number in (0, 7, 59):
        item, (name, found, patient) = source[number], rows[number]
        assert item["id"] + ".png" == name and item["patient"] == str(patient)
        assert item["image"].shape == (64, 64, 1) and item["image"].dtype == "float32"
        np.testing.assert_allclose(item["image"][..., 0], film(number) / 255, atol=1e-6)
        assert item["label"].dtype == "float32"
        np.testing.assert_array_equal(item["label"], np.isin(FINDINGS, found))
        assert item["boxes"].shape == (0, 5)
        assert (item["view"], item["sex"], item["age"]) == ("PA", "M", "58")
    assert len(source.patients) == 30 and source.ids[1] == "00000001_001"


def test_the_order_of_the_findings_is_that_of_the_released_classifier():
    assert [FINDINGS[k] for k in (0, 2, 8, 13)] == [
        "Atelectasis", "Effusion", "Consolidation", "Hernia",
    ]  # fmt: skip


def test_random_splits_keep_patients_apart_and_are_70_10_20(root):
    parts = {s: set(chest_xray14.load(root, s, size=None).patients) for s in SPLITS}
    assert sum(len(p) for p in parts.values()) == 30 == len(set.union(*parts.values()))
    assert [len(parts[s]) for s in SPLITS] == [21, 3, 6]
    other = chest_xray14.load(root, "test", size=None, seed=1)
    assert set(other.patients) != parts["test"]


def test_official_lists_are_kept_and_a_tenth_of_the_patients_validates(root, tmp_path):
    rows = cases(patients=40)
    write_films(tmp_path, rows)
    write_published(tmp_path, rows)
    learn = [name for name, _, patient in rows if patient <= 30]
    test = [name for name, _, patient in rows if patient > 30]
    write_lists(tmp_path, [*learn, "99999999_000.png"], test)
    parts = {
        s: chest_xray14.load(tmp_path, s, protocol="official", size=None)
        for s in SPLITS
    }
    assert [name + ".png" for name in parts["test"].ids] == test
    assert len(parts["validation"].patients) == 3
    assert not set(parts["validation"].patients) & set(parts["train"].patients)
    assert sum(map(len, parts.values())) == len(rows)
    with pytest.raises(FileNotFoundError, match=r"train_val_list.txt and test_list"):
        chest_xray14.load(root, "test", protocol="official")


def test_the_random_division_of_the_field_and_its_columns(tmp_path):
    rows = cases(patients=6)
    write_films(tmp_path / "images", rows)
    folds = ["train"] * 6 + ["val"] * 2 + ["test"] * 4
    write_random(tmp_path, rows, folds)
    write_published(tmp_path, [(name, ["Hernia"], p) for name, _, p in rows])
    source = chest_xray14.load(tmp_path, "test", protocol="nih_labels", size=None)
    assert len(source) == 4
    for item, row in zip(map(source.__getitem__, range(4)), rows[8:], strict=True):
        assert item["id"] + ".png" == row[0]
        np.testing.assert_array_equal(item["label"], np.isin(FINDINGS, row[1]))
    kept = chest_xray14.load(tmp_path, "validation", protocol="nih_labels", size=None)
    assert len(kept) == 2
    published = chest_xray14.load(tmp_path, size=None)
    assert all(published[i]["label"].nonzero()[0].tolist() == [13] for i in range(12))
    named = chest_xray14.load(tmp_path, size=None, table="nih_labels.csv")
    assert (
        named[1]["label"].tolist()
        == source.__class__.__getitem__(named, 0)["label"].tolist()
    )


def test_patients_on_both_sides_of_a_published_division_are_told(tmp_path):
    rows = cases(patients=3)
    write_films(tmp_path / "images", rows)
    write_random(tmp_path, rows, ["train", "test", "train", "train", "test", "test"])
    with pytest.warns(UserWarning, match="1 of 3 patients have images on both sides"):
        chest_xray14.load(tmp_path, "train", protocol="nih_labels", size=None)


@pytest.mark.parametrize(
    "places",
    [
        ("images_001/images", "images_012/images"),
        ("images_001", "images_002"),
        (".", "images"),
    ],
)
def test_images_are_found_as_the_archives_unpack(tmp_path, places):
    rows = cases(patients=4)
    write_published(tmp_path, rows, "Data_Entry_2017_v2020.csv")
    write_films(tmp_path / places[0], rows[:3])
    write_films(tmp_path / places[1], rows[3:])
    assert len(chest_xray14.load(tmp_path, size=None)) == 8


def test_boxes_are_scaled_from_1024_to_the_file_and_the_frame(tmp_path):
    rows = write_set(tmp_path, cases(patients=2), side=64)
    name = rows[0][0]
    write_boxes(
        tmp_path,
        [
            (name, "Infiltrate", 512.0, 256, 128, 256),
            (name, "Mass", 0, 0, 16, 16),
            ("99999999_000.png", "Nodule", 1, 2, 3, 4),
        ],
    )
    whole = chest_xray14.load(tmp_path, size=None)[0]["boxes"]
    assert whole.dtype == "float32"
    np.testing.assert_allclose(whole, [[3, 32, 16, 8, 16], [4, 0, 0, 1, 1]])
    doubled = chest_xray14.load(tmp_path, size=128, margin=1.0)[0]["boxes"]
    np.testing.assert_allclose(doubled, whole * [1, 2, 2, 2, 2])
    # int(80 * 1.25) = 100: the middle 80 of 100, 10 fewer on every side
    cropped = chest_xray14.load(tmp_path, size=80, margin=1.25)[0]["boxes"]
    np.testing.assert_allclose(cropped, [[3, 40, 15, 12.5, 25]], rtol=1e-6)
    assert chest_xray14.load(tmp_path, size=None)[1]["boxes"].shape == (0, 5)


def test_frames_have_the_channels_and_grey_levels_asked_for(root):
    plain = chest_xray14.load(root, size=48)[0]["image"]
    assert plain.shape == (48, 48, 1) and plain.min() >= 0 and plain.max() <= 1
    colour = chest_xray14.load(root, size=48, channels=3)[0]["image"]
    np.testing.assert_array_equal(colour, plain.repeat(3, -1))
    imagenet = chest_xray14.load(root, size=48, channels=3, normalise="imagenet")[0]
    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    np.testing.assert_allclose(
        imagenet["image"], (colour - mean) / deviation, atol=1e-5
    )
    z = chest_xray14.load(root, size=48, normalise="zscore")[0]["image"]
    np.testing.assert_allclose((z.mean(), z.std()), (0, 1), atol=1e-4)
    assert z.dtype == imagenet["image"].dtype == "float32"


def test_augmentation_follows_the_epoch_and_only_it(root):
    source = chest_xray14.load(root, "train", size=32, augment=True)
    first = source[3]["image"]
    np.testing.assert_array_equal(source[3]["image"], first)
    source.set_epoch(1)
    second = source[3]["image"]
    assert np.abs(first - second).max() > 0.05
    source.set_epoch(0)
    np.testing.assert_array_equal(source[3]["image"], first)
    assert first.shape == (32, 32, 1) and first.min() >= 0 and first.max() <= 1


def test_simulated_nodules_are_the_label_and_the_boxes(root):
    plain = chest_xray14.load(root, size=None, exclude=("Nodule", "Mass"))
    source = chest_xray14.load(root, size=None, nodules=True)
    assert source.ids == plain.ids and len(source) < 60
    assert source.classes == ("Nodule",)
    with_nodules = 0
    for i in range(len(source)):
        item, before = source[i], plain[i]["image"]
        assert item["label"].shape == (1,)
        assert item["label"][0] == (len(item["boxes"]) > 0)
        added = (item["image"] - before)[..., 0]
        assert added.min() > -1e-6 and (added.max() > 0.01) == bool(item["label"][0])
        with_nodules += int(item["label"][0])
        np.testing.assert_array_equal(item["boxes"][:, 0], 0)
        for _, x, y, w, h in item["boxes"]:
            assert added[int(y + h / 2), int(x + w / 2)] > 0.4 * added.max() * 0.12
    assert 0.3 < with_nodules / len(source) < 0.7


def test_nodules_hang_on_seed_and_name_and_fresh_ones_on_the_epoch(root):
    fixed = chest_xray14.load(root, size=48, nodules=True)
    part = chest_xray14.load(root, "test", size=48, nodules=True)
    for i, name in enumerate(part.ids):
        whole = fixed[fixed.ids.index(name)]
        np.testing.assert_array_equal(part[i]["image"], whole["image"])
    before = [fixed[i]["label"][0] for i in range(len(fixed))]
    fixed.set_epoch(1)
    assert before == [fixed[i]["label"][0] for i in range(len(fixed))]
    other = chest_xray14.load(root, size=48, nodules=True, seed=1)
    assert before != [other[i]["label"][0] for i in range(len(other))]
    fresh = chest_xray14.load(root, size=48, nodules=Nodules(fresh=True))
    assert before == [fresh[i]["label"][0] for i in range(len(fresh))]
    fresh.set_epoch(1)
    assert before != [fresh[i]["label"][0] for i in range(len(fresh))]


def test_nodules_go_with_the_crop_and_the_mirror(root):
    source = chest_xray14.load(
        root, "train", size=64, nodules=Nodules(share=1.0, most=1, contrast=(1, 1)),
        augment=chest_xray14.CropAndJitter(brightness=0.0, contrast=0.0),
    )  # fmt: skip
    bare = chest_xray14.load(
        root, "train", size=64, nodules=Nodules(share=1.0, most=1, contrast=(0, 0)),
        augment=chest_xray14.CropAndJitter(brightness=0.0, contrast=0.0),
    )  # fmt: skip
    for i in range(6):
        item = source[i]
        added = (item["image"] - bare[i]["image"])[..., 0]
        rows, columns = np.nonzero(added > added.max() / 2)
        (_, x, y, w, h), *_ = item["boxes"]
        assert abs(columns.mean() + 0.5 - (x + w / 2)) < 1
        assert abs(rows.mean() + 0.5 - (y + h / 2)) < 1


def test_the_cache_changes_nothing_and_belongs_to_no_caller(tmp_path):
    write_set(tmp_path, cases(patients=5))
    plain = chest_xray14.load(tmp_path, size=32)
    cached = chest_xray14.load(tmp_path, size=32, cache=True)
    cached[0]["image"][:] = 7
    for _ in range(2):
        for i in range(10):
            np.testing.assert_array_equal(cached[i]["image"], plain[i]["image"])
    for path in (tmp_path / "images").iterdir():
        path.unlink()
    assert cached[3]["image"].shape == (32, 32, 1)


def test_a_source_can_be_pickled_iterated_and_put_in_batches(root):
    source = chest_xray14.load(root, "test", size=32, nodules=True)
    again = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(again[2]["image"], source[2]["image"])
    assert len(list(source)) == len(source)
    with pytest.raises(IndexError):
        source[len(source)]
    batches = Batches(source, 4, inputs="image", data_format="channels_last")
    images, labels = batches[0]
    assert images.shape == (4, 32, 32, 1) and labels.shape == (4, 1)
    with pytest.raises(ValueError, match="epoch must be 0 or more"):
        source.set_epoch(-1)


def test_real_radiographs(real_data):
    """The published set: splits, boxes where the films have them, nodules in view."""
    folder = real_data / "chest_xray14"
    if not folder.is_dir():
        pytest.skip("KERAS_CONDATTN_DATA holds no chest_xray14")
    sizes = [len(chest_xray14.load(folder, s)) for s in SPLITS]
    np.testing.assert_allclose(np.divide(sizes, sum(sizes)), [0.7, 0.1, 0.2], atol=0.02)
    source = chest_xray14.load(folder, "test", size=96, nodules=True)
    items = [source[i] for i in range(20)]
    assert 4 <= sum(int(item["label"][0]) for item in items) <= 16
    boxes = np.concatenate([item["boxes"] for item in items])[:, 1:]
    assert (boxes[:, 0] > 10).all() and (boxes[:, 0] + boxes[:, 2] < 86).all()
