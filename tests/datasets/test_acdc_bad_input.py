"""What the loader refuses: one error, a line for each patient that it names."""

import os
import pathlib
import shutil

import numpy as np
import pytest

pytest.importorskip("nibabel", reason="nibabel, the extra 'medical', is not installed")
pytest.importorskip("scipy", reason="scipy, the extra 'medical', is not installed")
import nibabel
from acdc_layout import (
    heart,
    write_info,
    write_many,
    write_packed,
    write_patient,
    write_volume,
)

from keras_condattn.datasets import acdc

pytestmark = pytest.mark.pure


def frame(folder, suffix="", number=1):
    return folder / f"{folder.name}_frame{number:02d}{suffix}.nii"


def no_info(folder):
    (folder / "Info.cfg").unlink()


def info_is_no_text(folder):
    (folder / "Info.cfg").write_bytes(b"\xff\xfeED")


def info(**lines):
    known = {"ED": 1, "ES": 12, "Group": "NOR", "Height": 170, "Weight": 60}
    given = {k: v for k, v in (known | lines).items() if v is not None}
    return lambda folder: write_info(folder, **given)


def other_frame(folder):
    frame(folder, number=12).rename(frame(folder, number=11))


def no_label(folder):
    frame(folder, "_gt").unlink()


def no_scribble(folder):
    frame(folder, "_scribble", 12).unlink()


def other_shape(folder):
    write_volume(frame(folder, "_gt"), heart(0)[1][:, :, :4])


def other_depth(folder):
    write_volume(frame(folder, "_scribble"), heart(0)[2][:3])


def unknown_label(folder):
    write_volume(frame(folder, "_gt"), heart(0)[2] | 4)


def unknown_scribble(folder):
    write_volume(frame(folder, "_scribble"), heart(0)[2] + 1)


def broken_label(folder):
    write_volume(frame(folder, "_gt"), heart(0)[1] + 0.5)


