"""Abdomens as the loader gives them: order, grey values, mm, slices, scribbles."""

import pickle

import numpy as np
import pytest

pytest.importorskip("nibabel", reason="nibabel, the extra 'medical', is not installed")
pytest.importorskip("pydicom", reason="pydicom, the extra 'medical', is not installed")
pytest.importorskip("PIL", reason="Pillow, the extra 'images', is not installed")
import pydicom
from chaos_layout import (
    AFFINE,
    GREYS,
    SHAPE,
    SPACING,
    abdomen,
    names_of,
    write_ct,
    write_dual,
    write_ground,
    write_nifti_case,
    write_series,
    write_t2,
)

from keras_condattn.datasets import Augmentation, Batches, SimulatedScribbles, chaos

pytestmark = pytest.mark.pure


@pytest.mark.parametrize("place", ["", "Train_Sets/MR"])
def test_slices_lie_by_position_and_labels_follow_them(tmp_path, place):
    """Names that run down, and as texts in no order at all, change nothing."""
    write_t2(tmp_path / place, 3)
    item = chaos.load(tmp_path, volumes=True)[0]
    image, label = abdomen(3)
    np.testing.assert_array_equal(item["image"], image)
    np.testing.assert_array_equal(item["label"], label)
    assert item["image"].dtype == "float32" and item["label"].dtype == "uint8"
    assert item["spacing"].tolist() == list(SPACING)
    assert (item["id"], item["patient"], item["sequence"]) == (
        "3_T2SPIR", "3", "T2SPIR",
    )  # fmt: skip
    np.testing.assert_allclose(item["conditioning"][:, 0], [0, 1 / 3, 2 / 3, 1])


def test_the_affine_takes_indices_to_where_the_patient_lies(tmp_path):
    """DICOM counts mm to the patient's left and back, NIfTI to the right and front."""
    write_t2(tmp_path, 1)
    affine = chaos.load(tmp_path, volumes=True)[0]["affine"]
    place = affine @ [4, 2, 3, 1]  # column 4, row 2, slice 3
    np.testing.assert_allclose(place[:3], [10 - 4 * 1.25, -20 - 2 * 1.5, -30 + 3 * 7.5])


