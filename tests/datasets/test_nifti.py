"""NIfTI in, slices first; and label volumes out, whole or not at all."""

import gzip
import os
import sys

import numpy as np
import pytest

pytest.importorskip("nibabel", reason="nibabel, the extra 'medical', is not installed")
import nibabel
from acdc_layout import AFFINE, SPACING, heart, write_volume

from keras_condattn.datasets import _nifti, write_nifti
from keras_condattn.datasets._nifti import read_nifti

pytestmark = pytest.mark.pure
LABEL = heart(0)[1]


def write(path, data, affine=AFFINE, **header):
    image = nibabel.Nifti1Image(data, affine)
    for name, value in header.items():
        image.header[name] = value
    image.to_filename(path)


@pytest.mark.parametrize("kind", ["nii", "nii.gz"])
def test_axes_and_spacing_come_slices_first(tmp_path, kind):
    x, y, z = np.indices((5, 6, 4))
    write(tmp_path / f"a.{kind}", (100 * z + 10 * y + x).astype("int16"))
    volume = read_nifti(tmp_path / f"a.{kind}")
    assert volume.array.shape == (4, 6, 5) and volume.array[3, 5, 4] == 354
    assert volume.spacing == SPACING
    np.testing.assert_array_equal(volume.affine, AFFINE)


def test_a_scaled_file_gives_its_grey_levels(tmp_path):
    levels = np.linspace(-1, 1, 24).reshape(2, 3, 4)
    image = nibabel.Nifti1Image(levels, AFFINE)
    image.header.set_data_dtype("int16")  # kept as whole numbers and a slope
    image.to_filename(tmp_path / "a.nii")
    found = read_nifti(tmp_path / "a.nii").array
    np.testing.assert_allclose(found, levels.transpose(2, 1, 0), atol=1e-4)


@pytest.mark.parametrize("axis", [1, 2, 3])
@pytest.mark.parametrize("step", [0.0, np.nan])
def test_a_spacing_of_nothing_is_refused(tmp_path, axis, step):
    """nibabel would read 0 as 1 mm."""
    steps = np.array([1, 1.25, 1.5, 10, 0, 0, 0, 0])
    steps[axis] = step
    write(tmp_path / "a.nii.gz", np.ones((2, 2, 2), "uint8"), pixdim=steps)
    with pytest.raises(ValueError, match=r"a\.nii\.gz must have a spacing above 0 mm"):
        read_nifti(tmp_path / "a.nii.gz")


def test_files_that_are_no_volume_are_named(tmp_path):
    path = tmp_path / "a.nii"
    cases = {
        r"three axes.*\(2, 2, 2, 2\)": np.ones((2, 2, 2, 2), "uint8"),
        "not finite numbers": np.full((2, 2, 2), np.inf, "float32"),
        "three axes": np.ones((2, 2), "uint8"),
    }
    for message, data in cases.items():
        write(path, data)
        with pytest.raises(ValueError, match=rf"a\.nii .*{message}"):
            read_nifti(path)
    write(path, np.ones((2, 2, 2), "complex64"))
    with pytest.raises(ValueError, match="not finite numbers"):
        read_nifti(path)
    write(path, np.ones((2, 2, 2), "uint8"), xyzt_units=1)
    with pytest.raises(ValueError, match="spacing in mm, got 'meter'"):
        read_nifti(path)
    nowhere = AFFINE.copy()
    nowhere[0, 3] = np.nan
    write(path, np.ones((2, 2, 2), "uint8"), nowhere)
    with pytest.raises(ValueError, match="affine that is not finite"):
        read_nifti(path)


@pytest.mark.parametrize("kind", ["nii", "nii.gz"])
@pytest.mark.parametrize("kept", [0, 20, 200, 0.5, 0.9])
def test_a_file_cut_short_is_named(tmp_path, rng, kind, kept):
    path = tmp_path / f"a.{kind}"
    write(path, rng.integers(0, 9999, (9, 8, 7)).astype("int16"))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if kept < 1 else kept])
    with pytest.raises(ValueError, match=rf"a\.{kind} cannot be read as NIfTI"):
        read_nifti(path)


def packed(tmp_path, rng):
    path = tmp_path / "a.nii.gz"
    write(path, rng.integers(0, 9999, (9, 8, 7)).astype("int16"))
    return path, bytearray(path.read_bytes())


@pytest.mark.parametrize("place", [-8, -4, -400])
def test_a_packed_file_that_is_damaged_is_named(tmp_path, rng, place):
    """In its checksum, its length, or a bit of it flipped that still unpacks."""
    path, data = packed(tmp_path, rng)
    data[place] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ValueError, match=r"a\.nii\.gz cannot be read as NIfTI"):
        read_nifti(path)


@pytest.mark.parametrize("end", [1, 4, 8])
def test_a_packed_file_without_its_end_is_named(tmp_path, rng, end):
    path, data = packed(tmp_path, rng)
    path.write_bytes(bytes(data[:-end]))
    with pytest.raises(ValueError, match=r"a\.nii\.gz cannot be read as NIfTI"):
        read_nifti(path)


def test_a_packed_file_of_far_more_than_it_announces_is_named(
    tmp_path, rng, monkeypatch
):
    monkeypatch.setattr(_nifti, "SLACK", 5000)
    path = tmp_path / "a.nii.gz"
    write(path, rng.integers(0, 9999, (9, 8, 7)).astype("int16"))
    whole = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(whole + bytes(4000)))
    assert read_nifti(path).array.shape == (7, 8, 9)
    path.write_bytes(gzip.compress(whole + bytes(6000)))
    with pytest.raises(ValueError, match="unpacks to more than the 6008 bytes"):
        read_nifti(path)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "A.NII.GZ"])
