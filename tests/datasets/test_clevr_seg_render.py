"""The renderer: exact layout and masks, the same bytes however it is run."""

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest

from keras_condattn.datasets import clevr_seg
from keras_condattn.datasets.clevr_seg import _farm, _processes
from keras_condattn.datasets.clevr_seg._scene import CAMERA, Camera, random_scene
from keras_condattn.datasets.clevr_seg._vocabulary import COLOURS, SHAPES, SIZES

pytestmark = pytest.mark.pure

QUICK = {"size": 32, "samples": 1, "progress": False}
NAMES = ["CLEVR_000000", "CLEVR_000001", "CLEVR_000002"]

# Looked for, not imported: mitsuba and a framework in one process crash at exit.
needs_mitsuba = pytest.mark.skipif(
    not (importlib.util.find_spec("mitsuba") and importlib.util.find_spec("PIL")),
    reason="mitsuba or Pillow is not installed: pip install 'keras-condattn[clevr]'",
)


def files(root):
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def pixels(path):
    from PIL import Image

    return np.asarray(Image.open(path))


def masks(root, name):
    paths = sorted((root / "segmentations" / name).glob("*.png"))
    return np.stack([pixels(path) for path in paths])


def objects(root, name):
    return json.loads((root / "scenes" / f"{name}.json").read_text())["objects"]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    root = tmp_path_factory.mktemp("rendered")
    return clevr_seg.render(root, scenes=3, seed=7, workers=2, **QUICK)


@needs_mitsuba
def test_layout(rendered):
    assert sorted(p.name for p in rendered.iterdir()) == [
        *("images", "render.json", "scenes", "segmentations")
    ]
    assert sorted(p.name for p in (rendered / "images").iterdir()) == [
        f"{name}.png" for name in NAMES
    ]
    for index, name in enumerate(NAMES):
        scene = json.loads((rendered / "scenes" / f"{name}.json").read_text())
        assert scene["image_index"] == index
        assert scene["image_filename"] == f"{name}.png"
        image = pixels(rendered / "images" / f"{name}.png")
        assert image.shape == (32, 32, 3)
        assert image.dtype == np.uint8
        assert 3 <= len(scene["objects"]) <= 10
        for thing in scene["objects"]:
            assert thing["shape"] in SHAPES
            assert thing["size"] in SIZES
            assert thing["color"] in COLOURS
            assert 0 <= thing["rotation"] < 360
            assert len(thing["3d_coords"]) == len(thing["pixel_coords"]) == 3


@needs_mitsuba
@pytest.mark.parametrize("name", NAMES)
def test_masks_are_exact(rendered, name):
    mask = masks(rendered, name)
    assert len(mask) == len(objects(rendered, name))
    assert set(np.unique(mask)) == {64, 255}
    assert ((mask == 255).sum(axis=0) <= 1).all()  # a pixel sees one object
    assert (mask == 255).any(axis=(1, 2)).all()


@needs_mitsuba
@pytest.mark.parametrize("name", NAMES)
def test_mask_i_is_object_i(rendered, name):
    """By place (its centre is on it, or something nearer is) and by colour."""
    mask, things = masks(rendered, name) == 255, objects(rendered, name)
    image = pixels(rendered / "images" / f"{name}.png").astype(float)
    names = list(COLOURS)
    hues = np.array([np.array(COLOURS[c]) / np.linalg.norm(COLOURS[c]) for c in names])
    for k, thing in enumerate(things):
        x, y, depth = thing["pixel_coords"]
        seen = int(np.argmax(mask[:, y, x]))
        assert mask[seen, y, x]
        assert seen == k or things[seen]["pixel_coords"][2] < depth
        colour = image[mask[k]].mean(axis=0)
        assert names[int(np.argmax(hues @ colour))] == thing["color"]


@needs_mitsuba
def test_same_bytes_for_any_number_of_workers(rendered, tmp_path):
    again = clevr_seg.render(tmp_path, scenes=3, seed=7, workers=1, **QUICK)
    assert files(again) == files(rendered)


@needs_mitsuba
def test_goes_on_where_it_stopped(rendered, tmp_path):
    first = clevr_seg.render(tmp_path, scenes=2, seed=7, workers=1, **QUICK)
    lost = first / "scenes" / f"{NAMES[0]}.json"
    lost.unlink()
    kept = first / "scenes" / f"{NAMES[1]}.json"
    before = kept.stat().st_mtime_ns
    clevr_seg.render(first, scenes=3, seed=7, workers=1, **QUICK)
    assert kept.stat().st_mtime_ns == before
    assert files(first) == files(rendered)


@needs_mitsuba
def test_a_complete_folder_starts_no_worker(rendered, monkeypatch):
    monkeypatch.setattr(_processes, "WORKER", rendered / "no such file.py")
    assert clevr_seg.render(rendered, scenes=3, seed=7, **QUICK) == rendered


