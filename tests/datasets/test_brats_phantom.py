"""Drawn brains: laid out as BraTS, and neither modality shows a lesion well."""

import sys

import numpy as np
import pytest

pytest.importorskip("nibabel", reason="nibabel, the extra 'medical', is not installed")
from keras_condattn.datasets import brats
from keras_condattn.datasets.brats import _phantom
from keras_condattn.datasets.brats._phantom_head import Head, show

pytestmark = pytest.mark.pure
TWO = ("flair", "t1ce")
SMALL = {"slices": 8, "size": (60, 56), "spacing": (14.0, 3.0, 3.2)}
SPACING = SMALL["spacing"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return brats.write_phantoms(tmp_path_factory.mktemp("brats"), 6, **SMALL)


def grid():
    axes = [(np.arange(n) - (n - 1) / 2) * s
            for n, s in zip((8, 60, 56), SPACING, strict=True)]  # fmt: skip
    return np.stack(np.meshgrid(*axes, indexing="ij"))


def heads(count=12):
    for number in range(count):
        rng = np.random.default_rng(number)
        head = Head.draw(8 * SPACING[0], rng)
        yield head, show(head, grid(), SPACING, rng)


def test_load_reads_them(root):
    source = brats.load(root, modalities=TWO, volumes=True)
    assert source.patients == [f"phantom_{n:03d}" for n in range(1, 7)]
    for i in range(6):
        item = source[i]
        assert item["image"].shape == (8, 60, 56, 2)
        np.testing.assert_allclose(item["spacing"], SPACING, rtol=1e-6)
        assert set(np.unique(item["label"])) == {0, 1}
    splits = [brats.load(root, s, modalities=TWO).patients
              for s in ("train", "validation", "test")]  # fmt: skip
    assert [len(split) for split in splits] == [3, 1, 2]


def test_about_half_of_the_slices_show_a_lesion():
    share = np.mean([volumes["seg"].any((1, 2)).mean() for _, volumes in heads()])
    assert 0.4 < share < 0.65


def test_brains_lie_in_air_of_exactly_0(root):
    source = brats.load(root, modalities=TWO, volumes=True)
    for i in range(len(source)):
        air = source[i]["image"] == 0
        np.testing.assert_array_equal(air[..., 0], air[..., 1])
        assert air[:, [0, -1]].all() and 0.3 < air.mean() < 0.8
        assert not (air[..., 0] & (source[i]["label"] > 0)).any()


def test_lesions_are_bright_in_flair_and_a_rim_or_faint_in_t1ce():
    kinds = set()
    for head, volumes in heads():
        mask = volumes["seg"] > 0
        depth = np.max([blob.depth(grid()) for blob in head.lesions], 0)
        core, tissue = mask & (depth > 8), (volumes["t1ce"] > 0) & (depth < -8)
        rim = mask & (depth < 5)
        levels = {
            m: {k: np.median(volumes[m][where]) / np.median(volumes[m][tissue])
                for k, where in (("core", core), ("rim", rim))} for m in TWO
        }  # fmt: skip
        assert levels["flair"]["core"] > 1.25
        kind = head.lesions[0].kind
        kinds.add(kind)
        if kind == "faint":
            assert abs(levels["t1ce"]["core"] - 1) < 0.3
        else:
            assert levels["t1ce"]["core"] < min(1, levels["t1ce"]["rim"] - 0.1)
    assert kinds == {"rim", "faint"}


def test_the_other_modality_refutes_what_only_looks_like_a_lesion():
    contrast = {(kind, m): [] for kind in ("flair", "t1ce") for m in TWO}
    for head, volumes in heads():
        outside = np.max([b.depth(grid()) for b in head.lesions], 0) < -6
        fluid = np.abs(grid()[2]) < 18
        for blob in head.others:
            inside = (blob.depth(grid()) > 0.5) & outside & ~fluid
            around = (abs(blob.depth(grid()) + 4) < 2) & outside & ~fluid
            seen = volumes["flair"] > 0
            if blob.kind == "ring" or (inside & seen).sum() < 5:
                continue
            for m in TWO:
                ratio = np.median(volumes[m][inside & seen]) / np.median(
                    volumes[m][around & seen]
                )
                contrast[blob.kind, m].append(ratio)
        assert {b.kind for b in head.others} == {"flair", "t1ce", "ring"}
    for kind in TWO:
        other = TWO[1 - TWO.index(kind)]
        assert np.median(contrast[kind, kind]) > 1.25
        assert abs(np.median(contrast[kind, other]) - 1) < 0.1


def arrays(root):
    source = brats.load(root, modalities=TWO, volumes=True)
    return [source[i][k] for i in range(len(source)) for k in ("image", "label")]


def test_the_seed_draws_and_the_number_of_patients_does_not(root, tmp_path):
    again = arrays(brats.write_phantoms(tmp_path / "a", 2, **SMALL))
    other = arrays(brats.write_phantoms(tmp_path / "b", 2, **SMALL, seed=1))
    before = arrays(root)
    for i, array in enumerate(again):
        np.testing.assert_array_equal(array, before[i])
        assert (array != other[i]).any()
    assert (before[0] != before[2]).any()  # one patient and the next


def test_scans_that_are_there_are_left_alone(tmp_path):
    there = tmp_path / "phantom_002"
    there.mkdir()
    with pytest.raises(FileExistsError, match="phantom_002 exist already"):
        brats.write_phantoms(tmp_path, 3, **SMALL)
    assert list(tmp_path.iterdir()) == [there] and not list(there.iterdir())


def test_a_scan_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    written = []

    def full_disk(path, array, like):
        written.append(path)
        if len(written) == 5:
            raise OSError("no space left")
        path.touch()

    monkeypatch.setattr(_phantom, "write_nifti", full_disk)
    with pytest.raises(OSError, match="no space"):
        brats.write_phantoms(tmp_path, 3, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["phantom_001"]
    assert len(list((tmp_path / "phantom_001").iterdir())) == 3


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"patients": 0}, "patients must be a whole number from 1 to 999, got 0"),
        ({"slices": 3}, "slices must be a whole number of at least 4, got 3"),
        ({"seed": -1}, "seed"),
        ({"size": 96}, "size must be 2 whole numbers above 0, got 96"),
        ({"spacing": (5.0, 0.0, 2.0)}, "spacing must be 3 numbers above 0"),
        ({"size": (40, 96)}, "shows 80 x 192 mm; a brain needs 176 x 176 mm or more"),
    ],
)
def test_bad_arguments(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        brats.write_phantoms(tmp_path / "new", **arguments)
    assert not (tmp_path / "new").exists()


def test_without_nibabel_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(ImportError, match=r"keras-condattn\[medical\]"):
        brats.write_phantoms(tmp_path / "new")
    assert not (tmp_path / "new").exists()
