"""Scans of every year's naming, in frames, dealt by patient; real ones where given."""

import itertools
import pickle

import keras
import numpy as np
import pytest

pytest.importorskip("nibabel", reason="nibabel, the extra 'medical', is not installed")
from brats_layout import AFFINE, NEW, OLD, SHAPE, SPACING, brain, write_many, write_scan

from keras_condattn.applications import CrossModalityCAM
from keras_condattn.datasets import Batches, brats

TWO = ("flair", "t1ce")


@pytest.fixture
def many(tmp_path):
    write_many(tmp_path, 10, modalities=TWO)
    return tmp_path


def ids(source):
    return [source[i]["id"] for i in range(len(source))]


@pytest.mark.pure
@pytest.mark.parametrize("kind", ["nii", "nii.gz"])
@pytest.mark.parametrize("new", [False, True])
def test_volumes_at_native_resolution(tmp_path, kind, new):
    write_scan(tmp_path / "some" / "where", "BraTS19_CBICA_AAB_1", kind=kind, new=new)
    (tmp_path / "._BraTS19_CBICA_AAB_1_flair.nii").write_text("of a Mac")
    asked = tuple(NEW.values()) if new else OLD
    source = brats.load(tmp_path, modalities=asked, volumes=True)
    assert len(source) == 1 and source.patients == ["BraTS19_CBICA_AAB_1"]
    item = source[0]
    assert item["image"].shape == (*SHAPE, 4) and item["image"].dtype == "float32"
    for place, name in enumerate(asked):
        np.testing.assert_array_equal(item["image"][..., place], brain(place)[0])
        np.testing.assert_array_equal(item[name][..., 0], brain(place)[0])
    np.testing.assert_array_equal(item["label"], brain(0)[1] > 0)
    assert item["label"].dtype == "uint8" and item["positive"].tolist() == [0, 1, 1, 0]
    np.testing.assert_allclose(item["spacing"], SPACING)
    np.testing.assert_allclose(item["affine"], AFFINE)


@pytest.mark.pure
def test_the_mask_that_is_called_otherwise(tmp_path):
    # As in BraTS20_Training_355.
    folder = write_scan(tmp_path, "BraTS20_Training_355", modalities=TWO)
    old = folder / "BraTS20_Training_355_seg.nii"
    old.rename(folder / "W39_1998.09.19_Segm.nii")
    item = brats.load(tmp_path, modalities=TWO, volumes=True)[0]
    assert item["label"].any()


@pytest.mark.pure
def test_any_subset_in_any_order(tmp_path):
    write_scan(tmp_path, "one", modalities=("t2", "flair"))
    source = brats.load(tmp_path, modalities=("t2", "t2f"), volumes=True)
    item = source[0]
    np.testing.assert_array_equal(item["image"][..., 0], brain(0)[0])
    np.testing.assert_array_equal(item["t2f"][..., 0], brain(1)[0])


@pytest.mark.pure
def test_slices_with_image_level_labels(tmp_path):
    write_scan(tmp_path, "one", modalities=TWO)
    source = brats.load(tmp_path, modalities=TWO, least_brain=0.0)
    assert ids(source) == [f"one_{z:03d}" for z in range(4)]
    assert source.positive.tolist() == [0, 1, 1, 0]
    for z in range(4):
        item = source[z]
        assert item["label"] == source.positive[z] and item["slice"] == z
        assert item["label"].dtype == "int32"
        np.testing.assert_array_equal(item["mask"], brain(0)[1][z] > 0)
        np.testing.assert_array_equal(item["t1ce"], brain(1)[0][z][..., None])
        assert item["image"].shape == (6, 5, 2)
    # Slice 0 has one pixel of brain in each modality.
    assert ids(brats.load(tmp_path, modalities=TWO, least_brain=0.05))[0] == "one_001"


