"""The reader of CLEVR-Seg, on a layout written here by hand."""

import pickle
import shutil

import numpy as np
import pytest
from clevr_layout import (
    BOTTOM_RIGHT,
    FOUR,
    SIDE,
    TOP_LEFT,
    TOP_RIGHT,
    square,
    write,
    write_folder,
)

from keras_condattn.datasets import Batches, clevr_seg
from keras_condattn.datasets.clevr_seg._pairs import fixed_condition, fresh_condition

pytestmark = pytest.mark.pure

Image = pytest.importorskip("PIL.Image", reason="Pillow reads the pictures")


@pytest.fixture
def root(tmp_path):
    return write_folder(tmp_path)


def test_an_item(root):
    source = clevr_seg.load(root, pairs="all")
    item = source[2]
    assert set(item) == {"image", "label", "conditioning", "id"}
    assert item["image"].shape == (SIDE, SIDE, 3)
    assert item["image"].dtype == item["conditioning"].dtype == np.float32
    assert item["label"].dtype == np.uint8
    np.testing.assert_array_equal(item["label"], square(BOTTOM_RIGHT))
    np.testing.assert_array_equal(item["conditioning"], [0, 0, 1, 0])
    np.testing.assert_allclose(item["image"][0, 7], 100 / 255, rtol=1e-6)
    np.testing.assert_allclose(item["image"][6, 4], 20 / 255, rtol=1e-6)
    assert item["id"] == "CLEVR_000000"


@pytest.mark.parametrize(
    ("condition", "members"),
    [
        ("quadrant", [[0], [1], [2], [3]]),
        ("color", [[0], [1, 3], [2]]),
        ("colour", [[0], [1, 3], [2]]),
        ("shape", [[0, 3], [1], [2]]),
        ("size", [[0], [1], [2, 3]]),
    ],
)
def test_every_condition_and_its_order(root, condition, members):
    source = clevr_seg.load(root, condition=condition)
    items = source.steer(0)
    assert len(items) == len(members) == len(source.conditions)
    for k, (item, group) in enumerate(zip(items, members, strict=True)):
        expected = sum(square(FOUR[n]) for n in group)
        np.testing.assert_array_equal(item["label"], expected)
        np.testing.assert_array_equal(item["conditioning"], np.eye(len(members))[k])


def test_steer_keeps_the_empty_masks(root):
    source = clevr_seg.load(root)
    labels = [item["label"] for item in source.steer(1)]  # top right, bottom right
    assert [int(label.sum()) for label in labels] == [0, 4, 4, 0]


def test_a_centre_on_the_middle_line_is_right_or_bottom(tmp_path):
    write(tmp_path, "a", [(3, 3, *TOP_LEFT[2:])])
    item = clevr_seg.load(tmp_path)[0]
    np.testing.assert_array_equal(item["conditioning"], [0, 0, 1, 0])


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P"])
def test_masks_of_any_mode(tmp_path, mode):
    write(tmp_path, "a", FOUR, mode=mode)
    np.testing.assert_array_equal(
        clevr_seg.load(tmp_path).steer(0)[1]["label"], square(TOP_RIGHT)
    )


def test_only_the_first_channel_of_a_mask_counts(tmp_path):
    write(tmp_path, "a", [TOP_LEFT], mode="RGB")
    path = tmp_path / "segmentations/a/part0.png"
    pixels = np.array(Image.open(path))
    pixels[..., 1:] = 7
    Image.fromarray(pixels).save(path)
    np.testing.assert_array_equal(
        clevr_seg.load(tmp_path)[0]["label"], square(TOP_LEFT)
    )


def test_splits_are_in_order(root):
    parts = [clevr_seg.load(root, split) for split in ("train", "validation", "test")]
    assert [len(part) for part in parts] == [18, 2, 5]
    assert [name for part in parts for name in part.ids] == clevr_seg.load(root).ids
    assert parts[0].ids == sorted(parts[0].ids)


def test_resized_images_and_masks(root):
    item = clevr_seg.load(root, size=(16, 4), pairs="all")[0]
    assert item["image"].shape == (16, 4, 3)
    expected = np.repeat(square(TOP_LEFT), 2, axis=0)[:, ::2]
    np.testing.assert_array_equal(item["label"], expected)
    assert clevr_seg.load(root, size=4)[0]["label"].shape == (4, 4, 1)


def rule(present, rng):
    """The paper's rule, word for word."""
    for _ in range(101):
        counts = {}
        for _ in range(150):
            draw = int(rng.random() * len(present))
            counts[draw] = counts.get(draw, 0) + 1
        most = max(counts.values())
        chosen = min(draw for draw, count in counts.items() if count == most)
        if present[chosen]:
            return chosen
    return chosen


