"""The released code's folders of pictures."""

import numpy as np
import pytest

pytest.importorskip("PIL", reason="Pillow, the extra 'images', is not installed")
from brats_layout import picture, truth, write_pictures

from keras_condattn.datasets import brats

pytestmark = pytest.mark.pure


@pytest.fixture
def root(tmp_path):
    for seed, patient in enumerate(("BraTS19_2013_10_1", "b")):
        write_pictures(tmp_path / "train", patient, seed=seed)
    write_pictures(tmp_path / "val", "c", ("T2", "ADC"))
    return tmp_path


def test_slices(root):
    source = brats.load_pictures(root, modalities=("t2", "t1"))
    assert source.patients == ["BraTS19_2013_10_1", "b"] and len(source) == 6
    item = source[1]
    assert item["id"] == "BraTS19_2013_10_1_009" and item["slice"] == 9
    np.testing.assert_array_equal(item["t2"][..., 0], picture(0, 1, 9))
    np.testing.assert_array_equal(item["t1"][..., 0], picture(0, 0, 9))
    np.testing.assert_array_equal(item["mask"], truth(9) > 0)
    assert source.positive.tolist() == [1, 1, 0] * 2
    assert np.isnan(item["spacing"]).all()


def test_volumes_in_the_order_of_the_slices_numbers(root):
    source = brats.load_pictures(root, "validation", modalities=("adc",), volumes=True)
    item = source[0]
    assert item["image"].shape == (3, 6, 5, 1) and "affine" not in item
    for place, number in enumerate((7, 9, 10)):
        np.testing.assert_array_equal(item["adc"][place, ..., 0], picture(0, 1, number))


def test_what_is_missing_is_named(root):
    with pytest.raises(FileNotFoundError, match="no folder for flair; it has .*MR_T1"):
        brats.load_pictures(root, modalities=("flair",))
    with pytest.raises(FileNotFoundError, match="there is no folder.*test"):
        brats.load_pictures(root, "test")
    (root / "val" / "GT").rename(root / "val" / "masks")
    with pytest.raises(FileNotFoundError, match="no folder for GT; it has .*masks"):
        brats.load_pictures(root, "validation", modalities=("t2",))
    (root / "train" / "MR_T2" / "b_9.png").unlink()
    with pytest.raises(ValueError, match=r"b: has no t2 for slices \[9\]"):
        brats.load_pictures(root)
    with pytest.warns(UserWarning, match="left out"):
        assert len(brats.load_pictures(root, on_error="skip")) == 3


def test_damaged_and_unlike_pictures(root):
    from PIL import Image

    Image.fromarray(np.ones((6, 6), "uint8")).save(root / "train" / "GT" / "b_9.png")
    with pytest.raises(ValueError, match=r"b_9.png has shape \(6, 6\) \(H, W\)"):
        brats.load_pictures(root)
    (root / "train" / "GT" / "b_9.png").write_bytes(b"none")
    with pytest.raises(ValueError, match="b_9.png: cannot be read as a picture"):
        brats.load_pictures(root)


@pytest.mark.parametrize(("given", "message"), [
    ({"modalities": ("t1", "seg")}, "modalities must list names"),
    ({"modalities": ("mask",)}, "modalities"),
    ({"split": None}, "split must be one of"),
    ({"size": 0}, "size"),
])  # fmt: skip
def test_bad_arguments(root, given, message):
    with pytest.raises(ValueError, match=message):
        brats.load_pictures(root, **given)