@pytest.mark.pure
@pytest.mark.parametrize("level", [0, 900])
def test_zscore_is_of_the_brain_whatever_level_the_air_has(tmp_path, level):
    write_scan(tmp_path, "one", modalities=TWO, level=level)
    item = brats.load(tmp_path, modalities=TWO, volumes=True, normalise="zscore")[0]
    for place in range(2):
        image = brain(place)[0]
        inside = image > 0
        values = item["image"][..., place]
        assert abs(values[inside].mean()) < 1e-5
        assert values[inside].std() == pytest.approx(1, abs=1e-5)
        assert (values[~inside] == 0).all()


@pytest.mark.pure
def test_a_volume_without_air_is_all_brain(tmp_path):
    folder = write_scan(tmp_path, "one", modalities=("flair",))
    from brats_layout import write_volume

    image = np.random.default_rng(0).integers(0, 4000, SHAPE)
    write_volume(folder / "one_flair.nii", image.astype("uint16"))
    item = brats.load(tmp_path, modalities=("flair",), volumes=True,
                      normalise="zscore")[0]  # fmt: skip
    assert item["image"].mean() == pytest.approx(0, abs=1e-5)


@pytest.mark.pure
def test_frames_are_resampled_and_cropped(tmp_path):
    write_scan(tmp_path, "one", modalities=TWO, shape=(3, 16, 20))
    asked = {"modalities": TWO, "spacing": (3.0, 2.5), "size": (12, 6)}
    volume = brats.load(tmp_path, **asked, volumes=True)[0]
    assert volume["image"].shape == (3, 12, 6, 2) and volume["label"].shape == (
        3,
        12,
        6,
    )
    np.testing.assert_allclose(volume["spacing"], (3.0, 3.0, 2.5))
    # 16 rows of 1.5 mm fill 8 of the 12: what is added around is air.
    assert (volume["image"][:, [0, 1, 10, 11]] == 0).all()
    source = brats.load(tmp_path, **asked, least_brain=0.0)
    for z in range(3):
        np.testing.assert_array_equal(source[z]["image"], volume["image"][z])
        assert source[z]["label"] == volume["label"][z].any()
    # The tumour is at the upper left, which a small frame does not show.
    small = brats.load(tmp_path, modalities=TWO, size=4)
    assert small.positive.tolist() == [0] * len(small)


@pytest.mark.pure
def test_items_are_the_caller_s_and_files_are_read_on_request(many, monkeypatch):
    from keras_condattn.datasets.brats import _source

    source = brats.load(many, modalities=TWO)
    opened = []
    read = _source.read
    monkeypatch.setattr(_source, "read", lambda *a: opened.append(a) or read(*a))
    first = source[0]
    first["image"][:] = -1
    assert source[0]["image"].min() >= 0
    assert len(opened) == 3  # two modalities and the mask, once
    list(source[i] for i in range(len(source)))
    assert len(source._kept) == 2 and len(opened) == 30
    kept = brats.load(many, modalities=TWO, cache=True)
    list(kept[i] for i in range(len(kept)))
    assert len(kept._kept) == 10
    again = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(again[3]["image"], source[3]["image"])


@pytest.mark.pure
def test_patients_are_dealt_whole_and_once(many):
    asked = {"modalities": TWO}
    sides = [brats.load(many, s, **asked).patients
             for s in ("train", "validation", "test")]  # fmt: skip
    assert [len(side) for side in sides] == [7, 1, 2]
    assert sorted(itertools.chain(*sides)) == brats.load(many, **asked).patients
    tests = [
        p for k in range(5) for p in brats.load(many, "test", fold=k, **asked).patients
    ]
    assert sorted(tests) == sorted(itertools.chain(*sides))
    other = brats.load(many, "test", seed=1, **asked).patients
    assert other != sides[2]


