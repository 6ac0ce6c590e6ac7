"""What is wrong with a folder of radiographs is said in one error, by name."""

import sys

import numpy as np
import pytest

pytest.importorskip("PIL", reason="Pillow, the extra 'images', is not installed")
from chest_layout import (
    BOX_HEADING,
    PUBLISHED,
    cases,
    film,
    write_boxes,
    write_random,
    write_set,
)
from PIL import Image

from keras_condattn.datasets import chest_xray14

pytestmark = pytest.mark.pure


@pytest.fixture
def root(tmp_path):
    write_set(tmp_path, cases(patients=10, images=1))
    return tmp_path


def picture(root, patient):
    return root / "images" / f"{patient:08d}_000.png"


def spoil(root):
    picture(root, 1).unlink()
    picture(root, 2).write_bytes(b"")
    picture(root, 3).write_bytes(b"<html>not found</html>" * 9)
    whole = picture(root, 4).read_bytes()
    picture(root, 4).write_bytes(whole[: len(whole) // 2])


def test_one_error_names_every_image_that_cannot_be_used(root):
    spoil(root)
    with pytest.raises(ValueError, match="4 images cannot be used") as raised:
        chest_xray14.load(root)
    message = str(raised.value)
    for patient, what in (
        (1, "no such image"), (2, "an empty file"), (3, "not a PNG"), (4, "cut short"),
    ):  # fmt: skip
        assert f"{patient:08d}_000.png" in message and what in message
    assert "00000005" not in message


def test_skipping_leaves_them_out_and_nobody_else_changes_split(tmp_path):
    write_set(tmp_path, cases(patients=30, images=1))
    splits = ("train", "validation", "test")
    whole = {s: chest_xray14.load(tmp_path, s).ids for s in splits}
    gone = [ids[0] for ids in whole.values()]
    for name in gone:
        (tmp_path / "images" / f"{name}.png").write_bytes(b"")
    for split, ids in whole.items():
        with pytest.warns(UserWarning, match=f"left out: 1 images.*\n{ids[0]}"):
            kept = chest_xray14.load(tmp_path, split, on_error="skip")
        assert kept.ids == ids[1:]
        assert list(kept.skipped) == [f"{ids[0]}.png"]
        assert "an empty file" in kept.skipped[f"{ids[0]}.png"]


def test_nothing_left_is_an_error_even_when_skipping(root):
    for path in (root / "images").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match=r"10 images cannot be used") as raised:
        chest_xray14.load(root, on_error="skip")
    assert "no such image" in str(raised.value)


def test_many_problems_are_counted_not_listed(tmp_path):
    write_set(tmp_path, cases(patients=30, images=1))
    for path in (tmp_path / "images").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match=r"(?s)30 images.*\.\.\. and 20 more$"):
        chest_xray14.load(tmp_path)


def test_damage_inside_is_found_by_verify_or_named_when_read(root):
    data = bytearray(picture(root, 5).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 40] = bytes(40)
    picture(root, 5).write_bytes(bytes(data))
    source = chest_xray14.load(root, size=None)
    with pytest.raises(ValueError, match=r"00000005_000\.png: cannot be read"):
        source[4]
    with pytest.raises(ValueError, match=r"1 images .*\n.*00000005_000\.png"):
        chest_xray14.load(root, verify=True)


def test_colour_and_sixteen_bit_files_are_read_as_grey(root):
    image = film(0)
    alpha = np.dstack([image] * 3 + [np.full_like(image, 255)])
    Image.fromarray(alpha).save(picture(root, 1))
    Image.fromarray(image.astype("uint16") * 257).save(picture(root, 2))
    source = chest_xray14.load(root, size=None)
    for number in (0, 1):
        np.testing.assert_allclose(
            source[number]["image"][..., 0], image / 255, atol=1e-5
        )


def table(root, *lines, heading=PUBLISHED):
    (root / "Data_Entry_2017.csv").write_text("\n".join([heading, *lines]) + "\n")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "a.png,Mass|Cardiomegally,0,1",
            r"a\.png: line 2 .*did you mean 'Cardiomegaly'",
        ),
        ("a.png,Measles,0,1", "unknown finding 'Measles'.*; known are Atelectasis, "),
        ("a.png,Mass", "a.png: line 2 .*'Patient ID' is empty"),
        ("a.png,,0,1", "'Finding Labels' is empty"),
        (",Mass,0,1", "line 2 of Data_Entry_2017.csv: .*'Image Index'"),
        ("b.png,Mass,0,1\nb.png,Edema,0,1", "line 3 .*a second time"),
    ],
)
def test_rows_that_say_nothing_sound_are_named(root, line, message):
    table(root, line)
    with pytest.raises(ValueError, match=message):
        chest_xray14.load(root)