def cut_short(folder):
    path = frame(folder, number=12)
    write_volume(f"{path}.gz", heart(0)[0])
    path.unlink()
    whole = pathlib.Path(f"{path}.gz").read_bytes()
    pathlib.Path(f"{path}.gz").write_bytes(whole[: len(whole) // 2])


def one_slice(folder):
    for suffix, array in zip(("", "_gt", "_scribble"), heart(0), strict=True):
        write_volume(frame(folder, suffix), array[:1])


def zero_spacing(folder):
    image = nibabel.Nifti1Image(heart(0)[0].transpose(2, 1, 0), np.eye(4))
    image.header["pixdim"][2] = 0
    image.to_filename(frame(folder))


def not_a_number(folder):
    image = heart(0)[0].astype("float32")
    image[2, 1, 3] = np.nan
    write_volume(frame(folder, number=12), image)


def twice(folder):
    shutil.copytree(folder, folder.parent / "again" / folder.name)


def packed_too(folder):
    write_packed(folder.parent / "packed", int(folder.name[-3:]))


def unreadable(folder):
    frame(folder).unlink()
    frame(folder).mkdir()


CASES = {
    no_info: "has no Info.cfg",
    info_is_no_text: "Info.cfg cannot be read",
    info(Group="XYZ"): "Group as one of NOR, DCM, HCM, MINF, RV, got 'XYZ'",
    info(ED=None): "Info.cfg must give ED as a number above 0, got None",
    info(ES="first"): "Info.cfg must give ES as a number above 0, got 'first'",
    info(ES="12.5"): "Info.cfg must give ES as a number above 0, got '12.5'",
    info(ES="nan"): "Info.cfg must give ES as a number above 0, got 'nan'",
    info(ES="inf"): "Info.cfg must give ES as a number above 0, got 'inf'",
    info(Height=0): "Info.cfg must give Height as a number above 0, got '0'",
    info(Weight="1e999"): "Info.cfg must give Weight as a number above 0",
    info(ES=7): "ED and ES one each of the frames that are there, [1, 12], got",
    info(ES=1): "ED and ES one each of the frames that are there, [1, 12], got",
    other_frame: "ED and ES one each of the frames that are there, [1, 11], got",
    no_label: "has no patient002_frame01_gt.nii",
    no_scribble: "has no patient002_frame12_scribble.nii",
    other_shape: "ED: the label has shape (4, 6, 4) (D, H, W), the image (4, 6, 5)",
    other_depth: "ED: the scribble has shape (3, 6, 5)",
    unknown_label: "_frame01_gt.nii must hold label values from 0 to 3, got [4",
    unknown_scribble: "_scribble.nii must hold scribble values from 0 to 4, got [5]",
    broken_label: "must hold label values from 0 to 3, got [0.5, 1.5",
    cut_short: "patient002_frame12.nii.gz cannot be read as NIfTI",
    one_slice: "patient002_frame01.nii has one slice",
    zero_spacing: "patient002_frame01.nii must have a spacing above 0 mm",
    not_a_number: "frame12.nii holds values that are not finite numbers",
    twice: "is there more than once: ",
    packed_too: "is there more than once: ",
    unreadable: "has no patient002_frame01.nii",
}


@pytest.mark.parametrize(
    ("damage", "message"), CASES.items(), ids=[m[:45] for m in CASES.values()]
)
def test_a_patient_that_cannot_be_used_is_named(tmp_path, damage, message):
    write_many(tmp_path, 3)
    damage(tmp_path / "patient002")
    with pytest.raises(ValueError, match="^1 patient cannot be used:\n") as raised:
        acdc.load(tmp_path, scribbles=True)
    (line,) = str(raised.value).splitlines()[1:]
    assert line.startswith("patient002: ") and message in line
    with pytest.warns(UserWarning, match="1 patient cannot be used") as caught:
        source = acdc.load(tmp_path, scribbles=True, on_error="skip")
    assert caught[0].filename == __file__
    assert source.patients == ["patient001", "patient003"] and len(source) == 16
    assert list(source.skipped) == ["patient002"]
    assert message in source.skipped["patient002"]


def test_one_error_has_a_line_for_each_patient(tmp_path):
    write_many(tmp_path, 5)
    no_info(tmp_path / "patient001")
    cut_short(tmp_path / "patient003")
    other_shape(tmp_path / "patient004")
    (tmp_path / "patient009").mkdir()
    with pytest.raises(ValueError, match="^4 patients cannot be used") as raised:
        acdc.load(tmp_path)
    named = [line.split(":")[0] for line in str(raised.value).splitlines()[1:]]
    assert named == ["patient001", "patient003", "patient004", "patient009"]


def test_where_no_patient_is_left_skipping_raises_too(tmp_path):
    write_many(tmp_path, 1)
    no_info(tmp_path / "patient001")
    with pytest.raises(ValueError, match="has no Info.cfg"):
        acdc.load(tmp_path, on_error="skip")


def test_what_is_not_asked_for_may_be_missing(tmp_path):
    folder = write_patient(tmp_path, 1)
    no_label(folder), no_scribble(folder)
    write_info(folder, ED=1, ES=12)
    assert len(acdc.load(tmp_path, labels=False)) == 8
    assert len(acdc.load(tmp_path, phases=["ES"])) == 4
    for fact in ("group", "height", "weight"):
        with pytest.raises(ValueError, match=rf"patient001: .*{fact.title()}.*asks"):
            acdc.load(tmp_path, labels=False, conditioning=["phase", fact])


def test_a_folder_without_patients_or_none_at_all_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no patients found"):
        acdc.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        acdc.load(tmp_path / "nowhere")
    write_many(tmp_path, 1)
    assert acdc.load(os.fspath(tmp_path / "patient001")).patients == ["patient001"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "val"}, "split must be one of .*validation.*got 'val'"),
        ({"phases": ["ED", "XX"]}, "phases must list some of .*got"),
        ({"phases": "ED"}, "phases must list some of"),
        ({"phases": []}, "phases must list some of"),
        ({"conditioning": ["phase", "phase"]}, "conditioning must list some of"),
        ({"conditioning": ["age"]}, "conditioning must list some of .*'weight'"),
        ({"normalise": "minmax"}, "normalise must be one of"),
        ({"protocol": "random"}, "protocol must be one of"),
        ({"on_error": "ignore"}, "on_error must be one of"),
        ({"spacing": 0}, "spacing must be a number above 0"),
        ({"spacing": (1, 2, 3)}, "spacing must be a number above 0, two of them"),
        ({"spacing": np.nan}, "spacing must be"),
        ({"size": 3.5}, "size must be whole numbers"),
        ({"size": -4}, "size must be"),
        ({"size": True}, "size must be"),
        ({"fold": 5}, "fold must be a whole number from 0 to 4, got 5"),
        ({"share": 0}, "share must be above 0"),
        ({"share": 1.5}, "share must be above 0 and at most 1, got 1.5"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"subset_seed": 0.5}, "subset_seed must be a whole number"),
        ({"augment": True, "volumes": True}, "augment varies slices"),
        ({"augment": "strong"}, "augment must be a bool or an Augmentation"),
        ({"scribbles": "real"}, "scribbles must be a bool or a SimulatedScribbles"),
    ],
    ids=str,
)
def test_arguments_out_of_range_are_named(tmp_path, arguments, message):
    """Before any file is looked at."""
    with pytest.raises(ValueError, match=message):
        acdc.load(tmp_path, **arguments)
