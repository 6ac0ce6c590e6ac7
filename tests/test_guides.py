"""The guides run from top to bottom, and read as guides: prose before every cell."""

import importlib.util
import itertools
import pathlib
import re
import runpy

import keras
import numpy as np
import pytest

import keras_condattn

GUIDES = pathlib.Path(keras_condattn.__file__).parent.parent / "guides"
PATHS = sorted(GUIDES.glob("*.py"))


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs a guide at its small size in an empty folder: its variables and prints."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    monkeypatch.setenv("KERAS_CONDATTN_GUIDE_SIZE", "small")
    monkeypatch.chdir(tmp_path)

    def run(name):
        return runpy.run_path(str(GUIDES / name), run_name="guide"), capsys.readouterr()

    yield run
    keras.config.set_dtype_policy("float32")
    matplotlib.pyplot.close("all")


def assert_pictures(folder, names):
    """Each is there and shows something, and nothing lies beside outputs/."""
    import matplotlib.image

    assert [path.name for path in folder.iterdir()] == ["outputs"]
    found = {path.name: path for path in folder.rglob("outputs/guides/*/*.png")}
    assert set(found) == set(names)
    for path in found.values():
        assert matplotlib.image.imread(path).std() > 0.05, path


def test_steering_with_inside(run, tmp_path):
    # Found, not imported: mitsuba beside a framework crashes when Python ends.
    if not importlib.util.find_spec("mitsuba"):
        pytest.skip("the scenes of this guide need mitsuba")
    guide, (out, _) = run("steering_with_inside.py")
    assert_pictures(tmp_path, ["one_image_four_answers.png", "steered.png"])
    labels = [item["label"] for item in guide["four"]]
    assert sum(label.any() for label in labels) > 1
    windows = guide["windows"]
    assert windows.shape == (4, 8, 8, 64) and guide["logits"].shape == (4, 32, 32, 1)
    assert windows.min() >= 0 and windows.max() <= 1
    # Each condition has windows of its own.
    assert all(np.abs(windows[k] - windows[0]).max() > 1e-3 for k in (1, 2, 3))
    assert set(guide["scores"]) == {"None", "film", "inside"}
    assert np.isfinite([list(s.values()) for s in guide["scores"].values()]).all()
    before, after = guide["scores"]["inside"], guide["score"]
    assert before["soft_dice"] > 0
    np.testing.assert_allclose(after["soft_dice"], before["soft_dice"], rtol=1e-3)
    assert "conditioning must be finite" in out


def test_film_in_any_model(run, tmp_path):
    guide, (out, _) = run("film_in_any_model.py")
    assert_pictures(tmp_path, ["task.png"])
    assert np.abs(guide["before"]).max() > 0
    np.testing.assert_allclose(guide["after"], guide["before"], rtol=1e-4, atol=1e-6)
    assert guide["answers"].shape == (2, 8)
    assert guide["accuracy"]["best possible without it"] == pytest.approx(2 / 3)
    changes = re.findall(r"changed by loading: (\S+)", out)
    assert len(changes) == 2 and max(map(float, changes)) < 1e-5


def test_attention_in_any_model(run, tmp_path):
    pytest.importorskip("PIL")
    guide, (out, _) = run("attention_in_any_model.py")
    assert_pictures(tmp_path, ["compared.png"])
    counts = [guide[n].count_params() for n in ("backbone", "with_se", "with_acm")]
    assert counts == sorted(set(counts))
    assert "names that come near" in out and "block_1_project_BN" in out
    assert set(guide["steered"].input) == {"image", "conditioning"}
    assert guide["places"] == [f"attention_layer{n}_0" for n in (2, 3, 4)]
    assert set(guide["scores"]) == {"none", "acm"}
    assert all(0 <= score["jafroc"] <= 1 for score in guide["scores"].values())
    assert len(guide["boxes"][guide["which"]]) > 0


