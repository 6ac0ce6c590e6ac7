"""What the loaders refuse: files that do not belong together, arguments."""

import sys

import numpy as np
import pytest

pytest.importorskip("nibabel", reason="nibabel, the extra 'medical', is not installed")
from brats_layout import AFFINE, SHAPE, brain, write_scan, write_volume

from keras_condattn.datasets import brats

pytestmark = pytest.mark.pure
TWO = ("flair", "t1ce")


@pytest.fixture
def root(tmp_path):
    for number in range(2):
        write_scan(tmp_path, f"scan_{number}", number, modalities=TWO)
    return tmp_path


def moved(by):
    affine = AFFINE.copy()
    affine[0, 3] += by
    return affine


def broken(root, suffix, array, affine=AFFINE):
    write_volume(root / "scan_1" / f"scan_1_{suffix}.nii", array, affine)


FAULTS = {
    "t1 and t2 missing": (
        lambda root: (root / "scan_1" / "scan_1_t1ce.nii").unlink(),
        "scan_1: has no t1ce; it has flair, seg",
    ),
    "mask missing": (
        lambda root: (root / "scan_1" / "scan_1_seg.nii").unlink(),
        "scan_1: has no seg",
    ),
    "shape": (
        lambda root: broken(root, "t1ce", brain(0, (4, 6, 6))[0]),
        r"scan_1_t1ce.nii has shape \(4, 6, 6\) \(D, H, W\), scan_1_flair.nii has "
        r"\(4, 6, 5\)",
    ),
    "affine": (
        lambda root: broken(root, "t1ce", brain(0)[0], moved(0.5)),
        "scan_1_t1ce.nii lies elsewhere than scan_1_flair.nii: their affines.*0.5 mm",
    ),
    "affine of the mask": (
        lambda root: broken(root, "seg", brain(0)[1], moved(0.5)),
        "scan_1_seg.nii lies elsewhere",
    ),
    "mask of probabilities": (
        lambda root: broken(root, "seg", np.full(SHAPE, 0.5, "float32")),
        r"scan_1_seg.nii must hold the tumour's parts.*0 to 4, got \[0.5\]",
    ),
    "mask of other numbers": (
        lambda root: broken(root, "seg", np.full(SHAPE, 7, "uint8")),
        r"got \[7\]",
    ),
    "blank": (
        lambda root: broken(root, "flair", np.zeros(SHAPE, "uint8")),
        "scan_1_flair.nii has one grey level only",
    ),
    "twice": (
        lambda root: broken(root, "old_flair", brain(0)[0]),
        "more than one file for flair: scan_1_flair.nii, scan_1_old_flair.nii",
    ),
    "damaged": (
        lambda root: (root / "scan_1" / "scan_1_flair.nii").write_bytes(b"no" * 400),
        "scan_1_flair.nii cannot be read as NIfTI",
    ),
    "two places": (
        lambda root: write_scan(root / "copy", "scan_1", modalities=TWO),
        "scan_1: is there more than once: .*copy",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_scan_that_cannot_be_used_is_named_or_skipped(root, fault):
    damage, message = FAULTS[fault]
    damage(root)
    with pytest.raises(ValueError, match="1 scan cannot be used:\n.*" + message):
        brats.load(root, modalities=TWO)
    with pytest.warns(UserWarning, match="left out: 1 scan"):
        source = brats.load(root, modalities=TWO, on_error="skip")
    assert source.patients == ["scan_0"] and list(source.skipped) == ["scan_1"]


def test_a_hair_s_breadth_of_an_affine_does_not_matter(root):
    broken(root, "t1ce", brain(0)[0], moved(1e-4))
    assert len(brats.load(root, modalities=TWO, volumes=True)) == 2


def test_every_scan_that_cannot_be_used_is_named_at_once(root):
    with pytest.raises(ValueError, match="2 scans.*\nscan_0: has no t1, t2.*\nscan_1"):
        brats.load(root)
    with pytest.raises(ValueError, match="2 scans"):
        brats.load(root, on_error="skip")


@pytest.mark.parametrize(("given", "message"), [
    ({"modalities": ()}, "modalities must list some of"),
    ({"modalities": "flair"}, "modalities"),
    ({"modalities": ("flair", "pd")}, "modalities"),
    ({"modalities": ("flair", "t2f")}, "each once"),
    ({"split": "val"}, "split must be one of"),
    ({"normalise": "minmax"}, "normalise"),
    ({"protocol": "stratified"}, "protocol"),
    ({"on_error": "ignore"}, "on_error"),
    ({"least_brain": 1.5}, "least_brain must be from 0 to 1, got 1.5"),
    ({"fold": -1}, "fold must be a whole number of at least 0, got -1"),
    ({"fold": 5, "split": "test"}, "fold of protocol='folds' must be from 0 to 4"),
    ({"seed": 0.5}, "seed"),
    ({"spacing": 0}, "spacing must be a number above 0"),
    ({"spacing": (1, 2, 3)}, "spacing"),
    ({"size": 9.5}, "size must be whole numbers of pixels"),
    ({"size": True}, "size"),
    ({"split": "train"}, "split needs three patients.*found 2"),
])  # fmt: skip
def test_bad_arguments(root, given, message):
    with pytest.raises(ValueError, match=message):
        brats.load(root, **({"modalities": TWO} | given))


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        brats.load(tmp_path / "none")
    (tmp_path / "VSD.Brain.XX.O.MR_Flair.54512.mha").touch()
    with pytest.raises(FileNotFoundError, match="no scans found"):
        brats.load(tmp_path)


def test_without_nibabel(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(ImportError, match=r"keras-condattn\[medical\]"):
        brats.load(root, modalities=TWO)