def test_a_finding_is_told_from_the_row_s_other_blanks_and_aliases(root):
    name = picture(root, 1).name
    table(root, f" {name} , Mass|Pleural Thickening ,0,00000007")
    item = chest_xray14.load(root, size=None)[0]
    assert item["label"].nonzero()[0].tolist() == [4, 12] and item["patient"] == "7"


def test_tables_without_their_columns_are_named(root):
    table(root, "a.png,1", heading="Image Index,Patient ID")
    with pytest.raises(ValueError, match="neither a column 'Finding Labels' nor one"):
        chest_xray14.load(root)
    table(root, "a.png,Mass", heading="Image,Finding Labels")
    with pytest.raises(ValueError, match="without the column 'Image Index', 'Patient"):
        chest_xray14.load(root)
    table(root)
    with pytest.raises(ValueError, match="no rows below the heading"):
        chest_xray14.load(root)
    (root / "Data_Entry_2017.csv").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(ValueError, match=r"Data_Entry_2017\.csv: not a text file"):
        chest_xray14.load(root)
    (root / "Data_Entry_2017.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"Data_Entry_2017\.csv or .*nih_label"):
        chest_xray14.load(root)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        chest_xray14.load(root / "nowhere")


def test_labels_other_than_0_and_1_and_unknown_folds_are_named(root):
    rows = cases(patients=10, images=1)
    write_random(root, rows, ["train"] * 9 + ["tset"])
    with pytest.raises(ValueError, match=r"00000010_000\.png: its column 'fold'"):
        chest_xray14.load(root, "train", protocol="nih_labels")
    assert len(chest_xray14.load(root, protocol="nih_labels", size=None)) == 10
    path = root / "nih_labels.csv"
    lines = path.read_text().splitlines()
    lines[1] = lines[1].replace("PA,0", "PA,2").replace("PA,1", "PA,2")
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match="Cardiomegaly must be 0 or 1, got '2'"):
        chest_xray14.load(root, protocol="nih_labels")


def test_boxes_that_are_none_are_named_with_their_lines(root):
    name = picture(root, 1).name
    write_boxes(
        root,
        [(name, "Mass", 1, 2, 3, 4), (name, "Mass", 1, 2, 0, 4),
         (name, "Measles", 1, 2, 3, 4), (name, "Mass", 1, "x", 3, 4),
         (name, "Mass", "nan", 1, 3, 4)],
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"(?s)BBox_List.*line 3: no box") as raised:
        chest_xray14.load(root)
    message = str(raised.value)
    assert "line 4: unknown finding 'Measles'" in message
    assert "line 5" in message and "line 6" in message and "line 2" not in message
    heading = BOX_HEADING.replace(",h]", "")
    (root / "BBox_List_2017.csv").write_text(f"{heading}\n{name},Mass,1,2,3\n")
    with pytest.raises(ValueError, match=r"without the column 'h\]'"):
        chest_xray14.load(root)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "val"}, "split must be one of .*validation.*got 'val'"),
        ({"protocol": "mine"}, "protocol must be one of"),
        ({"normalise": "minmax"}, "normalise must be one of"),
        ({"channels": 2}, r"channels must be one of \(1, 3\), got 2"),
        ({"on_error": "ignore"}, "on_error must be one of"),
        ({"seed": -1}, "seed must be"),
        ({"size": 0}, "size must be"),
        ({"size": (64, 64)}, "size must be"),
        ({"margin": 0.9}, "margin must be"),
        ({"augment": True, "size": None}, "it needs size"),
        ({"augment": True, "split": "test"}, "are for training, got split='test'"),
        ({"exclude": ["Nodul"]}, "unknown finding 'Nodul' .did you mean 'Nodule'"),
        ({"exclude": "Nodule"}, "exclude must list findings"),
    ],
)
def test_arguments_out_of_range_are_named(root, arguments, message):
    with pytest.raises(ValueError, match=message):
        chest_xray14.load(root, **arguments)


def test_a_split_without_images_says_so(tmp_path):
    write_set(tmp_path, cases(patients=1, images=1))
    with pytest.raises(ValueError, match=r"split='test', protocol='random': no image"):
        chest_xray14.load(tmp_path, "test")


def test_a_missing_pillow_is_named_with_its_extra(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"keras-condattn\[images\]"):
        chest_xray14.load(root)