def test_hearts_from_nifti(run, tmp_path):
    nibabel = pytest.importorskip("nibabel")
    pytest.importorskip("scipy")
    guide, (out, _) = run("hearts_from_nifti.py")
    assert_pictures(tmp_path, ["hearts.png", "positions.png"])
    assert not guide["REAL"] and "drawn hearts" in out
    # What was predicted lies in a file, on the pixels of the image.
    heart, label = guide["hearts"][0], guide["predicted"][0]
    assert label.shape == heart["image"].shape == (4, 40, 40)
    (path,) = tmp_path.rglob("*.nii.gz")
    assert path.name == f"{heart['id']}.nii.gz"
    written = nibabel.load(path)
    np.testing.assert_array_equal(np.asarray(written.dataobj).T, label)
    np.testing.assert_allclose(written.affine, heart["affine"])
    # The lies are lies, and leave the image alone.
    lie = guide["told"](heart, phase=guide["other_phase"](heart), position=0.25)
    assert lie["conditioning"].tolist() == [[0, 1, 0.25]] * 4
    assert heart["conditioning"][0].tolist() == [1, 0, 0]
    assert lie["image"] is heart["image"]
    assert np.isfinite(list(guide["falls"].values())).all()
    assert set(guide["scores"][0]) >= {"dice", "dice_1", "hd95_3"}


def test_hearts_from_scribbles(run, tmp_path):
    for module in ("nibabel", "scipy", "skimage"):
        pytest.importorskip(module)
    guide, (out, _) = run("hearts_from_scribbles.py")
    assert_pictures(tmp_path, ["strokes.png", "curves.png", "scribbles.png"])
    assert not guide["REAL"] and "drawn hearts" in out
    # Strokes by hand are true, name every class, and lie in a file that `load` reads.
    own, known = guide["own"], guide["own"] != 4
    assert guide["right"] == 1 and set(own[known]) == {0, 1, 2, 3}
    assert set(guide["simulated"].ravel()) == {0, 1, 2, 3, 4}
    written = guide["acdc"].load(guide["drawn"], volumes=True, scribbles=True)[4]
    assert written["id"] == "patient003_ED"
    np.testing.assert_array_equal(written["scribble"], guide["scribbles"])
    np.testing.assert_array_equal(written["scribble"][2], own)
    # They are trained on, and no dense label is.
    assert "patient003" in guide["train"].patients and "label" not in guide["train"][0]
    terms = ["partial_cross_entropy", "gated_crf", "attentive_similarity"]
    for number, curve in enumerate(guide["curves"].values(), 1):
        mean = {"mean_similarity", "similarity_spread"} if number == 3 else set()
        assert set(curve) == {"loss", *terms[:number]} | mean
        assert np.isfinite(list(curve.values())).all()
    for labels in guide["predicted"].values():
        assert [label.shape for label in labels] == [(4, 40, 40)] * 4
    assert all(len(dice) == 3 for dice, _ in guide["scores"].values())
    assert np.isfinite([hd95 for _, hd95 in guide["scores"].values()]).all()