def test_both_versions_in_both_byte_orders(tmp_path, rng, version, order, name):
    kind = getattr(nibabel, f"Nifti{version}Image")
    data = rng.integers(0, 9999, (5, 4, 3)).astype(f"{order}i2")
    header = kind.header_class(endianness=order)
    header.set_data_dtype("int16")
    image = kind(data, AFFINE, header)
    note = nibabel.nifti1.Nifti1Extension("comment", b"of a scanner" * 100)
    image.header.extensions.append(note)
    image.header.set_xyzt_units("mm")
    assert image.header.endianness == order
    image.to_filename(tmp_path / name)
    volume = read_nifti(tmp_path / name)
    np.testing.assert_array_equal(volume.array, data.transpose(2, 1, 0))
    assert volume.spacing == SPACING
    np.testing.assert_array_equal(volume.affine, AFFINE)


@pytest.mark.parametrize("kind", ["nii", "nii.gz"])
def test_what_is_written_lies_where_its_image_does(tmp_path, kind):
    write_volume(tmp_path / "image.nii", heart(0)[0])
    image = nibabel.load(tmp_path / "image.nii")
    path = tmp_path / f"some.name.{kind}"
    path.write_bytes(b"what was there before")
    like = {"image": heart(0)[0], "affine": image.affine, "spacing": SPACING}
    write_nifti(path, LABEL.astype("int64"), like)
    written = nibabel.load(path)
    np.testing.assert_array_equal(written.affine, image.affine)
    assert written.header.get_zooms() == image.header.get_zooms()
    assert written.header.get_xyzt_units()[0] == "mm"
    assert written.get_data_dtype() == "uint8"
    volume = read_nifti(path)
    np.testing.assert_array_equal(volume.array, LABEL)
    assert volume.spacing == SPACING
    assert sorted(os.listdir(tmp_path)) == sorted(["image.nii", path.name])


def test_an_image_of_several_modalities_has_one_label(tmp_path):
    like = {"image": np.stack([LABEL] * 3, -1), "affine": AFFINE}
    write_nifti(tmp_path / "a.nii", LABEL, like)
    np.testing.assert_array_equal(read_nifti(tmp_path / "a.nii").array, LABEL)
    with pytest.raises(ValueError, match=r"shape \(3, 6, 5\), \(D, H, W\), got"):
        write_nifti(tmp_path / "b.nii", LABEL, {"image": like["image"][1:]})


def test_a_spacing_alone_will_do(tmp_path):
    label = LABEL.astype("float32") * 300
    write_nifti(str(tmp_path / "a.nii.gz"), label, {"spacing": np.array(SPACING)})
    volume = read_nifti(tmp_path / "a.nii.gz")
    assert volume.spacing == SPACING and volume.array.dtype == "uint16"
    np.testing.assert_array_equal(volume.array, label)


@pytest.mark.parametrize(
    ("name", "label", "like", "message"),
    [
        ("a.nii.bz2", LABEL, {"spacing": SPACING}, "end in .nii or .nii.gz"),
        ("a.gz", LABEL, {"spacing": SPACING}, "end in .nii or .nii.gz"),
        ("a.nii", LABEL[0], {"spacing": SPACING}, "label must have"),
        ("a.nii", LABEL, {"image": LABEL[1:], "affine": AFFINE}, r"shape \(3, 6, 5\)"),
        ("a.nii", LABEL + 0.5, {"spacing": SPACING}, "whole numbers from 0"),
        ("a.nii", LABEL - 1.0, {"spacing": SPACING}, "whole numbers from 0"),
        ("a.nii", LABEL * 7e4, {"spacing": SPACING}, "whole numbers from 0"),
        ("a.nii", LABEL * np.nan, {"spacing": SPACING}, "whole numbers from 0"),
        ("a.nii", LABEL, {}, "'affine' or a 'spacing'"),
        ("a.nii", LABEL, {"spacing": (np.nan,) * 3}, "three steps above 0"),
        ("a.nii", LABEL, {"spacing": (-1, -1, 1)}, "three steps above 0"),
        ("a.nii", LABEL, {"spacing": (1, 1)}, "three steps above 0"),
        ("a.nii", LABEL, {"affine": np.eye(3)}, r"'affine' \(4, 4\)"),
        ("a.nii", LABEL, {"affine": np.zeros((4, 4))}, r"'affine' \(4, 4\)"),
    ],
)
def test_what_cannot_be_written_is_named_before(tmp_path, name, label, like, message):
    with pytest.raises(ValueError, match=message):
        write_nifti(tmp_path / name, label, like)
    assert not os.listdir(tmp_path)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    def full(self, path):
        path.write_bytes(b"half a file")
        raise OSError("no space left")

    (tmp_path / "a.nii").write_bytes(b"old")
    monkeypatch.setattr(nibabel.Nifti1Image, "to_filename", full)
    with pytest.raises(OSError, match="no space"):
        write_nifti(tmp_path / "a.nii", LABEL, {"spacing": SPACING})
    assert os.listdir(tmp_path) == ["a.nii"]
    assert (tmp_path / "a.nii").read_bytes() == b"old"


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere"):
        write_nifti(tmp_path / "nowhere" / "a.nii", LABEL, {"spacing": SPACING})


def test_a_missing_nibabel_is_named_with_its_extra(tmp_path, monkeypatch):
    write_volume(tmp_path / "a.nii", LABEL)
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(ImportError, match=r"keras-condattn\[medical\]"):
        read_nifti(tmp_path / "a.nii")
    with pytest.raises(ImportError, match=r"keras-condattn\[medical\]"):
        write_nifti(tmp_path / "b.nii", LABEL, {"spacing": SPACING})
