"""The shipped weights do what their cards say, on scenes nobody trained on."""

import importlib.util

import numpy as np
import pytest
from helpers import to_format

import keras_condattn
from keras_condattn.applications import CrossModalityCAM, InsideEncoderDecoder
from keras_condattn.datasets import Batches, brats, clevr_seg
from keras_condattn.metrics import dice_score, volume_scores

CLEVR = sorted(
    record.name
    for record in keras_condattn.list_weights("InsideEncoderDecoder")
    if record.name.startswith("clevr_seg_")
)
needs_renderer = pytest.mark.skipif(
    not (importlib.util.find_spec("mitsuba") and importlib.util.find_spec("PIL")),
    reason="mitsuba or Pillow is not installed: pip install 'keras-condattn[clevr]'",
)


def test_the_four_networks_are_there():
    networks = {"none", "film", "guiding", "inside"}
    assert {f"clevr_seg_{network}" for network in networks} <= set(CLEVR)


def test_every_record_builds_its_network():
    for record in keras_condattn.list_weights():
        factory = getattr(keras_condattn.applications, record.architecture)
        assert factory(weights=record.name).count_params() > 0


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clevr")
    # Another seed than the one of the training set: new scenes, same renderer.
    clevr_seg.render(folder, scenes=12, size=96, seed=1234, workers=1, progress=False)
    return clevr_seg.load(folder, pairs="all")


@needs_renderer
def test_inside_finds_what_is_asked_for(scenes):
    model = InsideEncoderDecoder(weights="clevr_seg_inside")
    batches = Batches(scenes, batch_size=len(scenes))
    (inputs, labels) = batches[0]
    assert dice_score(labels, model.predict(inputs, verbose=0)) > 0.75


@needs_renderer
def test_weights_agree_across_data_formats(scenes):
    item = scenes[0]
    outputs = []
    for data_format in ("channels_last", "channels_first"):
        model = InsideEncoderDecoder(
            weights="clevr_seg_inside", data_format=data_format
        )
        image = to_format(item["image"][None], data_format)
        vector = item["conditioning"][None]
        logits = model.predict_on_batch({"image": image, "conditioning": vector})
        outputs.append(np.squeeze(logits))
    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-3)


def test_contradicting_arguments_are_refused_first():
    with pytest.raises(
        ValueError, match="conditioning='film' where they have 'inside'"
    ):
        InsideEncoderDecoder(weights="clevr_seg_inside", conditioning="film")


def test_brats_finds_a_drawn_lesion_as_its_card_says(tmp_path):
    pytest.importorskip("nibabel")
    pytest.importorskip("scipy")
    # Another seed than that of the training set: a new brain, 0.65 when published.
    root = brats.write_phantoms(
        tmp_path / "drawn", 1, slices=12, size=(60, 60), spacing=(10, 3, 3), seed=7
    )
    found = []
    for data_format in ("channels_last", "channels_first"):
        model = CrossModalityCAM(weights="brats", data_format=data_format)
        volume = brats.load(root, modalities=model.modalities, volumes=True)[0]
        label = keras_condattn.predict_volume(model, volume)
        scores = volume_scores(volume["label"], label, volume["spacing"], classes=2)
        found.append(scores[1])
    assert found[0]["dice"] > 0.6
    assert found[1]["dice"] == pytest.approx(found[0]["dice"], abs=1e-3)
