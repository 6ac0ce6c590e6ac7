"""What `chaos.load` refuses, and what it says."""

import os
import shutil

import numpy as np
import pytest

pytest.importorskip("nibabel", reason="nibabel, the extra 'medical', is not installed")
pytest.importorskip("pydicom", reason="pydicom, the extra 'medical', is not installed")
pytest.importorskip("PIL", reason="Pillow, the extra 'images', is not installed")
import pydicom
from chaos_layout import dicom, write_ct, write_nifti_case, write_t2
from PIL import Image

from keras_condattn.datasets import SimulatedScribbles, chaos

pytestmark = pytest.mark.pure


def slices(folder):
    return sorted((folder / "DICOM_anon").iterdir())


def pictures(folder):
    return sorted((folder / "Ground").iterdir())


def change(path, **elements):
    dataset = pydicom.dcmread(path)
    for name, value in elements.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    dataset.save_as(path)


def deflate(path):
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    dataset.save_as(path)


def link(path):
    outside = path.parent.parent.parent.parent / path.name
    shutil.move(path, outside)
    path.symlink_to(outside)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-40])


def paint(path, value=90, shape=(6, 5)):
    Image.fromarray(np.full(shape, value, "uint8")).save(path)


def double(folder):
    dataset = pydicom.dcmread(slices(folder)[0])
    place = dataset.ImagePositionPatient
    change(slices(folder)[1], ImagePositionPatient=list(place))


SPOILT = {
    "no images": (lambda f: shutil.rmtree(f / "DICOM_anon"), "no cases found"),
    "no pictures": (lambda f: shutil.rmtree(f / "Ground"), "no folder T2SPIR/Ground"),
    "empty": (
        lambda f: [p.unlink() for p in pictures(f)], r"1 to 2000 files \*.png, found 0",
    ),
    "a picture less": (
        lambda f: pictures(f)[0].unlink(), "DICOM_anon has 4 images and Ground 3",
    ),
    "other names": (
        lambda f: pictures(f)[0].rename(f / "Ground" / "x.png"),
        "has no picture of its name",
    ),
    "unknown grey": (
        lambda f: paint(pictures(f)[1]),
        r"IMG-0004-00010.png must hold the grey values background 0, liver 55 to 70, "
        r".*got \[90\]",
    ),
    "16 bits": (
        lambda f: Image.fromarray(np.full((6, 5), 63, "uint16")).save(pictures(f)[0]),
        "of 8 bits",
    ),
    "other size": (lambda f: paint(pictures(f)[0], 0, (5, 6)), r"\(6, 5\) pixels"),
    "damaged picture": (lambda f: truncate(pictures(f)[0]), "cannot be read as PNG"),
    "damaged slice": (lambda f: truncate(slices(f)[0]), "cannot be read as DICOM"),
    "no DICOM": (lambda f: slices(f)[0].write_bytes(b"text"), "be read as DICOM"),
    "deflated": (lambda f: deflate(slices(f)[0]), "deflated data sets are not read"),
    "a link": (lambda f: link(slices(f)[0]), "is a link that leads out of its folder"),
    "one slice": (
        lambda f: [p.unlink() for p in slices(f)[1:] + pictures(f)[1:]], "only slice",
    ),
    "a gap": (
        lambda f: [slices(f)[1].unlink(), pictures(f)[1].unlink()],
        "15.00 mm apart, others 7.50",
    ),
    "one place": (double, "lie at the same place"),
    "no position": (
        lambda f: change(slices(f)[0], ImagePositionPatient=None),
        "must give ImagePositionPatient as 3 finite numbers, got None",
    ),
    "no spacing": (
        lambda f: change(slices(f)[0], PixelSpacing=[0, 1.25]), "PixelSpacing above 0",
    ),
    "spacings": (
        lambda f: change(slices(f)[1], PixelSpacing=[1.5, 2]), "has other PixelSpacing",
    ),
    "skew": (
        lambda f: change(slices(f)[0], ImageOrientationPatient=[1, 0, 0, 1, 0, 0]),
        "two directions at right angles",
    ),
    "many frames": (
        lambda f: change(slices(f)[0], NumberOfFrames=2), "must have NumberOfFrames 1",
    ),
    "inverted": (
        lambda f: change(slices(f)[0], PhotometricInterpretation="MONOCHROME1"),
        "PhotometricInterpretation MONOCHROME2",
    ),
    "beyond floats": (
        lambda f: change(slices(f)[0], RescaleSlope="1e39"), "levels that are not",
    ),
    "huge": (lambda f: change(slices(f)[0], Rows=60000), "claims 60000 x 5 pixels"),
}  # fmt: skip


@pytest.mark.parametrize("kind", SPOILT)
def test_spoilt_files(tmp_path, kind):
    spoil, match = SPOILT[kind]
    spoil(write_t2(tmp_path, 1))
    with pytest.raises((ValueError, FileNotFoundError), match=match):
        chaos.load(tmp_path)


def test_what_a_mac_leaves_beside_its_files_is_none_of_them(tmp_path):
    folder = write_t2(tmp_path, 1)
    before = chaos.load(tmp_path, volumes=True)[0]["image"]
    for path in (slices(folder)[0], pictures(folder)[0]):
        path.with_name(f"._{path.name}").write_bytes(b"Mac OS X")
    after = chaos.load(tmp_path, volumes=True)[0]["image"]
    np.testing.assert_array_equal(before, after)


