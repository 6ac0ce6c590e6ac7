"""Drawn hearts: laid out as ACDC, hearts by their anatomy, and never over others."""

import sys

import numpy as np
import pytest

pytest.importorskip("nibabel", reason="nibabel, the extra 'medical', is not installed")
from keras_condattn.datasets import acdc
from keras_condattn.datasets.acdc import _phantom, _phantom_heart

pytestmark = pytest.mark.pure
SMALL = {"slices": 4, "size": (50, 56), "spacing": (20.0, 3.5, 3.2)}
RIGHT, MUSCLE, LEFT = 1, 2, 3


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return acdc.write_phantoms(tmp_path_factory.mktemp("acdc"), 5, **SMALL)


@pytest.fixture(scope="module")
def volumes(root):
    """(ED, ES) of each patient."""
    source = acdc.load(root, volumes=True, scribbles=True)
    items = [source[i] for i in range(len(source))]
    return list(zip(items[::2], items[1::2], strict=True))


def test_load_reads_them_with_every_fact(root):
    facts = ("phase", "position", "group", "height", "weight")
    source = acdc.load(root, volumes=True, conditioning=facts)
    assert source.patients == [f"patient{n:03d}" for n in (1, 2, 3, 4, 5)]
    assert list(source.groups.values()) == ["NOR", "DCM", "HCM", "MINF", "RV"]
    for i in range(10):
        item = source[i]
        assert item["image"].shape == item["label"].shape == (4, 50, 56)
        np.testing.assert_allclose(item["spacing"], (20.0, 3.5, 3.2), rtol=1e-6)
        height, weight = item["conditioning"][0, -2:] * 100
        assert 150 <= height <= 192 and 18 < weight / (height / 100) ** 2 < 33


def test_ten_patients_can_be_split(tmp_path):
    acdc.write_phantoms(tmp_path, 10, slices=2, size=(40, 40), spacing=(60.0, 4.0, 4.0))
    splits = [acdc.load(tmp_path, s).patients for s in ("train", "validation", "test")]
    assert [len(patients) for patients in splits] == [7, 1, 2]


def test_every_volume_has_every_structure(volumes):
    for item in (item for pair in volumes for item in pair):
        assert set(np.unique(item["label"])) == {0, RIGHT, MUSCLE, LEFT}


def test_the_cavity_is_inside_muscle_and_the_right_ventricle_beside(volumes):
    for item in (item for pair in volumes for item in pair):
        for label in item["label"]:
            left = np.pad(label == LEFT, 1)
            for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
                beside = np.pad(label, 1)[np.roll(left, step, axis) & ~left]
                assert set(beside) <= {MUSCLE}
            assert not (label == RIGHT).any() or (label == MUSCLE).any()


def test_at_end_systole_cavities_are_smaller_and_the_wall_thicker(volumes):
    def areas(item, number):
        return (item["label"][1:3] == number).sum()

    for diastole, systole in volumes:
        assert areas(systole, LEFT) < 0.9 * areas(diastole, LEFT)
        assert areas(systole, RIGHT) < 0.9 * areas(diastole, RIGHT)
        assert areas(systole, MUSCLE) > areas(diastole, MUSCLE)


def test_sections_shrink_to_the_apex(volumes):
    for diastole, _ in volumes:
        areas = (diastole["label"] > 0).sum((1, 2))
        # The first is no larger than the next: at the valves the wall is thin.
        assert (np.diff(areas)[1:] < 0).all() and areas[-1] < 0.4 * areas[1]


def test_blood_is_bright_muscle_grey_and_lung_dark(volumes):
    for diastole, systole in volumes:
        blood = [diastole["image"][1][diastole["label"][1] == c] for c in (LEFT, RIGHT)]
        # At end-systole "muscle" holds trabeculae with blood between them.
        muscle = diastole["image"][1][diastole["label"][1] == MUSCLE]
        assert min(map(np.median, blood)) > 1.5 * np.median(muscle)
        assert np.median(muscle) > 1.5 * np.percentile(diastole["image"], 5)
        assert systole["image"].min() >= 0


def test_the_first_slice_looks_alike_and_is_annotated_at_end_diastole_only(volumes):
    for diastole, systole in volumes:
        change = abs(diastole["image"] - systole["image"]).mean((1, 2))
        assert change[0] < 0.7 * change[1]
        assert (diastole["label"][0] == LEFT).any() and not systole["label"][0].any()