@pytest.mark.pure
def test_a_split_looks_at_its_own_scans_alone(many, monkeypatch):
    from keras_condattn.datasets.brats import _load

    asked, looked = {"modalities": TWO}, []
    look = _load.look
    monkeypatch.setattr(_load, "look", lambda *a: looked.append(a[0]) or look(*a))
    tests = brats.load(many, "test", **asked).patients
    assert [scan.patient for scan in looked] == tests and len(tests) == 2
    # Which files are broken has no say in who is dealt where.
    for name in ("scan_00", tests[0]):
        (many / name / f"{name}_flair.nii").write_bytes(b"no")
    with pytest.warns(UserWarning, match="left out: 1 scan"):
        left = brats.load(many, "test", on_error="skip", **asked)
    assert left.patients == tests[1:] and list(left.skipped) == tests[:1]


@pytest.mark.pure
def test_leave_one_out(many):
    asked = {"modalities": TWO, "protocol": "leave_one_out"}
    tested, validated = [], []
    for fold in range(10):
        sides = [set(brats.load(many, s, fold=fold, **asked).patients)
                 for s in ("train", "validation", "test")]  # fmt: skip
        assert [len(side) for side in sides] == [8, 1, 1]
        assert len(set.union(*sides)) == 10
        validated += sides[1]
        tested += sides[2]
    assert len(set(tested)) == len(set(validated)) == 10
    with pytest.raises(ValueError, match="fold of protocol='leave_one_out'.*0 to 9"):
        brats.load(many, "test", fold=10, **asked)


@pytest.mark.pure
def test_scans_of_one_patient_stay_together(tmp_path):
    names = [f"BraTS-GLI-0000{n}-00{t}" for n in range(4) for t in range(2)]
    names += ["brats_tcia_pat105_0001", "brats_tcia_pat105_0117"]
    for name in names:
        write_scan(tmp_path, name, modalities=("flair",))
    asked = {"modalities": ("flair",)}
    everyone = brats.load(tmp_path, **asked)
    assert everyone.patients == [f"BraTS-GLI-0000{n}" for n in range(4)] + [
        "brats_tcia_pat105"
    ]
    test = brats.load(tmp_path, "test", volumes=True, **asked)
    assert len(test) == 2 and len(test.patients) == 1


@pytest.mark.pure
def test_scans_without_masks(tmp_path):
    folder = write_scan(tmp_path, "one", modalities=TWO)
    (folder / "one_seg.nii").unlink()
    source = brats.load(tmp_path, modalities=TWO, labels=False)
    assert not {"label", "mask", "positive"} & set(source[0])
    with pytest.raises(ValueError, match="positive needs slices with labels"):
        _ = source.positive


def test_it_is_what_networks_of_several_modalities_learn_from(tmp_path):
    write_many(tmp_path, 2, modalities=TWO)
    source = brats.load(tmp_path, modalities=TWO, size=8, normalise="zscore")
    batches = Batches(source, 3, source.modalities)
    last = keras.config.image_data_format() == "channels_last"
    model = CrossModalityCAM((8, 8, 1) if last else (1, 8, 8), TWO, filters=(2, 3))
    # Tracing takes TensorFlow longer than two steps.
    model.compile("sgd", run_eagerly=keras.backend.backend() == "tensorflow")
    history = model.fit(batches, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    supervised = Batches(source, 3, source.modalities, "mask")
    assert supervised[0][1].shape == (3, 8, 8)


@pytest.mark.pure
def test_real_scans_whose_air_is_not_0(real_data):
    root = real_data / "brats15"
    if not root.is_dir():
        pytest.skip(f"{root} is not there")
    source = brats.load(root, modalities=TWO, volumes=True, normalise="zscore")
    assert len(source) == 4
    item = source[0]
    assert (
        item["id"] == "brats_2013_pat0001_1" and item["patient"] == "brats_2013_pat0001"
    )
    assert item["image"].shape == (132, 136, 176, 2)
    assert item["label"].sum() == 26371 + 53050 + 818 + 31485
    assert 0.5 < (item["image"][..., 0] == 0).mean() < 0.56
    assert item["image"][..., 0].std() == pytest.approx(0.47**0.5, abs=0.02)
    # A whole tumour is bright in flair.
    assert item["image"][..., 0][item["label"] > 0].mean() > 1
