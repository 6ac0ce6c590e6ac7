"""Hearts as the loader gives them: axes, mm, conditions, slices, memory."""

import pickle

import numpy as np
import pytest

pytest.importorskip("nibabel", reason="nibabel, the extra 'medical', is not installed")
pytest.importorskip("scipy", reason="scipy, the extra 'medical', is not installed")
from acdc_layout import (
    AFFINE,
    SHAPE,
    SPACING,
    both,
    write_many,
    write_patient,
)

from keras_condattn.datasets import Batches, SimulatedScribbles, acdc

pytestmark = pytest.mark.pure


@pytest.fixture
def root(tmp_path):
    write_patient(tmp_path / "training", 1, "DCM")
    return tmp_path


@pytest.mark.parametrize("kind", ["nii", "nii.gz"])
@pytest.mark.parametrize("place", ["", "training", "database/training"])
def test_a_native_volume_is_the_file_s(tmp_path, kind, place):
    write_patient(tmp_path / place, 3, kind=kind)
    source = acdc.load(tmp_path, volumes=True, scribbles=True)
    assert len(source) == 2 and source.patients == ["patient003"]
    for item, (image, label, scribble) in zip(source, both(3), strict=True):
        for name, array in zip(
            ("image", "label", "scribble"), (image, label, scribble), strict=True
        ):
            assert item[name].shape == SHAPE
            np.testing.assert_array_equal(item[name], array)
        assert item["image"].dtype == "float32" and item["label"].dtype == "uint8"
        assert item["spacing"].tolist() == list(SPACING)
        np.testing.assert_array_equal(item["affine"], AFFINE)
    assert [i["id"] for i in source] == ["patient003_ED", "patient003_ES"]
    assert (source[0]["patient"], source[0]["group"]) == ("patient003", "NOR")


def test_phases_are_what_info_cfg_says(tmp_path):
    """The later frame may be ED; what is asked for alone is read."""
    write_patient(tmp_path, 1, frames=(12, 1))
    write_patient(tmp_path, 90, frames=(11, 4))
    for phase, place in (("ED", 0), ("ES", 1)):
        source = acdc.load(tmp_path, phases=[phase], volumes=True)
        assert [i["phase"] for i in source] == [phase] * 2
        for item, number in zip(source, (1, 90), strict=True):
            np.testing.assert_array_equal(item["image"], both(number)[place][0])


def test_the_conditioning_vector(root):
    volumes = acdc.load(root, volumes=True)
    thirds = [0, 1 / 3, 2 / 3, 1]
    for item, phase in zip(volumes, ([1, 0], [0, 1]), strict=True):
        expected = [[*phase, third] for third in thirds]
        np.testing.assert_allclose(item["conditioning"], expected, atol=1e-7)
        assert item["conditioning"].dtype == "float32"
    assert volumes.conditions == ("phase=ED", "phase=ES", "position")
    facts = ("height", "group", "position", "weight", "phase")
    source = acdc.load(root, conditioning=facts)
    np.testing.assert_allclose(
        source[5]["conditioning"], [1.84, 0, 1, 0, 0, 0, 1 / 3, 0.95, 0, 1], atol=1e-6
    )
    assert source.conditions == (
        "height", "group=NOR", "group=DCM", "group=HCM", "group=MINF", "group=RV",
        "position", "weight", "phase=ED", "phase=ES",
    )  # fmt: skip