@pytest.mark.parametrize(
    "present",
    [[True] * 4, [False, True, False, False], [True, False, True], [False] * 4],
)
def test_fixed_pairs_follow_the_papers_rule(present):
    chosen = set()
    for seed in range(100 if any(present) else 5):
        mine, theirs = np.random.default_rng(seed), np.random.default_rng(seed)
        condition = fixed_condition(present, mine)
        assert condition == rule(present, theirs)
        chosen.add(condition)
        assert mine.random() == theirs.random()  # as many draws, to the last
    if any(present):
        assert chosen == set(np.flatnonzero(present))


def test_fresh_pairs_are_uniform_over_what_is_there():
    rng = np.random.default_rng(0)
    draws = [fresh_condition([True, False, True, True], rng) for _ in range(600)]
    counts = np.bincount(draws, minlength=4)
    assert counts[1] == 0
    assert counts[[0, 2, 3]].min() > 150


def codes(source):
    return [int(source[k]["conditioning"].argmax()) for k in range(len(source))]


def test_fixed_pairs_do_not_depend_on_order_epoch_or_split(root):
    source = clevr_seg.load(root)
    forward = codes(source)
    source.set_epoch(5)
    backward = [int(source[k]["conditioning"].argmax()) for k in reversed(range(25))]
    assert backward[::-1] == forward
    assert codes(clevr_seg.load(root, "test")) == forward[20:]
    assert len(set(forward)) == 4
    assert codes(clevr_seg.load(root, seed=43)) != forward
    assert all(item["label"].any() for item in source)


def test_fresh_pairs_change_with_the_epoch_alone(root):
    source = clevr_seg.load(root, pairs="fresh")
    epochs = []
    for epoch in range(3):
        source.set_epoch(epoch)
        epochs.append(codes(source))
        assert all(item["label"].any() for item in source)
    assert epochs[0] != epochs[1] != epochs[2]
    source.set_epoch(1)
    assert codes(source) == epochs[1]


def test_all_pairs_are_each_there_once(root):
    source = clevr_seg.load(root, pairs="all")
    assert len(source) == 5 * 4 + 20 * 2
    pairs = {(item["id"], int(item["conditioning"].argmax())) for item in source}
    assert len(pairs) == len(source)
    assert all(item["label"].any() for item in source)


def test_an_object_hidden_by_others_is_no_pair(tmp_path):
    write(tmp_path, "a", FOUR)
    hidden = Image.new("L", (SIDE, SIDE), 64)
    hidden.save(tmp_path / "segmentations/a/part1.png")
    source = clevr_seg.load(tmp_path, pairs="all")
    assert codes(source) == [0, 2, 3]


def test_a_scene_without_objects(tmp_path):
    write(tmp_path, "a", [])
    for pairs in ("fixed", "fresh"):
        item = clevr_seg.load(tmp_path, pairs=pairs)[0]
        assert not item["label"].any()
        assert item["conditioning"].sum() == 1


def test_numbers_of_items(root):
    source = clevr_seg.load(root)
    assert source[np.int64(-1)]["id"] == source[24]["id"] == "CLEVR_000024"
    for index in (25, -26):
        with pytest.raises(IndexError, match="of 25"):
            source[index]
    with pytest.raises(TypeError):
        source["0"]
    with pytest.raises(ValueError, match="epoch must be 0 or more"):
        source.set_epoch(-1)


def test_the_cache_reads_a_picture_once(root):
    source = clevr_seg.load(root, cache=True)
    first = [source[k] for k in range(3)]
    shutil.rmtree(root / "images")
    for k, item in enumerate(first):
        np.testing.assert_array_equal(source[k]["image"], item["image"])
        np.testing.assert_array_equal(source[k]["label"], item["label"])
    with pytest.raises(ValueError, match=r"CLEVR_000003\.png"):
        source[3]
    with pytest.raises(ValueError, match=r"CLEVR_000000\.png"):
        pickle.loads(pickle.dumps(source))[0]  # another process keeps its own


def test_items_are_the_callers_own(root):
    source = clevr_seg.load(root, cache=True)
    source[0]["image"][:] = 0
    source[0]["label"][:] = 9
    assert source[0]["image"].any()
    assert source[0]["label"].max() == 1


def test_survives_pickling(root):
    source = clevr_seg.load(root, pairs="fresh", cache=True)
    source.set_epoch(4)
    assert codes(pickle.loads(pickle.dumps(source))) == codes(source)


def test_batches_take_it_and_tell_it_the_epoch(root):
    source = clevr_seg.load(root, pairs="fresh")
    batches = Batches(source, batch_size=10, data_format="channels_last")
    inputs, labels = batches[2]
    assert inputs["image"].shape == (5, SIDE, SIDE, 3)
    assert inputs["conditioning"].shape == (5, 4)
    assert labels.shape == (5, SIDE, SIDE, 1)
    batches.on_epoch_end()
    assert source.epoch == 1