def test_trabeculae_are_cavity_at_end_diastole_and_muscle_at_end_systole():
    heart = _phantom_heart.Heart.draw("NOR", np.random.default_rng(0))
    down, right = np.meshgrid(*[np.arange(-70.0, 70.0)] * 2, indexing="ij")
    section = _phantom_heart.cut(heart, "ES", 0.5, down, right)
    filled, closed = section.labels("ED"), section.labels("ES")
    changed = filled != closed
    assert set(filled[changed]) == {LEFT} and set(closed[changed]) == {MUSCLE}
    assert section.cavity[changed].min() > 0
    assert 3 < section.cavity[changed].max() <= heart.band


def test_scribbles_are_thin_lines_inside_their_class(volumes):
    for item in (item for pair in volumes for item in pair):
        scribble, label = item["scribble"], item["label"]
        drawn = scribble != acdc.UNLABELLED
        assert (scribble[drawn] == label[drawn]).all()
        for number in range(4):
            for strokes, plane in zip(scribble == number, label == number, strict=True):
                assert strokes.any() == plane.any()
                block = np.lib.stride_tricks.sliding_window_view(strokes, (3, 3))
                assert not block.all((-1, -2)).any()
        assert drawn.mean() < 0.06


def arrays(root):
    source = acdc.load(root, volumes=True, scribbles=True)
    return [
        source[i][k] for i in range(len(source)) for k in ("image", "label", "scribble")
    ]


def test_the_seed_draws_and_the_number_of_patients_does_not(root, tmp_path):
    again = arrays(acdc.write_phantoms(tmp_path / "a", 2, **SMALL))
    other = arrays(acdc.write_phantoms(tmp_path / "b", 2, **SMALL, seed=1))
    before = arrays(root)
    for i, array in enumerate(again):
        np.testing.assert_array_equal(array, before[i])
        assert (array != other[i]).any()
    assert (before[0] != before[6]).any()  # one patient and the next


def test_patients_that_are_there_are_left_alone(tmp_path):
    there = tmp_path / "training" / "patient002"
    there.mkdir(parents=True)
    with pytest.raises(FileExistsError, match="patient002 exist already"):
        acdc.write_phantoms(tmp_path, 3, **SMALL)
    assert list((tmp_path / "training").iterdir()) == [there]
    assert not list(there.iterdir())


def test_a_patient_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    written = []

    def full_disk(path, array, like):
        written.append(path)
        if len(written) == 8:
            raise OSError("no space left")
        path.touch()

    monkeypatch.setattr(_phantom, "write_nifti", full_disk)
    with pytest.raises(OSError, match="no space"):
        acdc.write_phantoms(tmp_path, 3, **SMALL)
    left = [path.name for path in (tmp_path / "training").iterdir()]
    assert left == ["patient001"]
    assert len(list((tmp_path / "training" / "patient001").iterdir())) == 7


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"patients": 0}, "patients must be a whole number from 1 to 999, got 0"),
        ({"patients": 1000}, "patients"),
        ({"patients": 2.0}, "patients"),
        ({"slices": 1}, "slices must be a whole number of at least 2, got 1"),
        ({"slices": True}, "slices"),
        ({"seed": -1}, "seed"),
        ({"size": 96}, "size must be 2 whole numbers above 0, got 96"),
        ({"size": (96.0, 96)}, "size"),
        ({"size": (96, 0)}, "size"),
        ({"spacing": (2.0, 2.0)}, "spacing must be 3 numbers above 0"),
        ({"spacing": (10.0, 0.0, 2.0)}, "spacing"),
        ({"spacing": (10.0, float("nan"), 2.0)}, "spacing"),
        ({"size": (40, 80)}, "shows 80 x 144 mm; a heart needs 150 x 150 mm"),
    ],
)
def test_bad_arguments(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        acdc.write_phantoms(tmp_path / "new", **arguments)
    assert not (tmp_path / "new").exists()


def test_without_nibabel_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(ImportError, match=r"keras-condattn\[medical\]"):
        acdc.write_phantoms(tmp_path / "new")
    assert not (tmp_path / "new").exists()
