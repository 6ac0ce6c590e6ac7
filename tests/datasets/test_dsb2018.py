"""Items of the nuclei source: pairs, quadrants, frames, augmentation."""

import pickle

import numpy as np
import pytest

pytest.importorskip("PIL", reason="Pillow, the extra 'images', is not installed")
from dsb2018_layout import brute_label, scene, write_labelled

from keras_condattn.datasets import dsb2018
from keras_condattn.datasets.dsb2018._frame import centred, nearest, stretched
from keras_condattn.datasets.dsb2018._quadrants import quadrant_map

pytestmark = pytest.mark.pure


@pytest.fixture
def root(tmp_path):
    write_labelled(tmp_path, {f"im{i:02d}": scene(i) for i in range(10)})
    return tmp_path


def drawn(source):
    return [int(source[i]["conditioning"].argmax()) for i in range(len(source))]


def test_an_item_is_the_nuclei_of_the_quadrant_that_its_condition_names(root):
    source = dsb2018.load(root, channels=1, instances=True)
    assert len(source) == 10
    for item, name in zip(map(source.__getitem__, range(10)), source.ids, strict=True):
        _, labels = scene(int(name[2:]))
        assert item["id"] == name
        assert item["image"].shape == (16, 20, 1) and item["image"].dtype == "float32"
        assert item["label"].shape == (16, 20, 1) and item["label"].dtype == "uint8"
        assert item["conditioning"].dtype == "float32"
        assert sorted(item["conditioning"]) == [0, 0, 0, 1]
        expected = brute_label(labels, int(item["conditioning"].argmax()))
        np.testing.assert_array_equal(item["label"][..., 0], expected)
        assert expected.any()
        assert item["instances"].dtype == "int32"
        np.testing.assert_array_equal(item["instances"], labels)


def test_four_conditions_of_one_image_share_out_its_nuclei(root):
    source = dsb2018.load(root)
    items = source.steer(3)
    conditions = np.stack([item["conditioning"] for item in items])
    np.testing.assert_array_equal(conditions, np.eye(4))
    together = sum(item["label"][..., 0] for item in items)
    np.testing.assert_array_equal(together, scene(3)[1] > 0)
    assert {item["id"] for item in items} == {source.ids[3]}
    with pytest.raises(ValueError, match="condition='quadrant'"):
        dsb2018.load(root, condition=None).steer(0)


def test_quadrants_run_clockwise_and_a_centroid_on_the_line_goes_right_and_down():
    corners = np.zeros((6, 8), "int32")
    corners[0, 0], corners[0, 7], corners[5, 7], corners[5, 0] = 9, 8, 7, 6
    found = quadrant_map(corners)
    assert [found[0, 0], found[0, 7], found[5, 7], found[5, 0]] == [1, 2, 3, 4]
    centre = np.zeros((6, 8), "int32")
    centre[2:4, 3:5] = 5
    for turned in (centre, centre[::-1], centre[:, ::-1]):
        assert quadrant_map(turned).max() == 3
    reaching = np.zeros((6, 8), "int32")
    reaching[1, 2:8] = 5  # crosses the middle, centroid right of it
    np.testing.assert_array_equal(quadrant_map(reaching), (reaching > 0) * 2)


def test_the_quadrant_is_decided_in_the_cropped_frame(tmp_path):
    image, labels = np.full((16, 16), 9, "uint8"), np.zeros((16, 16), "uint16")
    labels[6, 0:9] = 3  # centroid left of the middle; inside the crop, still left
    labels[9, 7:12] = 4
    write_labelled(tmp_path, {"a": (image, labels)})
    source = dsb2018.load(tmp_path, crop=(8, 8), size=16, pairs="all")
    cropped = labels[4:12, 4:12].repeat(2, 0).repeat(2, 1)
    assert len(source) == 2
    for quadrant, item in enumerate(source.steer(0)):
        expected = brute_label(cropped, quadrant)
        np.testing.assert_array_equal(item["label"][..., 0], expected)


def test_without_a_condition_every_nucleus_is_the_label(root):
    source = dsb2018.load(root, condition=None)
    item = source[4]
    assert sorted(item) == ["id", "image", "label"]
    np.testing.assert_array_equal(item["label"][..., 0], scene(4)[1] > 0)


def test_fixed_pairs_stay_and_fresh_ones_follow_the_epoch(root):
    fixed = dsb2018.load(root)
    first = drawn(fixed)
    fixed.set_epoch(3)
    assert drawn(fixed) == first == drawn(dsb2018.load(root))
    assert first != drawn(dsb2018.load(root, seed=7))
    fresh = dsb2018.load(root, pairs="fresh")
    epochs = []
    for epoch in range(8):
        fresh.set_epoch(epoch)
        epochs.append(drawn(fresh))
    assert len({tuple(e) for e in epochs}) > 4
    fresh.set_epoch(2)
    assert drawn(fresh) == epochs[2]
    for i in range(10):
        present = {q for q in range(4) if brute_label(scene(i)[1], q).any()}
        assert {e[i] for e in epochs} <= present