def test_slices_are_their_volume_s(root):
    volumes, source = acdc.load(root, volumes=True), acdc.load(root, scribbles=True)
    assert len(source) == 2 * SHAPE[0]
    for i, item in enumerate(source):
        volume, z = volumes[i // 4], i % 4
        np.testing.assert_array_equal(item["image"], volume["image"][z, ..., None])
        np.testing.assert_array_equal(item["label"], volume["label"][z])
        np.testing.assert_array_equal(item["conditioning"], volume["conditioning"][z])
        assert (item["slice"], item["id"]) == (z, f"{volume['id']}_{z:02d}")
        assert item["scribble"].shape == SHAPE[1:] and "affine" not in item
    np.testing.assert_array_equal(source[-1]["image"], source[7]["image"])
    with pytest.raises(IndexError):
        source[8]


def test_a_pen_draws_other_scribbles_than_the_files_have(root):
    pen = SimulatedScribbles(distance=2.0)
    item, drawn, real = (
        acdc.load(root, volumes=True, scribbles=s)[0] for s in (pen, pen, True)
    )
    np.testing.assert_array_equal(item["scribble"], drawn["scribble"])
    assert (item["scribble"] != real["scribble"]).any()
    marked = item["scribble"] < 4
    np.testing.assert_array_equal(item["scribble"][marked], item["label"][marked])
    for path in root.rglob("*_scribble.nii"):
        path.unlink()
    alone = acdc.load(root, scribbles=pen, labels=False)[1]
    assert "label" not in alone and alone["scribble"].shape == SHAPE[1:]
    np.testing.assert_array_equal(alone["scribble"], item["scribble"][1])


def test_labels_are_left_out_on_request(root):
    for path in root.rglob("*_gt.nii"):
        path.unlink()
    assert {"label", "scribble"}.isdisjoint(acdc.load(root, labels=False)[0])


@pytest.mark.parametrize("volumes", [False, True])
@pytest.mark.parametrize("size", [(6, 5), (4, 3), 9])
def test_spacing_and_size_make_the_frame(tmp_path, size, volumes):
    """A lone bright pixel stays at its mm from the centre; beyond lies padding."""
    image, label = np.full((2, *SHAPE[1:]), 10), np.zeros((2, *SHAPE[1:]), "uint8")
    image[1, 5, 4], label[1, 5, 4] = 99, 3  # (3.75, 2.5) mm from the centre
    hearts = [(image.astype("uint16"), label, label)] * 2
    write_patient(tmp_path, 1, hearts=hearts)
    step = (1.5, 1.25)
    source = acdc.load(
        tmp_path, spacing=step, size=size, volumes=volumes, scribbles=True
    )
    item = source[0 if volumes else 1]
    pick = 1 if volumes else ...
    image, label, scribble = (item[k][pick] for k in ("image", "label", "scribble"))
    height, width = (size, size) if isinstance(size, int) else size
    assert label.shape == (height, width) and image.shape[:2] == (height, width)
    assert item["spacing"].tolist() == [10, *step]
    row, column = (height - 1) / 2 + 2.5, (width - 1) / 2 + 2
    assert label.any() == (height >= 6)
    if height >= 6:
        at = np.argwhere(label == 3).tolist()
        assert len(at) == 1 and abs(at[0][0] - row) <= 0.5 and at[0][1] == column
    if size == 9:
        assert image[0].max() == 10 and set(scribble[0]) == {4} and not label[0].any()


def test_a_framed_volume_knows_where_it_lies(root):
    item = acdc.load(root, volumes=True, spacing=(3.0, 2.5), size=(4, 4))[0]
    assert item["image"].shape == (4, 4, 4)
    centre = [*(np.array([4, 4]) - 1) / 2, 0, 1]
    native = [*(np.array([5, 6]) - 1) / 2, 0, 1]
    np.testing.assert_allclose(item["affine"] @ centre, AFFINE @ native)
    np.testing.assert_allclose(
        np.linalg.norm(item["affine"][:3, :3], axis=0), [2.5, 3, 10]
    )


def test_zscore_is_over_the_frame_of_a_volume(root):
    item = acdc.load(root, volumes=True, normalise="zscore", size=(4, 4))[0]
    seen = both(1)[0][0][:, 1:5].astype(float)  # rows 1 to 4, and every column
    seen = np.minimum(seen, np.percentile(seen, 99))
    shown = (seen - seen.mean()) / seen.std()
    # Four of five columns: each frame pixel is the mean of two neighbours.
    expected = (shown[..., :-1] + shown[..., 1:]) / 2
    np.testing.assert_allclose(item["image"], expected, atol=1e-5)


@pytest.mark.parametrize("augment", [False, True])
def test_the_cache_changes_no_value_and_items_are_the_caller_s(tmp_path, augment):
    write_many(tmp_path, 2)
    arguments = {"augment": augment, "size": 5, "spacing": 1.5, "normalise": "zscore"}
    plain = acdc.load(tmp_path, **arguments)
    cached = acdc.load(tmp_path, cache=True, **arguments)
    for _ in range(2):
        for i in (0, 15, 4, 9):
            ours, theirs = cached[i], plain[i]
            for name, value in theirs.items():
                np.testing.assert_array_equal(ours[name], value)
            for name in ("image", "label", "conditioning", "spacing"):
                ours[name][...] = 77


def test_memory_does_not_grow_with_the_patients(tmp_path):
    write_many(tmp_path, 4)
    source, cached = acdc.load(tmp_path), acdc.load(tmp_path, cache=True)
    most = 0
    for i in range(len(source)):
        source[i], cached[i]
        most = max(most, len(source._kept))
    assert most == 2 and len(cached._kept) == 8


def test_a_source_can_be_pickled_and_batched(root):
    source = acdc.load(root, size=8, augment=True)
    source.set_epoch(3)
    twin = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(twin[2]["image"], source[2]["image"])
    batches = Batches(source, 3, shuffle=True, seed=1, data_format="channels_last")
    inputs, labels = batches[0]
    assert inputs["image"].shape == (3, 8, 8, 1) and labels.shape == (3, 8, 8)
    assert inputs["conditioning"].shape == (3, 3) and len(batches) == 3
    before = inputs["image"]
    batches.on_epoch_end()
    assert source.epoch == 1
    assert not np.array_equal(batches[0][0]["image"], before)
    first = Batches(source, 3, data_format="channels_first")[0][0]["image"]
    assert first.shape == (3, 1, 8, 8)
    with pytest.raises(ValueError, match="epoch must be 0 or more, got -1"):
        source.set_epoch(-1)


def test_threads_read_what_one_thread_reads(tmp_path):
    write_many(tmp_path, 3)
    one, four = (
        Batches(acdc.load(tmp_path), 24, workers=workers, data_format="channels_last")
        for workers in (1, 4)
    )
    np.testing.assert_array_equal(one[0][0]["image"], four[0][0]["image"])


def test_real_hearts(real_data):
    folder = real_data / "acdc"
    if not folder.is_dir():
        pytest.skip("KERAS_CONDATTN_DATA holds no acdc")
    source = acdc.load(folder, volumes=True, scribbles=True)
    assert len(source.patients) == 80 and len(source) == 160
    assert set(source.groups.values()) == {"NOR", "DCM", "HCM", "MINF", "RV"}
    for i in (0, 1, 100):
        item = source[i]
        assert np.unique(item["label"]).tolist() == [0, 1, 2, 3]
        assert np.unique(item["scribble"]).tolist() == [0, 1, 2, 3, 4]
        agree = (
            item["scribble"][item["scribble"] < 4]
            == item["label"][item["scribble"] < 4]
        )
        assert agree.mean() > 0.9
        assert 5 <= item["spacing"][0] <= 10 and 0.7 < item["spacing"][1] < 2
        half = len(item["label"]) // 2  # the right ventricle is wide at the base
        right = (item["label"] == 1).sum((1, 2))
        assert right[:half].sum() > right[-half:].sum()
    # ED is when the left ventricle is fullest.
    fullest = [(source[i]["label"] == 3).sum() for i in range(8)]
    assert (np.array(fullest[::2]) > fullest[1::2]).all()
    _twins_share_a_split(source)


def _twins_share_a_split(source):
    """patient074 and patient076 are one heart; files are read no second time."""
    found = {}
    for scan, seen in zip(source.scans, source.seen, strict=True):
        found.setdefault(scan.patient, []).append((scan, seen))
    for seed in range(5):
        for fold in range(5):
            sides = {
                side: set(acdc._load._chosen(found, side, "stratified", fold, seed))
                for side in ("train", "validation", "test")
            }
            assert set.union(*sides.values()) == set(source.patients)
            assert sum(map(len, sides.values())) == 80
            assert any({"patient074", "patient076"} <= s for s in sides.values())
