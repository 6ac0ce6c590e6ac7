"""Drawn radiographs: what is written, that it reads, and what is refused."""

import numpy as np
import pytest

from keras_condattn.datasets import chest_xray14
from keras_condattn.datasets.chest_xray14._phantom_image import Chest
from keras_condattn.datasets.nodules import lung_field

pytestmark = pytest.mark.pure


def test_reads_as_radiographs(tmp_path):
    root = chest_xray14.write_phantoms(tmp_path / "new", 12, size=64)
    source = chest_xray14.load(root, size=None, verify=True)
    assert len(source) == len(source.patients) == 12
    images = np.stack([source[i]["image"] for i in range(12)])
    assert images.shape == (12, 64, 64, 1)
    assert not any(source[i]["label"].any() for i in range(12))
    # No two alike, and the same seed draws the same, however many.
    assert min(np.abs(images[0] - x).max() for x in images[1:]) > 0.1
    again = chest_xray14.write_phantoms(tmp_path / "again", 2, size=64)
    np.testing.assert_array_equal(
        chest_xray14.load(again, size=None)[1]["image"], images[1]
    )
    other = chest_xray14.write_phantoms(tmp_path / "other", 1, size=64, seed=1)
    assert np.abs(chest_xray14.load(other, size=None)[0]["image"] - images[0]).max() > 0
    drawn = chest_xray14.load(root, "train", size=64, nodules=True)
    labels = {float(drawn[i]["label"][0]) for i in range(len(drawn))}
    assert labels == {0.0, 1.0}


def test_lungs_are_where_nodules_are_drawn():
    for number in range(4):
        image = Chest.draw(96, np.random.default_rng(number)).image()
        field = np.kron(lung_field(image), np.ones((2, 2), bool))
        assert image[field].mean() < image.mean() - 0.1
        # Air left and right above the shoulders, bone in the middle.
        assert image[:3, :3].mean() < 0.15 < 0.6 < image[:, 47:49].mean()


@pytest.mark.parametrize(
    ("argument", "value"),
    [("images", 0), ("images", 2.5), ("size", 47), ("seed", -1), ("images", True)],
)
def test_bad_arguments(argument, value, tmp_path):
    with pytest.raises(ValueError, match=f"{argument} must be a whole number.*{value}"):
        chest_xray14.write_phantoms(tmp_path / "x", **{argument: value})
    assert not (tmp_path / "x").exists()


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "Data_Entry_2017.csv").write_text("mine")
    with pytest.raises(FileExistsError, match="Data_Entry_2017.csv is there already"):
        chest_xray14.write_phantoms(tmp_path, 1, size=64)
    assert [p.name for p in tmp_path.iterdir()] == ["Data_Entry_2017.csv"]