def test_one_error_names_each_patient_and_skip_leaves_them_out(tmp_path):
    for number in (1, 2, 3):
        write_t2(tmp_path, number)
    paint(pictures(tmp_path / "1" / "T2SPIR")[0])
    truncate(slices(tmp_path / "3" / "T2SPIR")[0])
    with pytest.raises(ValueError, match=r"2 patients cannot be used:\n1: .*\n3: "):
        chaos.load(tmp_path)
    with pytest.warns(UserWarning, match="left out: 2 patients"):
        source = chaos.load(tmp_path, on_error="skip")
    assert source.patients == ["2"] and set(source.skipped) == {"1", "3"}


def test_sequences_that_are_not_there(tmp_path):
    write_t2(tmp_path / "MR", 1)
    write_t2(tmp_path / "MR", 2)
    shutil.move(tmp_path / "MR/2/T2SPIR", tmp_path / "MR/2/T1DUAL")
    (tmp_path / "MR/2/T1DUAL/DICOM_anon/InPhase").mkdir()
    for name in slices(tmp_path / "MR/2/T1DUAL"):
        if name.suffix == ".dcm":
            shutil.move(name, name.parent / "InPhase" / name.name)
    with pytest.raises(ValueError, match=r"2: has no T2SPIR"):
        chaos.load(tmp_path, ["T2SPIR"])
    assert chaos.load(tmp_path).patients == ["1", "2"]
    with pytest.raises(ValueError, match="none of .'OutPhase',. below root; found In"):
        chaos.load(tmp_path, ["OutPhase"])
    write_ct(tmp_path / "CT", 1)
    with pytest.raises(ValueError, match="CT has other patients"):
        chaos.load(tmp_path, ["T2SPIR", "CT"])
    write_nifti_case(tmp_path / "nifti", 1)
    with pytest.raises(ValueError, match="NIfTI files and DICOM folders"):
        chaos.load(tmp_path)
    with pytest.raises(ValueError, match="NIfTI files, which do not say"):
        chaos.load(tmp_path / "nifti", ["T2SPIR"])
    with pytest.raises(ValueError, match="'sequence' is known of the MR folders"):
        chaos.load(tmp_path / "nifti", conditioning=["sequence"])


def test_a_patient_in_two_places(tmp_path):
    write_t2(tmp_path / "a", 1)
    write_t2(tmp_path / "b", 1)
    with pytest.raises(ValueError, match="is there more than once: .*a.*b"):
        chaos.load(tmp_path)


def test_nifti_labels_that_are_none(tmp_path):
    folder = write_nifti_case(tmp_path, 1)
    from acdc_layout import write_volume

    write_volume(folder / "label.nii.gz", np.full((4, 6, 5), 63, "uint8"))
    with pytest.raises(ValueError, match=r"classes from 0 to 4, got \[63\]"):
        chaos.load(tmp_path)
    write_volume(folder / "label.nii.gz", np.zeros((4, 5, 6), "uint8"))
    with pytest.raises(ValueError, match=r"label.nii.gz has shape \(4, 5, 6\)"):
        chaos.load(tmp_path)
    os.remove(folder / "label.nii.gz")
    with pytest.raises(ValueError, match=r"has no file label.nii.gz"):
        chaos.load(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"sequences": []}, "sequences must list some of"),
        ({"sequences": ["T2"]}, "sequences must list some of"),
        ({"split": "testing"}, "split must be one of"),
        ({"normalise": "minmax"}, "normalise must be one of"),
        ({"conditioning": ["phase"]}, "conditioning must list some of"),
        ({"spacing": 0}, "spacing must be a number above 0"),
        ({"size": 1.5}, "size must be whole numbers"),
        ({"folds": 1}, "folds must be a whole number of at least 2"),
        ({"fold": 5}, "fold must be a whole number from 0 to 4"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
        ({"augment": 2}, "augment must be a bool"),
        ({"augment": True, "volumes": True}, "augment varies slices"),
        ({"on_error": "warn"}, "on_error must be one of"),
        ({"scribbles": True}, "scribbles must be a SimulatedScribbles"),
        ({"scribbles": SimulatedScribbles(length=(1.0,))}, "each of 4 classes but"),
        ({"split": "validation", "folds": 2}, "has no patient among the 1 found"),
    ],
)
def test_arguments_out_of_their_range(tmp_path, arguments, match):
    write_t2(tmp_path, 1)
    with pytest.raises(ValueError, match=match):
        chaos.load(tmp_path, **arguments)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"length": -1.0}, "length must be a number from 0"),
        ({"length": ()}, "length must be a number from 0"),
        ({"background": float("inf")}, "background must be a number from 0"),
        ({"width": 0.5}, "width must be a number from 1"),
        ({"distance": 0}, "distance must be a number from 1"),
        ({"seed": 1.5}, "seed must be a whole number"),
    ],
)
def test_a_pen_out_of_its_range(arguments, match):
    with pytest.raises(ValueError, match=match):
        SimulatedScribbles(**arguments)


def test_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        chaos.load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="no cases found"):
        chaos.load(tmp_path)


def test_a_layout_of_our_own_is_readable(tmp_path):
    """What the helper writes is what pydicom reads, lest the tests above be vain."""
    pixels = np.arange(30).reshape(6, 5)
    dicom(pixels, 0.0).save_as(tmp_path / "x.dcm", enforce_file_format=True)
    read = pydicom.dcmread(tmp_path / "x.dcm")
    np.testing.assert_array_equal(read.pixel_array, pixels)