def test_all_pairs_are_every_quadrant_that_holds_a_nucleus(root):
    source = dsb2018.load(root, pairs="all")
    expected = [
        (f"im{i:02d}", q)
        for i in range(10)
        for q in range(4)
        if brute_label(scene(i)[1], q).any()
    ]
    assert list(zip(source.ids, drawn(source), strict=True)) == expected


def test_augmentation_moves_image_label_and_condition_together(tmp_path):
    labels = scene(1, shape=(16, 16), nuclei=4)[1]
    write_labelled(tmp_path, {"a": (labels.astype("uint8"), labels)})
    source = dsb2018.load(
        tmp_path,
        pairs="fresh",
        augment=True,
        channels=1,
        normalise=False,
        instances=True,
    )
    seen = set()
    for epoch in range(80):
        source.set_epoch(epoch)
        item = source[0]
        seen.add(item["instances"].tobytes())
        levels = np.rint(item["image"][..., 0] * 255)
        np.testing.assert_array_equal(levels, item["instances"])
        expected = brute_label(item["instances"], int(item["conditioning"].argmax()))
        np.testing.assert_array_equal(item["label"][..., 0], expected)
        assert expected.any()
    assert len(seen) == 8
    source.set_epoch(79)
    np.testing.assert_array_equal(source[0]["image"], item["image"])


def test_oblong_frames_are_never_turned_on_their_side(root):
    source = dsb2018.load(root, condition=None, augment=True)
    shapes = set()
    for epoch in range(6):
        source.set_epoch(epoch)
        shapes |= {source[i]["image"].shape for i in range(3)}
    assert shapes == {(16, 20, 3)}


def test_normalising_spreads_a_dark_image_and_survives_a_flat_one(rng):
    image = rng.uniform(0.01, 0.05, (20, 20, 1)).astype("float32")
    low, high = np.percentile(image, [1, 99.8])
    expected = np.clip((image - low) / (high - low), 0, 1)
    np.testing.assert_allclose(stretched(image), expected, atol=1e-5)
    assert stretched(image).dtype == "float32"
    np.testing.assert_array_equal(stretched(np.full((4, 4, 3), 0.2, "float32")), 0)


def test_crop_pads_with_the_median_and_resizing_keeps_numbers(root):
    array = np.arange(20, dtype="int32").reshape(4, 5)
    np.testing.assert_array_equal(centred(array, (2, 3), 0), array[1:3, 1:4])
    np.testing.assert_array_equal(centred(array, (6, 5), -1)[1:5], array)
    assert (centred(array, (6, 5), -1)[[0, 5]] == -1).all()
    doubled = nearest(array, (8, 10))
    np.testing.assert_array_equal(doubled, array.repeat(2, 0).repeat(2, 1))
    np.testing.assert_array_equal(nearest(doubled, (4, 5)), array)
    tripled = np.arange(9, dtype="int32").reshape(1, 9)
    np.testing.assert_array_equal(nearest(tripled, (1, 3)), [[1, 4, 7]])
    image = dsb2018.load(root, crop=(20, 20), channels=1)[0]["image"]
    assert image.shape == (20, 20, 1)
    np.testing.assert_array_equal(image[:2], np.median(image[2:-2]))


def test_resizing_shrinks_by_averages(tmp_path):
    stripes = np.tile(np.array([[0, 200]], "uint8"), (16, 8))
    write_labelled(tmp_path, {"a": (stripes, scene(1, (16, 16))[1])})
    source = dsb2018.load(tmp_path, size=4, normalise=False, channels=1)
    np.testing.assert_allclose(source[0]["image"][:, 1:3], 100 / 255, atol=0.03)
    assert source[0]["label"].shape == (4, 4, 1)


def test_the_cache_changes_nothing_and_belongs_to_no_caller(root):
    plain, cached = dsb2018.load(root, size=8), dsb2018.load(root, size=8, cache=True)
    cached[0]["image"][:] = 7
    for _ in range(2):
        for i in range(10):
            for key in ("image", "label", "conditioning"):
                np.testing.assert_array_equal(cached[i][key], plain[i][key])
    for path in [*(root / "images").iterdir(), *(root / "labels").iterdir()]:
        path.unlink()
    assert cached[3]["image"].shape == (8, 8, 3)


def test_a_source_can_be_pickled_and_iterated(root):
    source = dsb2018.load(root, size=8)
    again = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(again[2]["image"], source[2]["image"])
    assert len(list(source)) == 10
    with pytest.raises(IndexError):
        source[10]