def test_an_oblique_series_is_sorted_along_its_normal(tmp_path):
    """Sagittal slices: the height says nothing, the normal runs to the left."""
    folder = write_t2(tmp_path, 1, ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    for path in (folder / "DICOM_anon").iterdir():
        dataset = pydicom.dcmread(path)
        x = 5 * (float(dataset.ImagePositionPatient[2]) + 30) / SPACING[0]
        dataset.ImagePositionPatient = [-x, 20.0, 0.0]
        dataset.save_as(path)
    item = chaos.load(tmp_path, volumes=True)[0]
    np.testing.assert_array_equal(item["image"], abdomen(1)[0])
    assert item["spacing"].tolist() == [5.0, *SPACING[1:]]


def test_both_images_of_t1dual_share_their_pictures(tmp_path):
    write_dual(tmp_path, 2)
    source = chaos.load(tmp_path, volumes=True)
    assert [i["id"] for i in source] == ["2_InPhase", "2_OutPhase"]
    for item, seed in zip(source, (202, 102), strict=True):
        np.testing.assert_array_equal(item["image"], abdomen(seed)[0])
        np.testing.assert_array_equal(item["label"], abdomen(2)[1])
    only = chaos.load(tmp_path, ["OutPhase"], conditioning=["sequence", "position"])
    assert len(only) == 4 and only[3]["conditioning"].tolist() == [0, 1, 0, 1]
    assert only.conditions[1] == "sequence=OutPhase" and len(only.conditions) == 4


def test_ct_has_the_liver_alone_and_hounsfield_units(tmp_path):
    write_ct(tmp_path / "CT", 2)
    write_t2(tmp_path / "MR", 2, seed=7)
    source = chaos.load(tmp_path, ["CT"], volumes=True)
    image, label = abdomen(2)
    np.testing.assert_array_equal(source[0]["image"], image.astype(float) - 1024)
    np.testing.assert_array_equal(source[0]["label"], label == 1)
    assert source.classes == ("background", "liver")
    both = chaos.load(tmp_path, volumes=True)
    assert [i["id"] for i in both] == ["2_T2SPIR"]
    assert chaos.load(tmp_path / "CT")[0]["sequence"] == "CT"


def test_nifti_cases(tmp_path):
    for number in (10, 2):
        write_nifti_case(tmp_path, number)
    source = chaos.load(tmp_path, volumes=True)
    assert source.patients == ["2", "10"]
    for item, number in zip(source, (2, 10), strict=True):
        image, label = abdomen(number)
        np.testing.assert_array_equal(item["image"], image)
        np.testing.assert_array_equal(item["label"], label)
        np.testing.assert_array_equal(item["affine"], AFFINE)
        assert item["spacing"].tolist() == list(SPACING)
        assert (item["id"], item["sequence"]) == (str(number), "")


def test_slices_frames_and_batches(tmp_path):
    write_t2(tmp_path, 1)
    options = {"spacing": 1.0, "size": (8, 6), "normalise": "zscore"}
    volume = chaos.load(tmp_path, volumes=True, **options)[0]
    source = chaos.load(tmp_path, **options)
    assert len(source) == SHAPE[0] and volume["image"].shape == (4, 8, 6)
    for z, item in enumerate(source):
        np.testing.assert_array_equal(item["image"][..., 0], volume["image"][z])
        np.testing.assert_array_equal(item["label"], volume["label"][z])
        assert (item["id"], item["slice"]) == (f"1_T2SPIR_{z:02d}", z)
        assert item["conditioning"].shape == (1,) and "affine" not in item
    assert source[0]["spacing"].tolist() == [7.5, 1, 1]
    (images, vectors), labels = (
        Batches(source, 2, data_format="channels_last")[1][0].values(),
        Batches(source, 2, data_format="channels_last")[1][1],
    )
    assert images.shape == (2, 8, 6, 1) and vectors.shape == (2, 1)
    np.testing.assert_array_equal(labels[1], source[3]["label"])


def test_labels_and_ground_are_not_needed_without_them(tmp_path):
    folder = write_t2(tmp_path, 1)
    for path in (folder / "Ground").iterdir():
        path.unlink()
    assert "label" not in chaos.load(tmp_path, labels=False)[0]


def _write_labelled(root, label):
    folder, names = root / "1" / "T2SPIR", names_of(1, count=len(label))
    write_series(folder / "DICOM_anon", 100 * label.astype("uint16"), names)
    write_ground(folder / "Ground", GREYS[label], names)


@pytest.mark.parametrize("cache", [False, True])
def test_scribbles_are_drawn_once_and_move_with_their_slice(tmp_path, cache):
    """Under any pose a stroke lies where the label has its class, or nowhere."""
    label = np.zeros((2, 40, 36), "uint8")
    label[:, 8:30, 6:28], label[:, 14:24, 12:22] = 1, 2
    _write_labelled(tmp_path, label)
    pen = SimulatedScribbles(distance=5.0)
    still = chaos.load(tmp_path, scribbles=pen, cache=cache)
    np.testing.assert_array_equal(still[0]["scribble"], still[0]["scribble"])
    assert (still[0]["scribble"] != still[1]["scribble"]).any()
    assert set(np.unique(still[0]["scribble"])) == {0, 1, 2, 5}
    turning = Augmentation(rotation=40.0, shift=4.0, noise=0.0)
    source = chaos.load(tmp_path, scribbles=pen, augment=turning, cache=cache)
    seen = []
    for epoch in (1, 2):
        source.set_epoch(epoch)
        item = source[0]
        marked = item["scribble"] < 5
        assert 0.02 < marked.mean() < 0.5
        np.testing.assert_array_equal(item["scribble"][marked], item["label"][marked])
        seen.append(item["scribble"])
    assert (seen[0] != seen[1]).any()
    other = chaos.load(tmp_path, scribbles=SimulatedScribbles(distance=5.0, seed=1))
    assert (other[0]["scribble"] != still[0]["scribble"]).any()
    hidden = chaos.load(tmp_path, scribbles=pen, labels=False)[0]
    assert "label" not in hidden
    np.testing.assert_array_equal(hidden["scribble"], still[0]["scribble"])


def test_beyond_the_border_no_scribble_tells(tmp_path):
    write_t2(tmp_path, 1)
    item = chaos.load(tmp_path, size=(20, 20), scribbles=SimulatedScribbles())[0]
    assert set(item["scribble"][0]) == {5} and not item["label"][0].any()


def test_patients_are_split_whole_and_every_fold_tests_once(tmp_path):
    for number in range(1, 8):
        write_nifti_case(tmp_path, number)
    tested = []
    for fold in range(3):
        sides = [
            chaos.load(tmp_path, split=split, folds=3, fold=fold, volumes=True)
            for split in ("train", "validation", "test")
        ]
        names = [side.patients for side in sides]
        assert sorted(p for side in names for p in side) == [
            str(n) for n in range(1, 8)
        ]
        tested += names[2]
    assert sorted(tested) == [str(n) for n in range(1, 8)]
    first, again, other = (
        chaos.load(tmp_path, split="test", folds=3, seed=s).patients for s in (0, 0, 1)
    )
    assert first == again != other


def test_the_cache_changes_nothing_and_items_are_the_caller_s(tmp_path):
    write_t2(tmp_path, 1)
    source = chaos.load(tmp_path, cache=True, augment=True)
    item = source[1]
    item["image"][...] = item["label"][...] = 9
    plain = pickle.loads(pickle.dumps(chaos.load(tmp_path, augment=True)))
    for name in ("image", "label"):
        np.testing.assert_array_equal(source[1][name], plain[1][name])


def test_the_cases_on_this_machine(real_data):
    """Class numbers as published, and the liver on the other side of the spleen."""
    if not (real_data / "chaos_t2").is_dir():
        pytest.skip("no chaos_t2/ among the real data")
    source = chaos.load(real_data / "chaos_t2", volumes=True)
    for item in (source[0], source[-1]):
        assert item["spacing"].tolist() == pytest.approx([7.7, 1.25, 1.25])
        assert set(np.unique(item["label"])) == {0, 1, 2, 3, 4}
        liver, *_, spleen = (np.argwhere(item["label"] == n).mean(0) for n in (1, 4))
        assert np.abs(liver - spleen).max() > 50
        assert item["conditioning"].shape == (len(item["image"]), 1)
