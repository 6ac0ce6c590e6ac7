"""Preprocessed `.h5` hearts: what is known of them, and what is refused."""

import shutil

import numpy as np
import pytest

pytest.importorskip("nibabel", reason="nibabel, the extra 'medical', is not installed")
pytest.importorskip("scipy", reason="scipy, the extra 'medical', is not installed")
import h5py
from acdc_layout import both, heart, write_packed

from keras_condattn.datasets import acdc

pytestmark = pytest.mark.pure


def test_packed_volumes_have_phases_and_groups_by_number(tmp_path):
    for place, number in zip("ab", (1, 21), strict=True):
        write_packed(tmp_path / place, number)
    write_packed(tmp_path, 90, (4, 11))
    source = acdc.load(tmp_path, volumes=True, scribbles=True)
    assert source.groups == {
        "patient001": "DCM", "patient021": "HCM", "patient090": "RV",
    }  # fmt: skip
    order = [(1, 0), (1, 1), (21, 0), (21, 1), (90, 1), (90, 0)]
    for item, (number, place) in zip(source, order, strict=True):
        image, label, scribble = both(number)[place]
        np.testing.assert_array_equal(item["image"], (image / 4000).astype("float32"))
        np.testing.assert_array_equal(item["label"], label)
        np.testing.assert_array_equal(item["scribble"], scribble)
        assert np.isnan(item["spacing"]).all() and "affine" not in item
    assert [i["phase"] for i in source] == ["ED", "ES"] * 3
    slices = acdc.load(tmp_path, size=8, normalise="zscore", augment=True)
    assert np.isfinite(slices[0]["image"]).all()


def test_packed_frames_are_ordered_by_number_not_by_folder(tmp_path):
    write_packed(tmp_path / "b", 1)
    (tmp_path / "a" / "patient001").mkdir(parents=True)
    name = "patient001_frame12.h5"
    (tmp_path / "b" / name).rename(tmp_path / "a" / "patient001" / name)
    item = acdc.load(tmp_path, volumes=True)[0]
    assert item["phase"] == "ED"
    np.testing.assert_array_equal(item["label"], both(1)[0][1])


def rewrite(path, change):
    with h5py.File(path, "r+") as file:
        change(file)


def replaced(key, array):
    def change(file):
        del file[key]
        if array is not None:
            file[key] = array

    return change


def link_outside(file):
    del file["image"]
    file["image"] = h5py.ExternalLink("patient001_frame01.h5", "image")


def soft_link(file):
    del file["image"]
    file["image"] = h5py.SoftLink("/label")


def stored_outside(file):
    del file["image"]
    file.create_dataset(
        "image", (4, 6, 5), "uint8", external=[("patient001_frame01.h5", 0, 120)]
    )


def virtual(file):
    del file["image"]
    layout = h5py.VirtualLayout((4, 6, 5), "float32")
    layout[:] = h5py.VirtualSource("patient001_frame01.h5", "image", (4, 6, 5))
    file.create_virtual_dataset("image", layout)


def enormous(file):
    del file["image"]
    file.create_dataset("image", (4, 10**6, 10**6), "float32", chunks=(1, 64, 64))


def a_group(file):
    del file["image"]
    file.create_group("image")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (link_outside, "no entry 'image' of its own"),
        (soft_link, "no entry 'image' of its own"),
        (stored_outside, "'image' refers to another file"),
        (virtual, "'image' refers to another file"),
        (enormous, "'image' claims more than the file holds"),
        (a_group, "'image' is no array"),
        (replaced("label", None), "no entry 'label' of its own"),
        (replaced("label", heart(0)[1][0]), r"'label' must hold numbers (D, H, W)"),
        (replaced("image", heart(0)[0] * np.nan), "values that are not finite"),
        (replaced("image", [[[b"text"]]]), "'image' must hold numbers"),
        (replaced("image", heart(0)[0][:3]), "the label has shape (4, 6, 5)"),
    ],
)
def test_a_packed_file_that_cannot_be_used_is_named(tmp_path, change, message):
    write_packed(tmp_path, 1), write_packed(tmp_path, 2)
    rewrite(tmp_path / "patient002_frame01.h5", change)
    with pytest.raises(ValueError, match=r"(?m)^patient002: ") as raised:
        acdc.load(tmp_path)
    assert message in str(raised.value) and "patient001:" not in str(raised.value)
    with pytest.warns(UserWarning, match="patient002"):
        assert acdc.load(tmp_path, on_error="skip").patients == ["patient001"]


def test_packed_files_damaged_alone_or_twice_are_named(tmp_path):
    for number in range(1, 5):
        write_packed(tmp_path, number)
    whole = (tmp_path / "patient001_frame01.h5").read_bytes()
    (tmp_path / "patient001_frame01.h5").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "patient002_frame12.h5").unlink()
    (tmp_path / "more").mkdir()
    shutil.copy(tmp_path / "patient003_frame01.h5", tmp_path / "more")
    with pytest.raises(ValueError, match="3 patients cannot be used") as raised:
        acdc.load(tmp_path)
    lines = str(raised.value).splitlines()[1:]
    assert "patient001: patient001_frame01.h5 cannot be read" in lines[0]
    assert "patient002: needs an .h5 file for each of ED, ES, found" in lines[1]
    assert "patient003: is there more than once" in lines[2]
    with pytest.raises(ValueError, match="patient004_frame01.h5 has no spacing in mm"):
        acdc.load(tmp_path, spacing=1.5)