@needs_mitsuba
@pytest.mark.parametrize("change", [{"seed": 8}, {"size": 40}, {"samples": 2}])
def test_refuses_a_folder_of_other_settings(rendered, change):
    before = files(rendered)
    with pytest.raises(ValueError, match=r"root .* holds scenes rendered with"):
        clevr_seg.render(rendered, **{"scenes": 4, "seed": 7, **QUICK, **change})
    assert files(rendered) == before


@needs_mitsuba
def test_the_seed_and_the_number_change_the_scene(rendered, tmp_path):
    other = clevr_seg.render(tmp_path, scenes=1, seed=8, workers=1, **QUICK)
    first = [objects(rendered, NAMES[0]), objects(rendered, NAMES[1])]
    assert objects(other, NAMES[0]) not in first
    assert first[0] != first[1]


@needs_mitsuba
def test_height_and_width(tmp_path):
    root = clevr_seg.render(
        tmp_path, scenes=1, size=(24, 40), workers=1, samples=1, progress=False
    )
    assert pixels(root / "images" / f"{NAMES[0]}.png").shape == (24, 40, 3)
    assert masks(root, NAMES[0]).shape[1:] == (24, 40)
    for thing, mask in zip(objects(root, NAMES[0]), masks(root, NAMES[0]), strict=True):
        rows, columns = np.nonzero(mask == 255)
        x, y, _ = thing["pixel_coords"]
        assert abs(rows.mean() - y) < 3
        assert abs(columns.mean() - x) < 3


@needs_mitsuba
def test_refuses_scenes_it_did_not_make(tmp_path):
    (tmp_path / "scenes").mkdir()
    (tmp_path / "scenes" / "mine.json").write_text("{}")
    with pytest.raises(ValueError, match=r"did not make \(no render.json\)"):
        clevr_seg.render(tmp_path, scenes=1, **QUICK)
    assert list(files(tmp_path)) == ["scenes/mine.json"]


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("size", 23),
        ("size", (24, 49)),
        ("size", (24, 24, 3)),
        ("size", 32.0),
        ("scenes", 0),
        ("scenes", True),
        ("seed", -1),
        ("workers", 0),
        ("samples", 0),
    ],
)
def test_refuses_arguments_before_anything_is_written(tmp_path, argument, value):
    with pytest.raises((ValueError, TypeError), match=argument):
        clevr_seg.render(tmp_path / "new", **{**QUICK, argument: value})
    assert not (tmp_path / "new").exists()


def test_a_missing_library_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(_farm.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"mitsuba.*keras-condattn\[clevr\]"):
        clevr_seg.render(tmp_path / "new", scenes=1, **QUICK)
    assert not (tmp_path / "new").exists()


@needs_mitsuba
def test_a_failing_worker_is_reported_in_its_own_words(tmp_path, monkeypatch):
    worker = tmp_path / "worker.py"
    worker.write_text("raise SystemExit('out of paint')")
    monkeypatch.setattr(_processes, "WORKER", worker)
    with pytest.raises(RuntimeError, match=r"(?s)scene [01] failed.*out of paint"):
        clevr_seg.render(tmp_path / "new", scenes=2, workers=2, **QUICK)


def test_workers_do_not_load_keras():
    code = (
        "import runpy, sys\n"
        "worker = runpy.run_path(sys.argv[1])\n"
        "for name in ('_renderer', '_writer'): worker['_sibling'](name)\n"
        "print(sorted({'keras', 'keras_condattn'} & set(sys.modules)))"
    )
    command = [sys.executable, "-P", "-c", code, str(_processes.WORKER)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_projection_undoes_itself(rng):
    camera = Camera(CAMERA)
    for x, y, height in rng.uniform([0, 0, 0], [60, 40, 1], (20, 3)):
        point = camera.unproject(x, y, height, (40, 60))
        np.testing.assert_allclose(point[2], height, atol=1e-9)
        np.testing.assert_allclose(camera.project(point, (40, 60))[:2], (x, y))
    np.testing.assert_allclose(camera.project(np.zeros(3), (40, 60))[:2], (30, 20))
    # What is higher in the world is higher in the image; +x +y is to the right.
    assert camera.project(np.array([0, 0, 1.0]), (40, 60))[1] < 20
    assert camera.project(np.array([1.0, 1.0, 0]), (40, 60))[0] > 30


def test_solids_fill_the_image_and_do_not_touch():
    centres = []
    for seed in range(30):
        scene = random_scene(np.random.default_rng(seed), (64, 64), 8)
        assert len(scene.solids) == 8
        for k, solid in enumerate(scene.solids):
            centres.append(scene.camera.project(np.asarray(solid.centre), (64, 64))[:2])
            for other in scene.solids[:k]:
                gap = np.hypot(*np.subtract(solid.centre, other.centre)[:2])
                assert gap >= solid.radius + other.radius + 0.25
    centres = np.array(centres)
    assert ((centres > 0) & (centres < 64)).all()
    quadrants = np.bincount((centres > 32) @ [1, 2], minlength=4)
    assert quadrants.min() > 0.15 * len(centres)