def test_masks_from_labels(run, tmp_path):
    nibabel = pytest.importorskip("nibabel")
    pytest.importorskip("scipy")
    guide, (out, _) = run("masks_from_labels.py")
    assert_pictures(tmp_path, ["labels.png", "curves.png", "masks.png"])
    assert not guide["REAL"] and "drawn brains" in out
    held_out = {item["id"] for item in guide["validation"] + guide["test"]}
    assert len(held_out) == 3 and not held_out & set(guide["train"].patients)
    # Without agreement its terms are neither computed nor logged.
    agreement = {"equivariance", "cross_modality", "kl"}
    assert not agreement & set(guide["before"]) and agreement <= set(guide["after"])
    for name, history in {"plain": guide["before"], "full": guide["after"]}.items():
        (path,) = tmp_path.rglob(f"{name}.csv")
        assert set(history) <= set(path.read_text().split("\n")[0].split(","))
    assert len(guide["results"]) == 5
    for result in guide["results"].values():
        for item, *found, score in zip(
            guide["test"], result["maps"], result["said"], result["masks"],
            result["scores"], strict=True,
        ):  # fmt: skip
            maps, said, masks = found
            above = (maps > result["threshold"]) & (said == 1)[:, None, None]
            assert masks.shape == item["label"].shape and (masks == above).all()
            assert 0 <= score["dice"] <= 1 and np.isfinite(score["assd"])
    # No test patient helps to choose a threshold.
    maps, said = guide["look"](guide["full"], guide["validation"])
    truth = [item["label"] for item in guide["validation"]]
    threshold, _ = keras_condattn.models.choose_threshold(maps, truth, said)
    assert threshold == guide["results"]["full method"]["threshold"]
    patient, z = guide["shown"][-1]
    assert guide["test"][patient]["positive"][z] == 0
    (mask,) = tmp_path.rglob("*_mask.nii.gz")
    written = np.asarray(nibabel.load(mask).dataobj).T
    np.testing.assert_array_equal(written, guide["label"])
    assert written.shape == guide["raw"]["label"].shape


def test_shipped_weights_are_those_the_guide_asks_for():
    records = keras_condattn.list_weights()
    if not records:
        pytest.skip("no weights are registered")
    text = (GUIDES / "steering_with_inside.py").read_text()
    (name,) = re.findall(r'^WEIGHTS = .*"(.+?)"', text, re.M)
    (side,) = re.findall(r"^SCENES, RENDERED, .* else \(\d+, (\d+),", text, re.M)
    model = keras_condattn.applications.InsideEncoderDecoder(weights=name)
    (image,) = (x for x in model.inputs if x.name == "image")
    assert {int(side), 3} == set(image.shape[1:])


def cells(text):
    """(is prose, lines) of each cell."""
    parts = re.split(r"^(# %%.*)\n", text, flags=re.M)
    assert not parts[0].strip(), "something stands before the first cell"
    return [
        (marker == "# %% [markdown]", body.strip().split("\n"))
        for marker, body in zip(parts[1::2], parts[2::2], strict=True)
    ]


def check_format(text):
    assert set(re.findall(r"^# ?%%.*", text, re.M)) <= {"# %%", "# %% [markdown]"}
    found = cells(text)
    assert found[0][0] and re.match(r"# # \S", found[0][1][0]), "no title"
    for (before, _), (prose, lines) in itertools.pairwise(found):
        assert prose or before, f"no prose before the cell {lines[0]!r}"
    for prose, lines in found:
        assert lines != [""], "an empty cell"
        if prose:
            assert all(line[:2] in ("# ", "#") for line in lines), lines
        else:
            compile("\n".join(lines), "cell", "exec")


@pytest.mark.pure
@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_percent_format(path):
    check_format(path.read_text())


@pytest.mark.pure
@pytest.mark.parametrize(
    "text",
    [
        "import os\n# %% [markdown]\n# # Title\n",
        "# %%\nimport os\n",
        "# %% [markdown]\n# Title\n",
        "# %% [markdown]\n# # Title\n# %%\na = 1\n# %%\nb = 2\n",
        "# %% [markdown]\n# # Title\nb = 2\n",
        "# %% [markdown]\n# # Title\n# %%\n",
        "# %% [markdown]\n# # Title\n#%%\nb = 2\n",
        "# %% [markdown]\n# # Title\n# %%\nb =\n",
    ],
)
def test_the_format_check_sees_what_is_wrong(text):
    with pytest.raises((AssertionError, SyntaxError)):
        check_format(text)


@pytest.mark.pure
def test_every_guide_is_run():
    tested = {name for name in globals() if name.startswith("test_")}
    assert {f"test_{path.stem}" for path in PATHS} <= tested and len(PATHS) >= 2
